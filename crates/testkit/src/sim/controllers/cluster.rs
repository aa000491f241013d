//! Namespaces, definitions, and operators of custom resources.

use crate::sim::look::Look as _;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, has_finalizer, is_going, list, owner, release, secrets};
use crate::sim::server::{Request, Verb, resource, served_by};

/// Annotation of a simulated definition: which Deployment (`namespace/name`) reconciles its objects.
const OPERATOR: &str = "sim.refloat.io/operator";
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(super) fn namespace(store: &mut Store, reference: &ObjectRef, object: &Value) {
    if is_going(object) {
        return empty(store, reference, object);
    }
    if object.at("/status/phase").is_none() {
        store.write(
            reference,
            object,
            json!({ "status": { "phase": "Active" } }),
        );
    }
    let made = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "default", "namespace": reference.name },
    });
    make_once(store, reference, "ServiceAccount", "default", made);
    let made = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "kube-root-ca.crt", "namespace": reference.name },
        "data": { "ca.crt": "simulated" },
    });
    make_once(store, reference, "ConfigMap", "kube-root-ca.crt", made);
}

fn make_once(store: &mut Store, namespace: &ObjectRef, kind: &str, name: &str, object: Value) {
    let place = ObjectRef::namespaced(resource(kind), &namespace.name, name);
    if store.seen(&place).is_none() {
        store.make(&place.resource, object);
    }
}

/// Deletes what is in a namespace that goes, then lets it go.
fn empty(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let inside: Vec<(ObjectRef, Value)> = store
        .iter()
        .filter(|(one, _)| one.namespace.as_deref() == Some(&reference.name))
        .map(|(one, live)| (one.clone(), live.clone()))
        .collect();
    for (one, live) in &inside {
        if !is_going(live) {
            store.discard(one, live);
        }
    }
    if inside.is_empty() {
        let mut finalized = object.clone();
        finalized["spec"]["finalizers"] = json!([]);
        let request = Request::on_object(Verb::Update, reference)
            .to("finalize")
            .with("fieldManager", "kube-controller-manager")
            .sending(finalized);
        store.call(&request);
    }
}

/// First its names, then established, then served.
pub(super) fn definition(store: &mut Store, reference: &ObjectRef, object: &Value) {
    if is_going(object) {
        return undefine(store, reference, object);
    }
    let told = |kinds: &[&str]| {
        let all: Vec<Value> = kinds
            .iter()
            .map(|kind| json!({ "type": kind, "status": "True" }))
            .collect();
        let names = object.at("/spec/names");
        json!({ "status": { "conditions": all, "acceptedNames": names } })
    };
    let Some(served) = served_by(object) else {
        return;
    };
    match list(object, "/status/conditions").count() {
        0 => {
            store.write(reference, object, told(&["NamesAccepted"]));
        }
        1 => {
            let patch = told(&["NamesAccepted", "Established"]);
            if store.write(reference, object, patch).is_success() {
                store.server.establish(object);
                let news = format!("established {}", reference.id());
                store.news.push(news);
            }
        }
        _ => {
            // The reply that said so may have been lost.
            if store.server.kinds.find(&served.resource).is_none() {
                store.server.establish(object);
            }
            operate(store, object, &served.resource);
        }
    }
}

/// The objects of a definition that goes are deleted; then its kind is no longer served.
fn undefine(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let Some(served) = served_by(object).filter(|_| has_finalizer(object, CLEANUP)) else {
        return;
    };
    let objects = store.seen_of(&served.resource);
    for (one, live) in &objects {
        if !is_going(live) {
            store.discard(one, live);
        }
    }
    if objects.is_empty() {
        store.serve_no_more(&served.resource);
        release(store, reference, object, &[CLEANUP]);
    }
}

/// The operator, once it is available, makes a ConfigMap for each of its resources and says that it is ready.
fn operate(store: &mut Store, definition: &Value, served: &refloat_core::inventory::Resource) {
    let operator = definition
        .at("/metadata/annotations")
        .and_then(|all| all.get(OPERATOR)?.as_str()?.split_once('/'));
    let available = operator.is_some_and(|(namespace, name)| {
        let deployment = ObjectRef::namespaced(resource("Deployment"), namespace, name);
        store
            .seen(&deployment)
            .and_then(|live| live.at("/status/availableReplicas")?.as_u64())
            .is_some_and(|available| available > 0)
    });
    if !available {
        return;
    }
    for (reference, live) in store.seen_of(served) {
        if is_going(&live) || secrets::are_refused(store, definition, &reference, &live) {
            continue;
        }
        if live.at("/status").is_some() {
            continue;
        }
        let rendered = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": format!("{}-rendered", reference.name), "namespace": reference.namespace,
                "ownerReferences": owner(&live),
            },
            "data": { "size": live.at("/spec/size") },
        });
        store.make(&resource("ConfigMap"), rendered);
        let status = json!({ "status": {
            "observedGeneration": live.at("/metadata/generation"),
            "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        if store.write(&reference, &live, status).is_success() {
            let news = format!("ready {}", reference.id());
            store.news.push(news);
        }
    }
}
