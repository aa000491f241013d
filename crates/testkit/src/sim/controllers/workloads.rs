//! Deployments, ReplicaSets, StatefulSets and their pods, each with what a real one insists on: a StatefulSet makes the
//! claims that are missing, a pod needs its ServiceAccount to be created and its claims, Secrets and ConfigMaps to run.

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::storage::{DATA, volume_of};
use super::{Store, list, owner, text};
use crate::sim::kinds::resource;

/// Annotation of a simulated pod: seconds that it takes to start.
const SLOW: &str = "sim.refloat.io/starts";

fn replicas(object: &Value) -> u64 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1)
}

fn in_namespace(reference: &ObjectRef, kind: &str, name: &str) -> ObjectRef {
    ObjectRef::namespaced(
        resource(kind),
        reference.namespace.as_deref().unwrap_or_default(),
        name,
    )
}

pub(super) fn deployment(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    let set = in_namespace(reference, "ReplicaSet", &format!("{}-5d9f", reference.name));
    let Some(live) = store.get(&set) else {
        let body = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": set.name, "namespace": set.namespace, "ownerReferences": owner(object),
                "labels": object.pointer("/spec/template/metadata/labels"),
            },
            "spec": {
                "replicas": replicas(object), "selector": object.pointer("/spec/selector"),
                "template": object.pointer("/spec/template"),
            },
        });
        store.make(&set.resource, body, now);
        return;
    };
    let ready = live
        .pointer("/status/readyReplicas")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    rolled_out(store, reference, object, ready);
}

pub(super) fn replica_set(
    store: &mut Store,
    reference: &ObjectRef,
    object: &Value,
    now: Timestamp,
) {
    let ready = pods(store, reference, object, &[], now);
    rolled_out(store, reference, object, ready);
}

pub(super) fn stateful_set(
    store: &mut Store,
    reference: &ObjectRef,
    object: &Value,
    now: Timestamp,
) {
    for ordinal in 0..replicas(object) {
        for template in list(object, "/spec/volumeClaimTemplates") {
            let mut claim = template.clone();
            let name = text(template, "/metadata/name").unwrap_or_default();
            claim["apiVersion"] = json!("v1");
            claim["kind"] = json!("PersistentVolumeClaim");
            claim["metadata"]["name"] = json!(format!("{name}-{}-{ordinal}", reference.name));
            claim["metadata"]["namespace"] = json!(reference.namespace);
            claim["metadata"]["labels"] = json!(object.pointer("/spec/selector/matchLabels"));
            store.make(&resource("PersistentVolumeClaim"), claim, now);
        }
    }
    let templates: Vec<&str> = list(object, "/spec/volumeClaimTemplates")
        .filter_map(|template| text(template, "/metadata/name"))
        .collect();
    let ready = pods(store, reference, object, &templates, now);
    rolled_out(store, reference, object, ready);
}

/// Makes the pods that are missing and counts those that are ready.
fn pods(
    store: &mut Store,
    reference: &ObjectRef,
    object: &Value,
    templates: &[&str],
    now: Timestamp,
) -> u64 {
    let account = text(object, "/spec/template/spec/serviceAccountName").unwrap_or("default");
    let account = in_namespace(reference, "ServiceAccount", account);
    let mut ready = 0;
    for ordinal in 0..replicas(object) {
        let pod = in_namespace(reference, "Pod", &format!("{}-{ordinal}", reference.name));
        if let Some(live) = store.get(&pod) {
            let is_ready = list(live, "/status/conditions").any(|one| {
                text(one, "/type") == Some("Ready") && text(one, "/status") == Some("True")
            });
            ready += u64::from(is_ready);
            continue;
        }
        if store.get(&account).is_none() {
            let news = format!("refused {}: no {}", pod.id(), account.id());
            store.news.push(news);
            continue;
        }
        let mut spec = object["spec"]["template"]["spec"].clone();
        let mut volumes: Vec<Value> = list(&spec, "/volumes").cloned().collect();
        volumes.extend(templates.iter().map(|name| {
            let claim = format!("{name}-{}", pod.name);
            json!({ "name": name, "persistentVolumeClaim": { "claimName": claim } })
        }));
        spec["volumes"] = json!(volumes);
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": pod.name, "namespace": pod.namespace, "ownerReferences": owner(object),
                "labels": object.pointer("/spec/template/metadata/labels"),
                "annotations": object.pointer("/spec/template/metadata/annotations"),
            },
            "spec": spec,
            "status": { "phase": "Pending" },
        });
        store.make(&pod.resource, body, now);
    }
    ready
}

/// Secrets and ConfigMaps that a pod cannot start without.
fn references(spec: &Value, found: &mut Vec<(&'static str, String)>) {
    let Some(map) = spec.as_object() else {
        for inner in spec.as_array().into_iter().flatten() {
            references(inner, found);
        }
        return;
    };
    for (key, inner) in map {
        let kind = match key.as_str() {
            "secretKeyRef" | "secretRef" | "secret" => "Secret",
            "configMapKeyRef" | "configMapRef" | "configMap" => "ConfigMap",
            _ => "",
        };
        let name = text(inner, "/name").or(text(inner, "/secretName"));
        if let (false, Some(name)) = (kind.is_empty(), name) {
            found.push((kind, name.to_owned()));
        }
        references(inner, found);
    }
}

/// A pod starts when all that it names is there; a server on an empty volume makes a new database.
pub(super) fn pod(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if text(object, "/status/phase") != Some("Pending") || is_slow(object, now) {
        return;
    }
    let mut claims = Vec::new();
    for volume in list(object, "/spec/volumes") {
        if let Some(claim) = text(volume, "/persistentVolumeClaim/claimName") {
            claims.push(in_namespace(reference, "PersistentVolumeClaim", claim));
        }
    }
    let bound = |claim: &ObjectRef| {
        store
            .get(claim)
            .is_some_and(|live| text(live, "/status/phase") == Some("Bound"))
    };
    if !claims.iter().all(bound) {
        return;
    }
    let wanted = list(object, "/spec/containers").find_map(|one| text(one, "/image"));
    if wanted.is_some() && wanted == store.missing_image.as_deref() {
        let waiting = json!({ "reason": "ImagePullBackOff", "message": wanted });
        let statuses = json!([{ "name": "any", "state": { "waiting": waiting } }]);
        return store.change(
            reference,
            &json!({ "status": { "containerStatuses": statuses } }),
        );
    }
    let mut named = Vec::new();
    references(&object["spec"], &mut named);
    let missing = named
        .iter()
        .map(|(kind, name)| in_namespace(reference, kind, name))
        .find(|one| store.get(one).is_none());
    let containers = list(object, "/spec/containers");
    if let Some(missing) = missing {
        let waiting =
            json!({ "reason": "CreateContainerConfigError", "message": missing.id().to_string() });
        let statuses: Vec<Value> = containers
            .map(|one| json!({ "name": one["name"], "ready": false, "state": { "waiting": waiting } }))
            .collect();
        store.change(
            reference,
            &json!({ "status": { "containerStatuses": statuses } }),
        );
        let news = format!("held back {}: no {}", reference.id(), missing.id());
        store.news.push(news);
        return;
    }
    let statuses: Vec<Value> = containers
        .map(|one| json!({ "name": one["name"], "ready": true, "state": { "running": {} } }))
        .collect();
    let running = json!({ "status": {
        "phase": "Running", "podIP": format!("ip-of-{}", reference.name), "containerStatuses": statuses,
        "conditions": [{ "type": "Ready", "status": "True" }],
    } });
    let is_mover = text(object, "/spec/restartPolicy") == Some("Never");
    for claim in claims.iter().filter(|_| !is_mover) {
        first_start(store, claim);
    }
    store.change(reference, &running);
}

/// True while a pod that takes its time is not old enough.
fn is_slow(object: &Value, now: Timestamp) -> bool {
    let seconds: Option<i64> = object
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(SLOW)?.as_str()?.parse().ok());
    let created: Option<Timestamp> =
        text(object, "/metadata/creationTimestamp").and_then(|at| at.parse().ok());
    seconds
        .zip(created)
        .is_some_and(|(seconds, created)| now.duration_since(created).as_secs() < seconds)
}

fn first_start(store: &mut Store, claim: &ObjectRef) {
    let Some(volume) = volume_of(store, claim) else {
        return;
    };
    let empty = store.get(&volume).is_some_and(|live| {
        live.pointer("/metadata/annotations")
            .and_then(|all| all.get(DATA))
            .is_none()
    });
    if empty {
        let data = json!({ "metadata": { "annotations": { DATA: store.new_database } } });
        store.change(&volume, &data);
    }
}

fn rolled_out(store: &mut Store, reference: &ObjectRef, object: &Value, ready: u64) {
    let wanted = replicas(object);
    let status = json!({ "status": {
        "observedGeneration": object.pointer("/metadata/generation"),
        "replicas": wanted, "readyReplicas": ready, "updatedReplicas": wanted,
        "availableReplicas": ready, "currentReplicas": wanted,
        "currentRevision": "r1", "updateRevision": "r1",
        "conditions": [
            { "type": "Available", "status": if ready >= wanted { "True" } else { "False" } },
            { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" },
        ],
    } });
    if object.pointer("/status/readyReplicas") != status.pointer("/status/readyReplicas") {
        store.change(reference, &status);
        if ready >= wanted {
            let news = format!("ready {}", reference.id());
            store.news.push(news);
        }
    }
}
