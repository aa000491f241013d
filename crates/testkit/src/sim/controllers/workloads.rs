//! Deployments, ReplicaSets and StatefulSets and the pods that they make, each with what a real one insists on: a
//! StatefulSet makes the claims that are missing, in order; a pod needs its ServiceAccount to be created.

use crate::sim::look::Look as _;
use std::sync::Arc;

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, is_going, list, owner, text};
use crate::sim::server::{reason, resource, selects};

pub(super) fn replicas(object: &Value) -> u64 {
    object
        .at("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1)
}

pub(super) fn in_namespace(reference: &ObjectRef, kind: &str, name: &str) -> ObjectRef {
    ObjectRef::namespaced(
        resource(kind),
        reference.namespace.as_deref().unwrap_or_default(),
        name,
    )
}

fn is_ready(pod: &Value) -> bool {
    !is_going(pod)
        && list(pod, "/status/conditions")
            .any(|one| text(one, "/type") == Some("Ready") && text(one, "/status") == Some("True"))
}

/// Whether a controller owns an object.
fn owns(object: &Value, owned: &Value) -> bool {
    list(owned, "/metadata/ownerReferences")
        .any(|owner| owner.get("uid") == object.at("/metadata/uid"))
}

pub(super) fn deployment(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let set = in_namespace(reference, "ReplicaSet", &format!("{}-5d9f", reference.name));
    let Some(live) = store.seen(&set).map(Arc::clone) else {
        let body = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": set.name, "namespace": set.namespace, "ownerReferences": owner(object),
                "labels": object.at("/spec/template/metadata/labels"),
            },
            "spec": {
                "replicas": replicas(object), "selector": object.at("/spec/selector"),
                "template": object.at("/spec/template"),
            },
        });
        store.make(&set.resource, body);
        return;
    };
    if !owns(object, &live) {
        if !is_going(&live) && list(&live, "/metadata/ownerReferences").next().is_none() {
            adopt(store, &set, &live, object);
        }
        return;
    }
    let differs = |pointer: &str| live.at(pointer) != object.at(pointer);
    if differs("/spec/replicas") || differs("/spec/template") {
        let patch = json!({ "spec": {
            "replicas": replicas(object), "template": object.at("/spec/template"),
        } });
        store.write(&set, &live, patch);
    }
    let ready = live
        .at("/status/readyReplicas")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    rolled_out(store, reference, object, ready.min(replicas(object)));
}

fn adopt(store: &mut Store, reference: &ObjectRef, live: &Value, controller: &Value) {
    let patch = json!({ "metadata": { "ownerReferences": owner(controller) } });
    store.write(reference, live, patch);
}

pub(super) fn replica_set(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let ready = pods(store, reference, object, &[]);
    rolled_out(store, reference, object, ready);
}

pub(super) fn stateful_set(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let templates: Vec<&str> = list(object, "/spec/volumeClaimTemplates")
        .filter_map(|template| text(template, "/metadata/name"))
        .collect();
    let ready = pods(store, reference, object, &templates);
    rolled_out(store, reference, object, ready);
}

/// The claims of one ordinal.
fn claims(store: &mut Store, reference: &ObjectRef, object: &Value, ordinal: u64) {
    for template in list(object, "/spec/volumeClaimTemplates") {
        let mut claim = template.clone();
        let name = text(template, "/metadata/name").unwrap_or_default();
        let name = format!("{name}-{}-{ordinal}", reference.name);
        let place = in_namespace(reference, "PersistentVolumeClaim", &name);
        if store.seen(&place).is_some() {
            continue;
        }
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
        claim["metadata"]["name"] = json!(name);
        claim["metadata"]["namespace"] = json!(reference.namespace);
        claim["metadata"]["labels"] = json!(object.at("/spec/selector/matchLabels"));
        store.make(&place.resource, claim);
    }
}

/// Makes the pods that are missing, ends those that are too many, and counts those that are ready.
fn pods(store: &mut Store, reference: &ObjectRef, object: &Value, templates: &[&str]) -> u64 {
    let ordered = reference.resource.kind == "StatefulSet"
        && text(object, "/spec/podManagementPolicy") != Some("Parallel");
    let mut ready = 0;
    for ordinal in 0..replicas(object) {
        if reference.resource.kind == "StatefulSet" {
            claims(store, reference, object, ordinal);
        }
        let pod = in_namespace(reference, "Pod", &format!("{}-{ordinal}", reference.name));
        let live = store.seen(&pod).map(Arc::clone);
        let is_up = match &live {
            Some(live) if owns(object, live) => is_ready(live),
            Some(live) => {
                let selector = object.at("/spec/selector");
                let orphaned = list(live, "/metadata/ownerReferences").next().is_none();
                if orphaned && selects(selector, live.at("/metadata/labels")) {
                    adopt(store, &pod, live, object);
                }
                false
            }
            None => {
                make_pod(store, &pod, object, templates);
                false
            }
        };
        ready += u64::from(is_up);
        if ordered && !is_up {
            break;
        }
    }
    end_last(store, reference, object);
    ready
}

/// Ends the last of the pods that are too many; the next one follows when it is gone.
fn end_last(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let prefix = format!("{}-", reference.name);
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let last = store
        .server
        .objects
        .dependents(uid)
        .filter(|one| one.resource.kind == "Pod" && one.namespace == reference.namespace)
        .filter_map(|pod| {
            let ordinal: u64 = pod.name.strip_prefix(&prefix)?.parse().ok()?;
            Some((ordinal, pod.clone(), Arc::clone(store.seen(pod)?)))
        })
        .filter(|(ordinal, ..)| *ordinal >= replicas(object))
        .max_by_key(|(ordinal, ..)| *ordinal);
    if let Some((_, pod, live)) = last.filter(|(_, _, live)| !is_going(live)) {
        store.discard(&pod, &live);
    }
}

fn make_pod(store: &mut Store, pod: &ObjectRef, object: &Value, templates: &[&str]) {
    let account = text(object, "/spec/template/spec/serviceAccountName").unwrap_or("default");
    let account = in_namespace(pod, "ServiceAccount", account);
    if store.get(&account).is_none() {
        let news = format!("refused {}: no {}", pod.id(), account.id());
        store.news.push(news);
        return;
    }
    let mut spec = object["spec"]["template"]["spec"].clone();
    let mut volumes: Vec<Value> = list(&spec, "/volumes").cloned().collect();
    volumes.extend(templates.iter().map(|name| {
        let claim = format!("{name}-{}", pod.name);
        json!({ "name": name, "persistentVolumeClaim": { "claimName": claim } })
    }));
    if !volumes.is_empty() {
        spec["volumes"] = json!(volumes);
    }
    let mut labels = object.at("/spec/template/metadata/labels").cloned();
    if !templates.is_empty()
        && let Some(labels) = &mut labels
    {
        labels["statefulset.kubernetes.io/pod-name"] = json!(pod.name);
    }
    let body = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod.name, "namespace": pod.namespace, "ownerReferences": owner(object),
            "labels": labels,
            "annotations": object.at("/spec/template/metadata/annotations"),
        },
        "spec": spec,
    });
    let reply = store.make(&pod.resource, body);
    debug_assert!(
        reply.is_success() || !matches!(reason(&reply.body), "Invalid" | "BadRequest"),
        "{reply:?}"
    );
}

fn rolled_out(store: &mut Store, reference: &ObjectRef, object: &Value, ready: u64) {
    let wanted = replicas(object);
    let mut status = json!({
        "observedGeneration": object.at("/metadata/generation"),
        "replicas": wanted, "readyReplicas": ready, "availableReplicas": ready,
        "conditions": [
            { "type": "Available", "status": if ready >= wanted { "True" } else { "False" } },
            { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" },
        ],
    });
    match reference.resource.kind.as_str() {
        "Deployment" => status["updatedReplicas"] = json!(wanted),
        "StatefulSet" => {
            status["updatedReplicas"] = json!(wanted);
            status["currentReplicas"] = json!(wanted);
            status["currentRevision"] = json!("r1");
            status["updateRevision"] = json!("r1");
        }
        _ => {}
    }
    let told = |key: &str| object["status"].get(key) == status.get(key);
    if ["observedGeneration", "replicas", "readyReplicas"]
        .iter()
        .all(|key| told(key))
    {
        return;
    }
    let reply = store.write(reference, object, json!({ "status": status }));
    if reply.is_success() && ready >= wanted {
        let news = format!("ready {}", reference.id());
        store.news.push(news);
    }
}
