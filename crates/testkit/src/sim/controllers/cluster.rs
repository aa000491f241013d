//! Namespaces, definitions, and operators of custom resources.

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::{Store, list, owner, text};
use crate::sim::kinds::resource;

/// Annotation of a simulated definition: which Deployment (`namespace/name`) reconciles its objects.
const OPERATOR: &str = "sim.refloat.io/operator";

pub(super) fn namespace(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if object.pointer("/status/phase").is_none() {
        store.change(reference, &json!({ "status": { "phase": "Active" } }));
        return;
    }
    for (kind, name) in [
        ("ServiceAccount", "default"),
        ("ConfigMap", "kube-root-ca.crt"),
    ] {
        let object = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": { "name": name, "namespace": reference.name },
        });
        store.make(&resource(kind), object, now);
    }
}

/// First its names, then established, then served.
pub(super) fn definition(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    let conditions = list(object, "/status/conditions").count();
    let told = |kinds: &[&str]| {
        let all: Vec<Value> = kinds
            .iter()
            .map(|kind| json!({ "type": kind, "status": "True" }))
            .collect();
        json!({ "status": { "conditions": all } })
    };
    let Some(served) = served_by(object) else {
        return;
    };
    match conditions {
        0 => store.change(reference, &told(&["NamesAccepted"])),
        1 => {
            store.change(reference, &told(&["NamesAccepted", "Established"]));
            store.serve(served);
            let news = format!("established {}", reference.id());
            store.news.push(news);
        }
        _ => operate(store, object, &served, now),
    }
}

fn served_by(definition: &Value) -> Option<Resource> {
    let group = text(definition, "/spec/group")?;
    let version = list(definition, "/spec/versions").next()?;
    Some(Resource::namespaced(
        &format!("{group}/{}", text(version, "/name")?),
        text(definition, "/spec/names/kind")?,
        text(definition, "/spec/names/plural")?,
    ))
}

/// The operator, once it is available, makes a ConfigMap for each of its resources and says that it is ready.
fn operate(store: &mut Store, definition: &Value, served: &Resource, now: Timestamp) {
    let operator = definition
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(OPERATOR)?.as_str()?.split_once('/'));
    let available = operator.is_some_and(|(namespace, name)| {
        let deployment = ObjectRef::namespaced(resource("Deployment"), namespace, name);
        store
            .get(&deployment)
            .and_then(|live| live.pointer("/status/availableReplicas")?.as_u64())
            .is_some_and(|available| available > 0)
    });
    if !available {
        return;
    }
    for reference in store.of_kind(&served.kind) {
        let Some(live) = store.get(&reference).cloned() else {
            continue;
        };
        if live.pointer("/status").is_some() {
            continue;
        }
        let rendered = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": format!("{}-rendered", reference.name), "namespace": reference.namespace,
                "ownerReferences": owner(&live),
            },
            "data": { "size": live.pointer("/spec/size") },
        });
        store.make(&resource("ConfigMap"), rendered, now);
        let status = json!({ "status": {
            "observedGeneration": live.pointer("/metadata/generation"),
            "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        store.change(&reference, &status);
        let news = format!("ready {}", reference.id());
        store.news.push(news);
    }
}
