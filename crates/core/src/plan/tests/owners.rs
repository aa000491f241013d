//! What has owners: a custom resource comes after the Secrets and volumes that are its own.

use serde_json::{Value, json};

use super::fixture::{Case, part};
use super::ground::{expect, expect_none, object, with};
use crate::inventory::Thing;
use crate::plan::{Around, Planned};
use crate::run::Confidence::{Certain, High};
use crate::run::Work;

const CACHE: &str = "Cache.example.com shop/one";

fn cache() -> Thing {
    object("example.com/v1 Cache", "shop/one", json!({ "spec": {} }))
}

/// An object that `owner` (by uid) manages.
fn owned(kind: &str, name: &str, owner: &str, mut body: Value) -> Thing {
    let owner = json!({ "apiVersion": "example.com/v1", "kind": "Cache", "name": "one",
        "uid": owner, "controller": true, "blockOwnerDeletion": true });
    body["owners"] = json!([owner]);
    object(kind, &format!("shop/{name}"), body)
}

const OF_CACHE: &str = "Cache-shop-one";

fn mounting(claim: &str) -> Value {
    json!({ "containers": [], "volumes": [{ "persistentVolumeClaim": { "claimName": claim } }] })
}

fn filled(case: &mut Case, names: &[&str]) {
    for name in names {
        case.point.parts.push(part(&format!("shop/{name}")));
    }
}

#[test]
fn a_custom_resource_waits_for_the_secrets_that_its_operator_made() {
    let plain = json!({ "spec": { "template": { "spec": { "containers": [] } } } });
    let planned = with([
        cache(),
        owned("Secret", "password", OF_CACHE, json!({})),
        owned("apps/v1 StatefulSet", "set", OF_CACHE, plain),
        owned("Secret", "deep", "StatefulSet-shop-set", json!({})),
        object("Secret", "shop/mine", json!({})),
    ])
    .plan()
    .unwrap();
    for secret in ["Secret shop/password", "Secret shop/deep"] {
        let evidence = format!("{secret}: metadata.ownerReferences");
        expect(
            &planned,
            CACHE,
            secret,
            "SECRET_BEFORE_OWNER",
            High,
            &evidence,
        );
    }
    expect_none(&planned, CACHE, "Secret shop/mine");
    expect_none(&planned, "Secret shop/password", CACHE);
}

#[test]
fn a_custom_resource_waits_for_its_volumes() {
    let set = json!({ "spec": {
        "template": { "spec": { "containers": [] } },
        "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
    } });
    let mut case = with([
        cache(),
        owned(
            "PersistentVolumeClaim",
            "own",
            OF_CACHE,
            json!({ "spec": {} }),
        ),
        owned(
            "Pod",
            "one-1",
            OF_CACHE,
            json!({ "spec": mounting("of-pod") }),
        ),
        owned("apps/v1 StatefulSet", "set", OF_CACHE, set),
        owned(
            "Pod",
            "set-0",
            "StatefulSet-shop-set",
            json!({ "spec": mounting("of-deep") }),
        ),
        object(
            "Pod",
            "shop/alone",
            json!({ "spec": mounting("of-nobody") }),
        ),
    ]);
    filled(
        &mut case,
        &[
            "own",
            "of-pod",
            "data-set-0",
            "data-set-x",
            "of-deep",
            "of-nobody",
        ],
    );
    let planned = case.plan().unwrap();
    let pod = "spec.volumes[0].persistentVolumeClaim.claimName";
    for (claim, evidence) in [
        (
            "own",
            "PersistentVolumeClaim shop/own: metadata.ownerReferences",
        ),
        ("of-pod", &format!("Pod shop/one-1: {pod}")),
        (
            "data-set-0",
            "StatefulSet.apps shop/set: spec.volumeClaimTemplates[data]",
        ),
        ("of-deep", &format!("Pod shop/set-0: {pod}")),
    ] {
        let on = format!("hand over shop/{claim}");
        expect(
            &planned,
            CACHE,
            &on,
            "VOLUME_BEFORE_OWNER",
            Certain,
            evidence,
        );
    }
    for claim in ["of-nobody", "data-set-x", "data-db-0"] {
        expect_none(&planned, CACHE, &format!("hand over shop/{claim}"));
    }
}

fn owns(planned: &Planned, step: &str) -> Vec<String> {
    match &planned.plan.step(step).unwrap().work {
        Work::Write(writing) => writing
            .owns
            .iter()
            .map(|one| format!("{} of {}", one.object.id(), one.owner.id()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Steps that link, each with what it waits for.
fn links(planned: &Planned) -> Vec<(String, Vec<String>)> {
    let steps = planned.plan.steps.iter();
    let links = steps.filter(|step| matches!(step.work, Work::Link(_)));
    links
        .map(|step| {
            let on = step.needs.iter().map(|edge| edge.on.to_string());
            (step.id.clone(), on.collect())
        })
        .collect()
}

#[test]
fn the_step_that_writes_an_owner_links_what_was_there_before_it() {
    let mut case = with([
        cache(),
        owned("Secret", "password", OF_CACHE, json!({})),
        owned(
            "PersistentVolumeClaim",
            "own",
            OF_CACHE,
            json!({ "spec": {} }),
        ),
    ]);
    filled(&mut case, &["own"]);
    let planned = case.plan().unwrap();
    let step = format!("write {CACHE}");
    let own = [
        format!("Secret shop/password of {CACHE}"),
        format!("PersistentVolumeClaim shop/own of {CACHE}"),
    ];
    assert_eq!(owns(&planned, &step), own);
    assert_eq!(links(&planned), []);
    let Work::Write(writing) = &planned.plan.step(&step).unwrap().work else {
        panic!();
    };
    assert!(writing.owns[0].controller && writing.owns[0].blocks);
    let around = Around::default();
    let view = planned.view(&around);
    let text = view
        .explain_one(view.find("cache/one").unwrap())
        .text(false);
    let done = "done when: what belongs to it (2 objects) names it as its owner, and ";
    assert!(text.contains(done), "{text}");
    // In a namespace of another name they are linked there.
    case.goal.mappings.namespaces = [("shop".to_owned(), "copy".to_owned())].into();
    let planned = case.plan().unwrap();
    let own = owns(&planned, "write Cache.example.com copy/one");
    assert_eq!(own[0], "Secret copy/password of Cache.example.com copy/one");
    // What is kept is nobody's to link.
    let mut claim = object("PersistentVolumeClaim", "shop/own", json!({ "spec": {} }));
    claim.edit(|it| it["spec"]["storageClassName"] = json!("slow"));
    case.goal.mappings.namespaces.clear();
    case.goal.existing = crate::recovery::Existing::Skip;
    case.target.insert(claim);
    let planned = case.plan().unwrap();
    assert_eq!(owns(&planned, &step).len(), 1);
}

#[test]
fn what_comes_without_its_owner_or_after_it_is_linked_by_a_step_of_its_own() {
    let tenant = object("example.com/v1 Tenant", "big", json!({}));
    let mut of_two = object("ConfigMap", "shop/of-two", json!({}));
    of_two.edit(|it| {
        it["metadata"]["ownerReferences"] = json!([
            { "kind": "Gone", "name": "gone", "uid": "gone", "controller": true },
            { "kind": "ConfigMap", "name": "mine", "uid": "ConfigMap-shop-mine" },
        ]);
    });
    let mut case = with([
        cache(),
        owned("Secret", "password", OF_CACHE, json!({})),
        owned("Secret", "of-tenant", "Tenant--big", json!({})),
        object("ConfigMap", "shop/mine", json!({})),
        of_two,
    ]);
    case.objects.insert(tenant);
    let planned = case.plan().unwrap();
    assert_eq!(
        links(&planned),
        [
            (
                "link ConfigMap shop/of-two to ConfigMap shop/mine".to_owned(),
                vec![
                    "write ConfigMap shop/mine".to_owned(),
                    "write ConfigMap shop/of-two".to_owned(),
                ]
            ),
            (
                "link Secret shop/of-tenant to Tenant.example.com big".to_owned(),
                vec!["write Secret shop/of-tenant".to_owned()]
            ),
        ]
    );
    // The resource is not wanted: the Secret is linked if it is there.
    case.goal.selection.skip = vec!["cache/one".parse().unwrap()];
    let planned = case.plan().unwrap();
    let link = format!("link Secret shop/password to {CACHE}");
    assert!(links(&planned).iter().any(|(id, _)| *id == link));
}

#[test]
fn of_what_is_made_anew_nothing_is_linked_and_the_plan_says_so() {
    let set = json!({ "spec": { "template": { "spec": { "containers": [] } } } });
    let planned = with([
        cache(),
        owned("apps/v1 StatefulSet", "set", OF_CACHE, set),
        owned("Secret", "deep", "StatefulSet-shop-set", json!({})),
    ])
    .plan()
    .unwrap();
    assert_eq!(links(&planned), []);
    let warning = "without an owner until an operator takes it up, because its owner is made anew: Secret shop/deep (StatefulSet.apps shop/set)";
    assert!(planned.warnings.iter().any(|one| one == warning));
}

#[test]
fn of_what_had_ended_nothing_is_linked_and_the_plan_says_that_nobody_takes_it_up() {
    let run = json!({ "status": { "completionTime": "2026-01-01T00:00:00Z" } });
    let mut case = with([
        object("tekton.dev/v1 PipelineRun", "shop/build", run),
        owned(
            "PersistentVolumeClaim",
            "workspace",
            "PipelineRun-shop-build",
            json!({ "spec": {} }),
        ),
    ]);
    filled(&mut case, &["workspace"]);
    let planned = case.plan().unwrap();
    assert_eq!(links(&planned), []);
    let warnings: Vec<&String> = planned
        .warnings
        .iter()
        .filter(|one| one.starts_with("without an owner"))
        .collect();
    assert_eq!(
        warnings,
        [
            "without an owner, because its owner had ended and does not come back; delete what is not needed: \
          PersistentVolumeClaim shop/workspace (PipelineRun.tekton.dev shop/build)"
        ]
    );
}
