//! A recovery into a namespace where things are already: updated or replaced as was asked, and nothing of others lost.

use std::cell::RefCell;

use refloat_core::plan::plan;
use refloat_core::recovery::Existing;
use refloat_core::run::Progress;
use refloat_testkit::sim::{Fault, SimWorld, resource};
use serde_json::{Value, json};

use crate::driving::leftovers;
use crate::recovery::{COMPLETED, Recovery, sealed};
use crate::site::{self, Sealed};

/// The target with a namespace in use: settings that differ, a Deployment of another image, and something of others.
pub(crate) fn in_use() -> SimWorld {
    let world = site::target();
    world.with_store(|store| {
        let put = |kind: &str, name: &str, mut body: Value| {
            body["kind"] = json!(kind);
            body["apiVersion"] = json!(resource(kind).api_version());
            body["metadata"]["name"] = json!(name);
            if resource(kind).namespaced {
                body["metadata"]["namespace"] = json!("shop");
            }
            (resource(kind), body)
        };
        let pod = json!({ "containers": [{ "name": "web", "image": "refloat.local/web:0" }] });
        let deployment = json!({ "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod },
        } });
        for (resource, object) in [
            put("Namespace", "shop", json!({})),
            put(
                "ConfigMap",
                "web",
                json!({ "data": { "url": "mine", "extra": "mine" } }),
            ),
            put("ConfigMap", "mine", json!({ "data": { "a": "b" } })),
            put(
                "Secret",
                "database",
                json!({ "data": { "password": "bWluZQ==" } }),
            ),
            put("Deployment", "web", deployment),
        ] {
            store.seed(&resource, object);
        }
    });
    world.settle(20);
    world
}

pub(crate) fn recovery_over(sealed: &Sealed, existing: Existing) -> Recovery {
    let world = in_use();
    let mut goal = site::goal("restore-1");
    goal.existing = existing;
    let target = world.inventory();
    let planned = plan("shop/1", &sealed.point, &sealed.objects, &target, &goal).unwrap();
    assert!(!planned.warnings.is_empty(), "what is there is told");
    Recovery {
        world,
        plan: planned.plan,
        records: RefCell::default(),
    }
}

fn origin(recovery: &Recovery, step: &str) -> String {
    let progress = Progress::of(recovery.records.borrow().iter());
    let outcome = progress.outcome(step).cloned().unwrap_or_default();
    outcome.text("origin").unwrap_or("nothing").to_owned()
}

fn uid(recovery: &Recovery, kind: &str, name: &str) -> Value {
    recovery.object(kind, name).unwrap()["metadata"]["uid"].clone()
}

fn check(recovery: &Recovery, existing: Existing, how: &str) {
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new(), "{how}");
    let settings = recovery.object("ConfigMap", "web").unwrap();
    assert_eq!(
        settings["data"]["url"], "postgres://shop@db:5432/shop",
        "{how}"
    );
    let extra = settings["data"].get("extra").is_some();
    assert_eq!(extra, existing == Existing::Update, "{how}");
    assert_eq!(
        recovery.object("Secret", "database").unwrap()["data"]["password"],
        "eA==",
        "{how}"
    );
    let web = recovery.object("Deployment", "web").unwrap();
    let image = web.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image, Some(&json!("refloat.local/web:1")), "{how}");
    assert_eq!(
        recovery.object("ConfigMap", "mine").unwrap()["data"]["a"],
        "b",
        "{how}"
    );
    let of = if existing == Existing::Update {
        "updated"
    } else {
        "replaced"
    };
    for step in ["write ConfigMap shop/web", "write Deployment.apps shop/web"] {
        assert_eq!(origin(recovery, step), of, "{how}: {step}");
    }
    assert_eq!(
        origin(recovery, "write Service shop/db"),
        "created",
        "{how}"
    );
    assert_eq!(
        origin(recovery, "write Namespace shop"),
        "unchanged",
        "{how}"
    );
}

fn everywhere(existing: Existing, kind: fn(usize) -> Fault) -> usize {
    let sealed = sealed();
    for place in 1.. {
        let recovery = recovery_over(&sealed, existing);
        recovery.world.plan_fault(Some(kind(place)));
        let end = recovery.drive();
        let how = format!("{:?}", kind(place));
        if !recovery.world.is_dead() {
            assert_eq!(end, COMPLETED, "{how}");
            check(&recovery, existing, &how);
            return place - 1;
        }
        assert_eq!(recovery.resume(), COMPLETED, "{how}");
        check(&recovery, existing, &how);
    }
    0
}

#[test]
fn updates_keep_who_an_object_is_and_replacements_do_not() {
    let sealed = sealed();
    for existing in [Existing::Update, Existing::Replace] {
        let recovery = recovery_over(&sealed, existing);
        let kinds = [
            ("Namespace", "shop"),
            ("ConfigMap", "web"),
            ("Deployment", "web"),
        ];
        let before = kinds.map(|(kind, name)| uid(&recovery, kind, name));
        assert_eq!(recovery.drive(), COMPLETED);
        check(&recovery, existing, "undisturbed");
        let after = kinds.map(|(kind, name)| uid(&recovery, kind, name));
        assert_eq!(before[0], after[0], "a namespace is never deleted");
        for (before, after) in before.iter().zip(&after).skip(1) {
            assert_eq!(before == after, existing == Existing::Update);
        }
        let refusals = recovery.world.with_store(|store| store.refusals.clone());
        assert_eq!(refusals, Vec::<String>::new());
    }
}

/// Nothing was deleted yet: what is there by then is looked at as what was there before.
#[test]
fn what_was_made_anew_before_it_was_deleted_is_replaced_all_the_same() {
    let recovery = recovery_over(&sealed(), Existing::Replace);
    recovery.world.with_store(|store| {
        let again = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "web", "namespace": "shop" }, "data": { "url": "mine again" },
        });
        let before = "delete ConfigMap shop/web".to_owned();
        store.overtaken = Some((before, resource("ConfigMap"), again));
    });
    assert_eq!(recovery.drive(), COMPLETED);
    check(&recovery, Existing::Replace, "overtaken");
    let history = recovery.world.history.borrow();
    let deletions = history
        .iter()
        .filter(|line| *line == "delete ConfigMap shop/web");
    assert_eq!(deletions.count(), 2, "the first was refused");
}

#[test]
fn an_engine_that_dies_anywhere_goes_on_updating_and_replacing() {
    for existing in [Existing::Update, Existing::Replace] {
        for kind in [Fault::CrashBefore as fn(usize) -> Fault, Fault::CrashAfter] {
            let places = everywhere(existing, kind);
            assert!(places >= 25, "only {places} effects");
        }
    }
}
