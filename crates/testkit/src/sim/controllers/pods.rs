//! Pods: a pod needs its claims, Secrets and ConfigMaps to run; a server on an empty volume makes a new database.

use crate::sim::look::Look as _;
use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use refloat_core::names::LABEL_STEP;
use refloat_core::probe::STEP_LABEL;
use serde_json::{Value, json};

use super::storage::{DATA, volume_of};
use super::workloads::in_namespace;
use super::{Store, is_going, list, text};

/// Annotation of a simulated pod: seconds that it takes to start. Of a definition: seconds until the server looks at it.
const SLOW: &str = "sim.refloat.io/starts";
/// Annotation of a simulated pod: what its server crashes without, at every start: things as Refloat writes them, as a JSON list.
const CRASHES_WITHOUT: &str = "sim.refloat.io/crashes-without";

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
    if is_going(object) {
        // Its kubelet ends it at once: nothing simulated needs its time of grace.
        return store.server.end(reference);
    }
    if text(object, "/status/phase") == Some("Running") && is_probe(object) {
        let message = serde_json::to_string(&store.probe_answer).unwrap_or_default();
        let ended = json!({ "status": { "phase": "Succeeded", "containerStatuses": [{
            "name": "probe", "state": { "terminated": { "exitCode": 0, "message": message } },
        }] } });
        store.write(reference, object, ended);
        return;
    }
    if text(object, "/status/phase") != Some("Pending") || is_slow(object, now) {
        return;
    }
    let claims: Vec<ObjectRef> = list(object, "/spec/volumes")
        .filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"))
        .map(|claim| in_namespace(reference, "PersistentVolumeClaim", claim))
        .collect();
    let bound = |claim: &ObjectRef| {
        store
            .seen(claim)
            .is_some_and(|live| text(live, "/status/phase") == Some("Bound"))
    };
    if !claims.iter().all(bound) {
        return;
    }
    if let Some(waiting) = held_back(store, reference, object) {
        store.write(reference, object, waiting);
        return;
    }
    if let Some(crashed) = crashed(store, reference, object) {
        store.write(reference, object, crashed);
        return;
    }
    let restarts = restarts(object);
    let statuses: Vec<Value> = list(object, "/spec/containers")
        .map(|one| json!({ "name": one["name"], "ready": true, "restartCount": restarts, "state": { "running": {} } }))
        .collect();
    let running = json!({
        "spec": { "nodeName": "node-1" },
        "status": {
            "phase": "Running", "podIP": format!("ip-of-{}", reference.name), "containerStatuses": statuses,
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    let is_mover = text(object, "/spec/restartPolicy") == Some("Never");
    for claim in claims.iter().filter(|_| !is_mover) {
        first_start(store, claim);
    }
    store.write(reference, object, running);
}

fn is_probe(object: &Value) -> bool {
    let labels = object.at("/metadata/labels");
    let step = labels.and_then(|labels| labels.get(LABEL_STEP)?.as_str());
    step == Some(STEP_LABEL)
}

/// What keeps its containers from starting: an image that cannot be had, something that they name and is not there.
fn held_back(store: &mut Store, reference: &ObjectRef, object: &Value) -> Option<Value> {
    let wanted = list(object, "/spec/containers").find_map(|one| text(one, "/image"));
    if let Some(image) = wanted.filter(|_| wanted == store.missing_image.as_deref()) {
        let said = format!("Back-off pulling image \"{image}\": ErrImagePull: {image}: not found");
        let waiting = json!({ "reason": "ImagePullBackOff", "message": said });
        let statuses = json!([{ "name": "any", "state": { "waiting": waiting } }]);
        return Some(json!({
            "spec": { "nodeName": "node-1" }, "status": { "containerStatuses": statuses },
        }));
    }
    let mut named = Vec::new();
    references(&object["spec"], &mut named);
    let missing = named
        .iter()
        .map(|(kind, name)| in_namespace(reference, kind, name))
        .find(|one| store.seen(one).is_none())?;
    let waiting =
        json!({ "reason": "CreateContainerConfigError", "message": missing.id().to_string() });
    let statuses: Vec<Value> = list(object, "/spec/containers")
        .map(|one| json!({ "name": one["name"], "ready": false, "state": { "waiting": waiting } }))
        .collect();
    let news = format!("held back {}: no {}", reference.id(), missing.id());
    store.news.push(news);
    Some(json!({ "spec": { "nodeName": "node-1" }, "status": { "containerStatuses": statuses } }))
}

fn restarts(object: &Value) -> u64 {
    let first = list(object, "/status/containerStatuses").next();
    first
        .and_then(|status| status.at("/restartCount")?.as_u64())
        .unwrap_or_default()
}

/// A server that ends because something is not there, and is started once more.
fn crashed(store: &mut Store, reference: &ObjectRef, object: &Value) -> Option<Value> {
    let needed: Vec<String> = object
        .at("/metadata/annotations")
        .and_then(|all| serde_json::from_str(all.get(CRASHES_WITHOUT)?.as_str()?).ok())?;
    let works = |live: &Value| {
        live["kind"] != "CustomResourceDefinition"
            || list(live, "/status/conditions").any(|one| one["type"] == "Established")
    };
    let is_there = |id: &String| {
        store
            .iter()
            .any(|(one, live)| one.id().to_string() == *id && works(live))
    };
    let missing = needed.iter().find(|id| !is_there(id))?.clone();
    let restarts = restarts(object) + 1;
    let waiting = json!({ "reason": "CrashLoopBackOff", "message": missing });
    let statuses: Vec<Value> = list(object, "/spec/containers")
        .map(|one| json!({ "name": one["name"], "ready": false, "restartCount": restarts, "state": { "waiting": waiting } }))
        .collect();
    store
        .news
        .push(format!("crashed {}: no {missing}", reference.id()));
    Some(json!({ "status": { "containerStatuses": statuses } }))
}

/// True while what takes its time is not old enough.
pub(super) fn is_slow(object: &Value, now: Timestamp) -> bool {
    let seconds: Option<i64> = object
        .at("/metadata/annotations")
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
        live.at("/metadata/annotations")
            .and_then(|all| all.get(DATA))
            .is_none()
    });
    if empty {
        let data = json!({ "metadata": { "annotations": { DATA: store.new_database } } });
        // Bytes on a volume are no matter of the API.
        store.change(&volume, &data);
    }
}
