//! Namespaces, definitions, and operators of custom resources.

use crate::sim::look::Look as _;
use std::collections::BTreeMap;

use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::{Store, has_finalizer, is_going, list, owner, release, secrets};
use crate::sim::server::{Request, Verb, resource, selects, served_by};

/// Annotation of a simulated definition: which Deployment (`namespace/name`) reconciles its objects.
const OPERATOR: &str = "sim.refloat.io/operator";
/// Annotation of a simulated definition: objects that its operator makes by itself, in its own namespace, before it is available: their
/// specs by name, as JSON.
const MAKES: &str = "sim.refloat.io/makes";
/// Annotation of a simulated definition: its operator runs a pod for each of its objects, on a claim of its own, which it makes when it
/// finds none: the claim's spec, as JSON.
const RUNS_ON: &str = "sim.refloat.io/runs-on";
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
                let news = format!("established {}", reference.id());
                store.news.push(news);
            }
        }
        _ => {
            // A moment after it was said.
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
fn operate(store: &mut Store, definition: &Value, served: &Resource) {
    let operator = definition
        .at("/metadata/annotations")
        .and_then(|all| all.get(OPERATOR)?.as_str()?.split_once('/'));
    if let Some((namespace, name)) = operator {
        make_own(store, definition, served, (namespace, name));
    }
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
        run(store, definition, &reference, &live);
        let observed = live.at("/status/observedGeneration") == live.at("/metadata/generation");
        if live.at("/status").is_some() && observed {
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

/// What the operator makes as soon as its pod runs, unless there is one already.
fn make_own(store: &mut Store, definition: &Value, served: &Resource, operator: (&str, &str)) {
    let (namespace, name) = operator;
    let deployment = ObjectRef::namespaced(resource("Deployment"), namespace, name);
    let Some(selector) = store
        .seen(&deployment)
        .and_then(|live| live.at("/spec/selector").cloned())
    else {
        return;
    };
    let runs = store.seen_of(&resource("Pod")).iter().any(|(pod, live)| {
        pod.namespace.as_deref() == Some(namespace)
            && live.at("/status/phase") == Some(&json!("Running"))
            && selects(Some(&selector), live.at("/metadata/labels"))
    });
    if !runs {
        return;
    }
    let told = definition.at("/metadata/annotations");
    let all: BTreeMap<String, Value> = told
        .and_then(|all| serde_json::from_str(all.get(MAKES)?.as_str()?).ok())
        .unwrap_or_default();
    for (name, spec) in all {
        let place = ObjectRef::namespaced(served.clone(), namespace, &name);
        if store.get(&place).is_none() {
            let made = json!({
                "apiVersion": served.api_version(), "kind": served.kind,
                "metadata": { "name": name, "namespace": namespace }, "spec": spec,
            });
            store.make(served, made);
        }
    }
}

/// The pod of one object and its claim, both named after it.
fn run(store: &mut Store, definition: &Value, reference: &ObjectRef, live: &Value) {
    let told = definition.at("/metadata/annotations");
    let Some(spec) = told.and_then(|all| {
        let spec: Value = serde_json::from_str(all.get(RUNS_ON)?.as_str()?).ok()?;
        Some(spec)
    }) else {
        return;
    };
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    let name = format!("{}-1", reference.name);
    let metadata = json!({ "name": name, "namespace": namespace, "ownerReferences": owner(live) });
    let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": name } }]);
    let containers = json!([{ "name": "server", "image": "server:1" }]);
    for (kind, spec) in [
        ("PersistentVolumeClaim", spec),
        (
            "Pod",
            json!({ "containers": containers, "volumes": volumes }),
        ),
    ] {
        let place = ObjectRef::namespaced(resource(kind), namespace, &name);
        if store.get(&place).is_none() {
            let made =
                json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec });
            store.make(&place.resource, made);
        }
    }
}
