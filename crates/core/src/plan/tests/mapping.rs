//! Plans of points under other names: as if the point had been taken so, and everything that stands against it at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixture::{Case, case, thing};
use crate::driver::Problem;
use crate::inventory::Thing;
use crate::json::Json;
use crate::plan::{Evidence, MappedKind, ObjectPatch, Planned};
use crate::recovery::Existing;
use crate::run::Work;

fn pair(old: &str, new: &str) -> (String, String) {
    (old.to_owned(), new.to_owned())
}

fn patch(value: &Value) -> ObjectPatch {
    serde_json::from_value(value.clone()).unwrap()
}

/// The shop as `shop-drill`, for other users.
fn drill() -> Case {
    let mut case = case();
    let subjects = json!([{ "kind": "ServiceAccount", "name": "operator", "namespace": "shop" }]);
    let role = json!({ "kind": "Role", "name": "operator" });
    case.objects.insert(thing(
        "RoleBinding",
        "operator",
        &json!({ "roleRef": role, "subjects": subjects }),
    ));
    let layout = json!({ "data": { "part": "shop/data-db-0", "path": "/shop/data-db-0" } });
    let engine = &mut case.point.members[0].engine;
    engine.insert("layout".to_owned(), layout.to_string());
    let rules = json!([{ "host": "shop.example.com", "http": { "paths": [{ "backend": { "service": { "name": "web" } } }] } }]);
    case.objects.insert(thing(
        "Ingress",
        "web",
        &json!({ "spec": { "rules": rules } }),
    ));
    let mappings = &mut case.goal.mappings;
    mappings.namespaces.extend([pair("shop", "shop-drill")]);
    mappings
        .hosts
        .extend([pair("shop.example.com", "shop.dr.example.com")]);
    case
}

fn written<'a>(planned: &'a Planned, step: &str) -> &'a Json {
    let Some(Work::Write(writing)) = planned.plan.step(step).map(|step| &step.work) else {
        panic!("no step `{step}` writes");
    };
    &writing.object
}

fn codes(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|one| one.code.as_str()).collect()
}

#[test]
fn a_point_comes_back_under_another_namespace() {
    let case = drill();
    let planned = case.plan().unwrap();
    for step in &planned.plan.steps {
        assert!(
            !step.id.contains("shop/") && !step.id.ends_with(" shop"),
            "{}",
            step.id
        );
        if let Work::Write(writing) = &step.work {
            let namespace = writing.object["metadata"].get("namespace");
            assert!(
                namespace.is_none_or(|one| one == "shop-drill"),
                "{}",
                step.id
            );
        }
    }
    let binding = written(
        &planned,
        "write RoleBinding.rbac.authorization.k8s.io shop-drill/operator",
    );
    assert_eq!(binding["subjects"][0]["namespace"], "shop-drill");
    let ingress = written(&planned, "write Ingress.networking.k8s.io shop-drill/web");
    assert_eq!(ingress["spec"]["rules"][0]["host"], "shop.dr.example.com");
    // Bytes are found as before; what the engine keeps names the part as the steps do.
    let Work::Fill(filling) = &planned.plan.step("fill shop-drill/data-db-0").unwrap().work else {
        panic!("it fills nothing");
    };
    assert_eq!(
        (filling.part.as_str(), filling.tree.as_deref()),
        ("shop-drill/data-db-0", Some("tree"))
    );
    let ready = planned.plan.step("ready shop-drill/db").unwrap();
    let Work::Driver { claim, inputs, .. } = &ready.work else {
        panic!("no driver");
    };
    assert_eq!(claim.thing.namespace.as_deref(), Some("shop-drill"));
    let layout: Value = serde_json::from_str(inputs["engine"]["layout"].as_str().unwrap()).unwrap();
    assert_eq!(
        layout,
        json!({ "data": { "part": "shop-drill/data-db-0", "path": "/shop/data-db-0" } })
    );
    let Work::Driver { inputs, .. } = &planned
        .plan
        .step("hand over shop-drill/data-db-0")
        .unwrap()
        .work
    else {
        panic!("no driver");
    };
    assert_eq!(inputs["claim"]["metadata"]["namespace"], "shop-drill");
    let same = super::fixture::case().plan().unwrap().plan.steps.len();
    assert_eq!(planned.plan.steps.len(), same, "nothing comes or goes");
    let edges = |planned: &Planned| {
        planned
            .plan
            .steps
            .iter()
            .map(|step| step.needs.len())
            .sum::<usize>()
    };
    let mut plain = drill();
    plain.goal.mappings = crate::plan::Mappings::default();
    assert_eq!(edges(&planned), edges(&plain.plan().unwrap()));
}

#[test]
fn the_plan_says_what_was_mapped_and_what_remains() {
    let mut case = drill();
    let url = json!({ "data": { "url": "postgres://shop@db.shop.svc:5432/shop" } });
    case.objects.insert(thing("ConfigMap", "web", &url));
    let planned = case.plan().unwrap();
    let shown = planned.render();
    assert!(shown.contains("mapped (2)\n"), "{shown}");
    assert!(
        shown.contains(
            "  namespace shop -> shop-drill: 15 objects; 1 field with the old name unchanged\n"
        ),
        "{shown}"
    );
    assert!(
        shown.contains("  host shop.example.com -> shop.dr.example.com: 1 object\n"),
        "{shown}"
    );
    let warning = "ConfigMap shop-drill/web (data.url)";
    assert!(
        planned.warnings.iter().any(|one| one.contains(warning)),
        "{:?}",
        planned.warnings
    );
    // A patch mends it: the warning goes, and the edge to the database is drawn by the new name.
    case.goal.mappings.patches = vec![patch(&json!({
        "target": { "kind": "ConfigMap", "name": "web" }, "type": "merge",
        "patch": { "data": { "url": "postgres://shop@db.shop-drill.svc:5432/shop" } },
    }))];
    let planned = case.plan().unwrap();
    assert!(
        !planned.warnings.iter().any(|one| one.contains(warning)),
        "{:?}",
        planned.warnings
    );
    let web = planned
        .plan
        .step("write Deployment.apps shop-drill/web")
        .unwrap();
    let names = |evidence: &str| {
        evidence.starts_with("ConfigMap shop-drill/web: data[url]")
            && evidence.ends_with("names Service shop-drill/db")
    };
    assert!(
        web.needs.iter().any(|edge| names(&edge.evidence)),
        "{:?}",
        web.needs
    );
    let last = planned.mapped.last().unwrap();
    assert_eq!((last.kind, last.objects), (MappedKind::Patch, 1));
    assert!(
        planned
            .render()
            .contains("  merge patch of ConfigMap web: 1 object\n")
    );
}

#[test]
fn the_source_is_known_by_its_own_names_and_the_target_by_the_new_ones() {
    let mut case = drill();
    case.target.insert(thing("Namespace", "shop", &json!({})));
    case.target.insert(thing("ConfigMap", "web", &json!({})));
    case.plan().expect("another namespace is in nobody's way");
    let mut there = thing("ConfigMap", "web", &json!({}));
    there.edit(|it| it["metadata"]["namespace"] = json!("shop-drill"));
    case.target.insert(there);
    assert_eq!(codes(&case.plan().unwrap_err()), ["namespace-in-use"]);
    case.goal.existing = Existing::Skip;
    case.goal.cluster_uid.clone_from(&case.point.cluster_uid);
    case.goal.evidence = None;
    assert_eq!(
        codes(&case.plan().unwrap_err()),
        ["source-may-be-alive"],
        "its own namespace is there"
    );
    case.goal.evidence = Some(Evidence::Isolated);
    assert_eq!(codes(&case.plan().unwrap_err()), ["not-isolated"]);
}

#[test]
fn bad_mappings_are_all_said_at_once() {
    let mut case = case();
    let mappings = &mut case.goal.mappings;
    mappings.namespaces = BTreeMap::from([
        pair("shop", "bank"),
        pair("old", "bank"),
        pair("a", "Bad Name"),
        pair("b", "refloat-system"),
        pair("c", ""),
    ]);
    mappings.registries = BTreeMap::from([
        pair("nginx", "registry.example"),
        pair("registry.example:5000/a:1", "b.example"),
        pair("a.example//b", "b.example"),
        pair("a.example/b@sha256:1", "b.example"),
        pair("gone.example", "b.example"),
    ]);
    mappings.hosts = BTreeMap::from([
        pair("*.a.example", "b.example"),
        pair("a*.example", "b.example"),
        pair("a.example:80", "b.example"),
        pair("gone.example", "b.example"),
    ]);
    case.goal.storage_classes = BTreeMap::from([pair("gone", "fast")]);
    let problems = case.plan().unwrap_err();
    let count = |code: &str| problems.iter().filter(|one| one.code == code).count();
    assert_eq!(count("mapping-collision"), 1, "{problems:?}");
    assert_eq!(count("mapping-invalid"), 3 + 4 + 3, "{problems:?}");
    // `old`, the class, one registry, one host.
    assert_eq!(count("mapping-unused"), 4, "{problems:?}");
    let collision = problems
        .iter()
        .find(|one| one.code == "mapping-collision")
        .unwrap();
    assert!(
        collision
            .message
            .contains("`old`, `shop` would all be `bank`"),
        "{}",
        collision.message
    );
}

#[test]
fn namespaces_change_places_and_fall_not_together() {
    let mut case = case();
    case.point.namespaces.push("bank".to_owned());
    case.objects.insert(thing("Namespace", "bank", &json!({})));
    case.goal.mappings.namespaces = BTreeMap::from([pair("shop", "bank")]);
    assert_eq!(codes(&case.plan().unwrap_err()), ["mapping-collision"]);
    case.goal.mappings.namespaces = BTreeMap::from([pair("shop", "shop"), pair("none", "none")]);
    let planned = case.plan().unwrap();
    assert_eq!(planned.mapped, [], "what keeps its name needs nothing");
    case.goal.mappings.namespaces = BTreeMap::from([pair("shop", "bank"), pair("bank", "shop")]);
    let planned = case.plan().unwrap();
    assert!(
        planned
            .plan
            .step("write StatefulSet.apps bank/db")
            .is_some()
    );
}

/// The plan with these patches, or the problems.
fn patched(patches: &[Value]) -> Result<Planned, Vec<Problem>> {
    let mut case = drill();
    case.goal.mappings.patches = patches.iter().map(patch).collect();
    case.plan()
}

#[test]
fn patches_apply_in_order_to_what_is_written() {
    let planned = patched(&[
        json!({ "target": { "group": "apps", "kind": "Deployment", "name": "web", "namespace": "shop-drill" }, "type": "strategic",
            "patch": { "spec": { "template": { "spec": { "containers": [{ "name": "web", "env": [{ "name": "MODE", "value": "drill" }] }] } } } } }),
        json!({ "target": { "kind": "Deployment", "name": "w*" }, "type": "json", "patch": [
            { "op": "test", "path": "/spec/template/spec/containers/0/env/0/value", "value": "drill" },
            { "op": "replace", "path": "/spec/replicas", "value": 3 },
            { "op": "add", "path": "/metadata/finalizers", "value": ["example.com/keep"] },
        ] }),
        json!({ "target": { "kind": "Service" }, "type": "merge", "patch": { "spec": { "type": "ClusterIP", "clusterIP": "10.0.0.9" } } }),
    ])
    .unwrap();
    let web = written(&planned, "write Deployment.apps shop-drill/web");
    assert_eq!(web["spec"]["replicas"].as_u64(), Some(3));
    assert_eq!(
        web["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"],
        "MODE"
    );
    assert_eq!(
        web["metadata"]["finalizers"],
        json!(["example.com/keep"]),
        "what a user asks for is not cleaned away"
    );
    assert_eq!(web["metadata"].get("uid"), None);
    let service = written(&planned, "write Service shop-drill/db");
    assert_eq!(service["spec"]["clusterIP"], "10.0.0.9");
    let objects: Vec<usize> = planned
        .mapped
        .iter()
        .filter(|one| one.kind == MappedKind::Patch)
        .map(|one| one.objects)
        .collect();
    assert_eq!(objects, [1, 1, 2]);
}

#[test]
fn patches_that_cannot_be_meant_are_all_said_at_once() {
    let target = json!({ "kind": "Deployment", "name": "web" });
    let problems = patched(&[
        json!({ "target": { "kind": "Deployment", "namespace": "shop" }, "type": "merge", "patch": {} }),
        json!({ "target": { "kind": "Deployment", "labelSelector": "a in" }, "type": "merge", "patch": {} }),
        json!({ "target": target, "type": "json", "patch": [
            { "op": "test", "path": "/spec/replicas", "value": 1 }, { "op": "test", "path": "/spec/replicas", "value": 2 }] }),
        json!({ "target": target, "type": "json", "patch": [{ "op": "remove", "path": "/spec/none" }] }),
        json!({ "target": target, "type": "json", "patch": [{ "op": "explode", "path": "/spec" }] }),
        json!({ "target": target, "type": "merge", "patch": [] }),
        json!({ "target": target, "type": "merge", "patch": { "metadata": { "namespace": "shop" } } }),
        json!({ "target": target, "type": "json", "patch": [{ "op": "replace", "path": "", "value": 7 }] }),
        json!({ "target": { "kind": "Cache" }, "type": "strategic", "patch": {} }),
        json!({ "target": target, "type": "strategic", "patch": { "spec": { "template": { "spec": { "containers": [{}] } } } } }),
        json!({ "target": { "kind": "PersistentVolumeClaim" }, "type": "merge", "patch": { "spec": { "storageClassName": "fast" } } }),
    ])
    .unwrap_err();
    assert_eq!(
        codes(&problems),
        [
            "patch-unmatched",
            "patch-invalid",
            "patch-failed",
            "patch-failed",
            "patch-invalid",
            "patch-invalid",
            "patch-identity",
            "patch-identity",
            "patch-no-strategic",
            "patch-failed",
            "patch-storage-class",
        ],
        "{problems:#?}"
    );
    assert!(
        problems[0].hint.contains("`shop-drill`"),
        "{}",
        problems[0].hint
    );
    let message = &problems[2].message;
    assert!(
        message.contains("Deployment.apps shop-drill/web: operation 2 (`test /spec/replicas`)"),
        "{message}"
    );
}

#[test]
fn the_claim_of_a_volume_can_be_patched_too() {
    let planned = patched(&[json!({ "target": { "kind": "PersistentVolumeClaim", "name": "data-*" }, "type": "merge",
        "patch": { "metadata": { "labels": { "a": "b" } }, "spec": { "resources": { "requests": { "storage": "5Gi" } } } } })]).unwrap();
    let Work::Driver { inputs, .. } = &planned
        .plan
        .step("hand over shop-drill/data-db-0")
        .unwrap()
        .work
    else {
        panic!("no driver");
    };
    assert_eq!(inputs["claim"]["metadata"]["labels"]["a"], "b");
    assert_eq!(
        inputs["claim"]["spec"]["resources"]["requests"]["storage"],
        "5Gi"
    );
}

/// Of a point of several namespaces one comes back under another name, with all that is in it; by either of its names.
#[test]
fn one_namespace_of_several_comes_back_alone_under_another_name() {
    let elsewhere = |mut thing: Thing| {
        thing.edit(|it| it["metadata"]["namespace"] = json!("bank"));
        thing
    };
    for name in ["shop", "shop-drill"] {
        let mut case = drill();
        case.point.namespaces.push("bank".to_owned());
        case.objects.insert(thing("Namespace", "bank", &json!({})));
        let vault = thing("ConfigMap", "safe", &json!({ "data": { "a": "b" } }));
        case.objects.insert(elsewhere(vault));
        case.goal.mappings.hosts.clear();
        let whole = case.plan().unwrap().plan.steps.len();
        case.goal.selection.only = vec![format!("namespace:{name}").parse().unwrap()];
        case.goal.selection.with_needs = true;
        let planned = case.plan().unwrap_or_else(|all| panic!("{name}: {all:?}"));
        let steps: Vec<&str> = planned
            .plan
            .steps
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        assert!(
            steps.contains(&"write Deployment.apps shop-drill/web")
                && steps.contains(&"hand over shop-drill/data-db-0")
                && steps.contains(&"write Namespace shop-drill"),
            "{name}: {steps:?}"
        );
        assert!(!steps.iter().any(|id| id.contains("bank")), "{steps:?}");
        assert!(steps.len() > whole / 2, "{} of {whole}", steps.len());
    }
}
