//! What authors and users say about order.

use serde_json::{Value, json};

use super::ground::{deployment, drawn, expect, expect_none, object, planned, with, with_env};
use crate::inventory::Thing;
use crate::run::Confidence::{Certain, High};

fn said(name: &str, annotations: Value) -> Thing {
    let mut thing = deployment(name, json!({ "containers": [] }));
    thing.edit(|it| it["metadata"]["annotations"] = annotations);
    thing
}

fn labelled(name: &str, labels: Value, annotations: Value) -> Thing {
    let mut thing = said(name, annotations);
    thing.edit(|it| it["metadata"]["labels"] = labels);
    thing
}

fn id(name: &str) -> String {
    format!("Deployment.apps shop/{name}")
}

#[test]
fn sync_waves_and_hook_phases_follow_each_other() {
    let wave = |name: &str, wave: &str| {
        said(
            name,
            json!({ "argocd.argoproj.io/sync-wave": wave, "argocd.argoproj.io/tracking-id": format!("front:apps/Deployment:shop/{name}") }),
        )
    };
    let hook = |name: &str, hook: &str| {
        said(
            name,
            json!({ "argocd.argoproj.io/hook": hook, "argocd.argoproj.io/tracking-id": "front:x" }),
        )
    };
    let planned = planned([
        wave("first", "-1"),
        wave("second", "0"),
        wave("third", "5"),
        hook("before", "PreSync"),
        hook("after", "PostSync"),
        hook("never", "SyncFail"),
        wave("broken", "many"),
        said(
            "other",
            json!({ "argocd.argoproj.io/sync-wave": "-9", "argocd.argoproj.io/tracking-id": "back:x" }),
        ),
    ]);
    let rule = "ARGO_SYNC_WAVE";
    for (step, on) in [
        ("first", "before"),
        ("second", "first"),
        ("third", "second"),
        ("after", "third"),
    ] {
        assert_eq!(drawn(&planned, &id(step), &id(on), rule).confidence, High);
    }
    for name in ["never", "broken", "other"] {
        for wave in ["first", "second", "third"] {
            expect_none(&planned, &id(name), &id(wave));
            expect_none(&planned, &id(wave), &id(name));
        }
    }
}

#[test]
fn waves_of_a_huge_application_stay_few_edges() {
    let wave = |number: usize| {
        let annotations = json!({ "argocd.argoproj.io/sync-wave": (number % 2).to_string(), "argocd.argoproj.io/tracking-id": "huge:x" });
        object(
            "ConfigMap",
            &format!("shop/map{number}"),
            json!({ "annotations": annotations }),
        )
    };
    let planned = planned((0..2000).map(wave));
    let edges: usize = planned.plan.steps.iter().map(|step| step.needs.len()).sum();
    assert!(edges < 50_000, "{edges}");
}

#[test]
fn helm_hooks_stand_before_and_after_their_release() {
    let release = json!({ "app.kubernetes.io/instance": "front" });
    let hook = |name: &str, hook: &str, weight: &str| {
        labelled(
            name,
            release.clone(),
            json!({ "helm.sh/hook": hook, "helm.sh/hook-weight": weight }),
        )
    };
    let planned = planned([
        hook("early", "pre-install,pre-upgrade", "-5"),
        hook("later", "pre-install", "3"),
        said(
            "main",
            json!({ "meta.helm.sh/release-name": "front", "meta.helm.sh/release-namespace": "shop" }),
        ),
        hook("last", "post-install", "0"),
        hook("test", "test", "0"),
        labelled(
            "stranger",
            json!({ "app.kubernetes.io/instance": "back" }),
            json!({}),
        ),
    ]);
    let rule = "HELM_HOOK";
    for (step, on) in [("later", "early"), ("main", "later"), ("last", "main")] {
        assert_eq!(drawn(&planned, &id(step), &id(on), rule).confidence, High);
    }
    for other in ["test", "stranger"] {
        expect_none(&planned, &id(other), &id("main"));
        expect_none(&planned, &id("last"), &id(other));
    }
}

#[test]
fn what_flux_applies_waits_for_what_it_depends_on() {
    let of = |name: &str, source: &str| {
        labelled(
            name,
            json!({ "kustomize.toolkit.fluxcd.io/name": source, "kustomize.toolkit.fluxcd.io/namespace": "shop" }),
            json!({}),
        )
    };
    let source = |name: &str, on: Value| {
        object(
            "kustomize.toolkit.fluxcd.io/v1 Kustomization",
            &format!("shop/{name}"),
            json!({ "spec": { "dependsOn": on } }),
        )
    };
    let planned = planned([
        of("base", "infra"),
        of("front", "apps"),
        of("alone", "third"),
        source("infra", json!([{ "name": "nothing" }, null, { "name": 7 }])),
        source("apps", json!([{ "name": "infra" }])),
    ]);
    let evidence = "Kustomization.kustomize.toolkit.fluxcd.io shop/apps: spec.dependsOn[0]";
    expect(
        &planned,
        &id("front"),
        &id("base"),
        "FLUX_DEPENDS_ON",
        High,
        evidence,
    );
    expect_none(&planned, &id("alone"), &id("base"));
    expect_none(&planned, &id("base"), &id("front"));
}

#[test]
fn the_users_word_makes_a_thing_wait() {
    let planned = planned([said(
        "api",
        json!({ "refloat.io/after": "Deployment/web, StatefulSet.apps/shop/db\nPersistentVolumeClaim/data-db-0,," }),
    )]);
    let rule = "USERS_WORD";
    let evidence =
        "Deployment.apps shop/api: metadata.annotations[refloat.io/after] says Deployment/web";
    expect(&planned, &id("api"), &id("web"), rule, Certain, evidence);
    drawn(&planned, &id("api"), "ready shop/db", rule);
    drawn(&planned, &id("api"), "hand over shop/data-db-0", rule);
}

#[test]
fn a_word_that_means_nothing_stands_against_the_recovery() {
    for (word, expected) in [
        ("Deployment/nothing", "does not bring back"),
        ("web", "does not bring back"),
        ("Deployment/a/b/c", "does not bring back"),
        ("Deployment.wrong.group/web", "does not bring back"),
        ("Job/migrate", "does not bring back"),
        ("Deployment/api", "after itself"),
    ] {
        let problems = with([said("api", json!({ "refloat.io/after": word }))])
            .plan()
            .unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}");
        };
        assert_eq!(problem.code, "after-unknown");
        assert!(problem.message.contains(expected), "{problem:?}");
        assert!(
            problem.message.contains("Deployment.apps shop/api"),
            "{problem:?}"
        );
    }
    for nonsense in [json!(null), json!(7), json!(["Deployment/web"]), json!("")] {
        with([said("api", json!({ "refloat.io/after": nonsense }))])
            .plan()
            .unwrap();
    }
}

#[test]
fn the_users_word_takes_away_what_was_concluded_and_not_what_is_certain() {
    let mut api = deployment("api", with_env(&[("URL", "postgres://db/x")]));
    api.edit(|it| {
        it["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
            json!([{ "secretRef": { "name": "database" } }]);
    });
    let free = "StatefulSet/db, Secret/database, Deployment/nothing";
    api.edit(|it| it["metadata"]["annotations"] = json!({ "refloat.io/not-after": free }));
    let planned = planned([api]);
    expect_none(&planned, &id("api"), "ready shop/db");
    drawn(
        &planned,
        &id("api"),
        "Secret shop/database",
        "REFERENCE_BEFORE_READER",
    );
    let told = |part: &str| planned.warnings.iter().any(|one| one.contains(part));
    assert!(told(
        "waits for write Secret shop/database all the same: REFERENCE_BEFORE_READER is certain"
    ));
    assert!(told(
        "names `Deployment/nothing`, which the recovery does not bring back"
    ));
}

#[test]
fn two_users_words_that_contradict_each_other_are_told() {
    let problems = with([
        said("one", json!({ "refloat.io/after": "Deployment/two" })),
        said("two", json!({ "refloat.io/after": "Deployment/one" })),
    ])
    .plan()
    .unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(
        problem.message,
        "steps wait for each other: `write Deployment.apps shop/one` waits by USERS_WORD, for `write Deployment.apps shop/two` waits by USERS_WORD"
    );
}

#[test]
fn a_guess_gives_way_to_the_users_word_with_a_warning() {
    let mut case = with([said("api", json!({}))]);
    let mut db = case
        .objects
        .remove(&super::fixture::database("db").thing)
        .unwrap();
    db.edit(|it| it["metadata"]["annotations"] = json!({ "refloat.io/after": "Deployment/api" }));
    case.objects.insert(db);
    let planned = case.plan().unwrap();
    drawn(
        &planned,
        "StatefulSet.apps shop/db",
        &id("api"),
        "USERS_WORD",
    );
    expect_none(&planned, &id("api"), "ready shop/db");
    let [broken] = planned.broken.as_slice() else {
        panic!("{:?}", planned.broken);
    };
    assert_eq!(broken.step, "write Deployment.apps shop/api");
    assert_eq!(broken.edge.rule, "DATABASES_BEFORE_UNKNOWN_CLIENT");
    let told = planned.warnings.iter().find(|one| one.contains("cycle"));
    let warning = told.unwrap();
    for part in [
        "DATABASES_BEFORE_UNKNOWN_CLIENT",
        "DATABASE_WRITTEN_BEFORE_ASKED",
        "closes a cycle",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
}
