//! Jobs: a pod that waits for its claim and its Secret, runs for a while, then reports as a mover does; without a mover's order it
//! just completes.

use crate::sim::look::Look as _;
use jiff::Timestamp;
use refloat_core::driver::{ObjectRef, Problem};
use refloat_core::recovery::{Direction, MoverOrder, MoverReport, ORDER_VARIABLE};
use serde_json::{Value, json};

use super::storage::{DATA, volume_of};
use super::{Store, list, owner, text};
use crate::sim::server::resource;

pub(super) fn job(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    let over = ["/status/succeeded", "/status/conditions"]
        .iter()
        .any(|pointer| object.at(pointer).is_some());
    if over || object.at("/spec/suspend") == Some(&json!(true)) {
        return;
    }
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    let pod = ObjectRef::namespaced(resource("Pod"), namespace, &format!("{}-x", reference.name));
    let Some(live) = store.seen(&pod).cloned() else {
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": pod.name, "namespace": namespace,
                "labels": { "batch.kubernetes.io/job-name": reference.name },
                "annotations": object.at("/spec/template/metadata/annotations"),
                "ownerReferences": owner(object),
            },
            "spec": object.at("/spec/template/spec"),
        });
        store.make(&resource("Pod"), body);
        return;
    };
    if text(&live, "/status/phase") != Some("Running") {
        return;
    }
    if order(&live).is_none() {
        let ended = json!({ "status": { "phase": "Succeeded" } });
        if store.write(&pod, &live, ended).is_success() {
            let status = json!({
                "succeeded": 1, "completionTime": now.to_string(),
                "conditions": [{ "type": "Complete", "status": "True" }],
            });
            store.write(reference, object, json!({ "status": status }));
        }
        return;
    }
    let report = match store.mover_failure.clone() {
        Some(problem) => Some(MoverReport::Failed(problem)),
        None => work(store, &live, namespace),
    };
    let Some(report) = report else { return };
    let code = i32::from(matches!(report, MoverReport::Failed(_)));
    let message = serde_json::to_string(&report).unwrap_or_default();
    let ended = json!({ "status": {
        "phase": if code == 0 { "Succeeded" } else { "Failed" },
        "containerStatuses": [{
            "name": "mover", "state": { "terminated": { "exitCode": code, "message": message } },
        }],
    } });
    if !store.write(&pod, &live, ended).is_success() {
        return;
    }
    let status = if code == 0 {
        json!({ "status": { "succeeded": 1, "completionTime": now.to_string() } })
    } else {
        json!({ "status": { "failed": 1, "conditions": [
            { "type": "Failed", "status": "True", "lastTransitionTime": now.to_string() },
        ] } })
    };
    store.write(reference, object, status);
}

/// What a mover is told; `None` of a Job that is no mover.
fn order(pod: &Value) -> Option<MoverOrder> {
    let variable = list(pod, "/spec/containers/0/env")
        .find(|one| text(one, "/name") == Some(ORDER_VARIABLE))?;
    serde_json::from_str(text(variable, "/value")?).ok()
}

/// The mover's work: what lies on the volume goes into the snapshot's name, or comes out of it.
fn work(store: &mut Store, pod: &Value, namespace: &str) -> Option<MoverReport> {
    let order = order(pod)?;
    let claim = list(pod, "/spec/volumes")
        .find_map(|volume| text(volume, "/persistentVolumeClaim/claimName"))?;
    let claim = ObjectRef::namespaced(resource("PersistentVolumeClaim"), namespace, claim);
    let volume = volume_of(store, &claim)?;
    let edits = order.edits.len() as u64;
    let (snapshot, tree) = match order.direction {
        Direction::Backup => {
            let data = store
                .get(&volume)?
                .at("/metadata/annotations")?
                .get(DATA)?
                .as_str()?;
            (
                format!("snapshot of {}: {data}", order.part),
                format!("tree of {}", order.part),
            )
        }
        Direction::Restore => {
            let snapshot = order.snapshot?;
            let (_, data) = snapshot.rsplit_once(": ")?;
            let lies = store.get(&volume)?.at("/metadata/annotations");
            let lies = lies.and_then(|all| all.get(DATA)?.as_str());
            if let Some(other) = lies.filter(|lies| *lies != data) {
                return Some(MoverReport::Failed(Problem::stuck(
                    "mover-target-not-empty",
                    format!("the target is not empty: it holds {other}"),
                    "restore into a new, empty volume",
                )));
            }
            let written = json!({ "metadata": { "annotations": { DATA: data } } });
            // Bytes on a volume are no matter of the API.
            store.change(&volume, &written);
            (snapshot, order.tree?)
        }
    };
    Some(MoverReport::Done {
        snapshot,
        tree,
        files: 3,
        bytes: 1 << 20,
        bytes_added: 1 << 20,
        milliseconds: 40,
        edits,
    })
}
