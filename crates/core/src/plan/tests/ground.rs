//! Makes objects of any kind in a few words, and asks a plan for its edges.

use serde_json::{Value, json};

use super::fixture::{Case, case};
use crate::inventory::{Resource, Thing};
use crate::plan::Planned;
use crate::run::{Confidence, Edge};

/// An object: `group/version kind`, `namespace/name` or `name`, what else it has. `labels`, `annotations` and `owners` go
/// into its metadata.
pub(super) fn object(kind: &str, name: &str, body: Value) -> Thing {
    let (version, kind) = kind.rsplit_once(' ').unwrap_or(("v1", kind));
    let plural = format!("{}s", kind.to_lowercase());
    let (namespace, name) = name
        .split_once('/')
        .map_or((None, name), |(a, b)| (Some(a), b));
    let resource = match namespace {
        Some(_) => Resource::namespaced(version, kind, &plural),
        None => Resource::cluster(version, kind, &plural),
    };
    let place = format!("{kind}-{}-{name}", namespace.unwrap_or_default());
    let mut object = json!({
        "apiVersion": version, "kind": kind, "metadata": { "name": name, "uid": place },
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    let Value::Object(body) = body else {
        panic!("{body}");
    };
    for (key, value) in body {
        match key.as_str() {
            "labels" | "annotations" => object["metadata"][key] = value,
            "owners" => object["metadata"]["ownerReferences"] = value,
            _ => object[key] = value,
        }
    }
    Thing::new(resource, object).unwrap()
}

/// A Deployment of `shop`, labelled `app: NAME`, with this pod.
#[expect(
    clippy::needless_pass_by_value,
    reason = "pods are written where they are used"
)]
pub(super) fn deployment(name: &str, pod: Value) -> Thing {
    workload("apps/v1 Deployment", name, &pod)
}

pub(super) fn workload(kind: &str, name: &str, pod: &Value) -> Thing {
    let template = json!({ "metadata": { "labels": { "app": name } }, "spec": pod });
    let body = json!({ "spec": { "template": template } });
    object(kind, &format!("shop/{name}"), body)
}

/// A pod with one container that has these variables.
pub(super) fn with_env(pairs: &[(&str, &str)]) -> Value {
    let env: Vec<Value> = pairs
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({ "containers": [{ "name": "main", "image": "app:1", "env": env }] })
}

pub(super) fn service(name: &str, ports: &[u16]) -> Thing {
    let ports: Vec<Value> = ports.iter().map(|port| json!({ "port": port })).collect();
    let spec = json!({ "selector": { "app": name }, "ports": ports });
    object("Service", &format!("shop/{name}"), json!({ "spec": spec }))
}

/// The small application with these things too; the target serves all kinds.
pub(super) fn with(things: impl IntoIterator<Item = Thing>) -> Case {
    let mut case = case();
    for thing in things {
        if thing.namespace().is_none() && thing.resource.kind != "Namespace" {
            case.point.owned.push(thing.id());
        }
        case.target.served.push(thing.resource.clone());
        case.objects.insert(thing);
    }
    case
}

pub(super) fn planned(things: impl IntoIterator<Item = Thing>) -> Planned {
    with(things).plan().unwrap()
}

/// The edges of one step to another, both as `Kind[.group] [namespace/]name`, or as the step's own id.
pub(super) fn between<'p>(planned: &'p Planned, step: &str, on: &str) -> Vec<&'p Edge> {
    let id = |words: &str| match planned.plan.step(words) {
        Some(step) => step.id.clone(),
        None => format!("write {words}"),
    };
    let waits = planned.plan.step(&id(step));
    let waits = waits.unwrap_or_else(|| panic!("no step `{step}`"));
    assert!(planned.plan.step(&id(on)).is_some(), "no step `{on}`");
    let on = id(on);
    waits.needs.iter().filter(|edge| edge.on == on).collect()
}

/// The one edge that a rule drew.
#[track_caller]
pub(super) fn drawn<'p>(planned: &'p Planned, step: &str, on: &str, rule: &str) -> &'p Edge {
    let all = between(planned, step, on);
    all.iter()
        .find(|edge| edge.rule == rule)
        .unwrap_or_else(|| panic!("{step} does not wait for {on} by {rule}: {all:?}"))
}

/// That one edge, with its confidence and evidence.
#[track_caller]
pub(super) fn expect(
    planned: &Planned,
    step: &str,
    on: &str,
    rule: &str,
    confidence: Confidence,
    evidence: &str,
) {
    let edge = drawn(planned, step, on, rule);
    assert_eq!(
        (edge.confidence, edge.evidence.as_str()),
        (confidence, evidence)
    );
}

/// That there is none.
#[track_caller]
pub(super) fn expect_none(planned: &Planned, step: &str, on: &str) {
    let all = between(planned, step, on);
    assert!(all.is_empty(), "{step} waits for {on}: {all:?}");
}
