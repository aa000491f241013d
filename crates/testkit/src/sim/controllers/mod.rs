//! Scripted controllers: one small step of each per tick, as a real cluster would do in its own time.

mod cluster;
mod movers;
mod snapshots;
mod storage;
mod workloads;

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use serde_json::Value;

use super::Store;

pub(super) use storage::{DATA, volume_of};

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// An object's owner, as the garbage collector sees it.
fn owner(object: &Value) -> Value {
    serde_json::json!([{
        "apiVersion": object.get("apiVersion"), "kind": object.get("kind"),
        "name": object.pointer("/metadata/name"), "uid": object.pointer("/metadata/uid"),
        "controller": true,
    }])
}

/// Lets every controller make one step.
pub(super) fn reconcile(store: &mut Store, now: Timestamp) {
    let all: Vec<ObjectRef> = store
        .iter()
        .map(|(reference, _)| reference.clone())
        .collect();
    for reference in all {
        let Some(object) = store.get(&reference).cloned() else {
            continue;
        };
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            let_go(store, &reference, &object);
            continue;
        }
        if is_orphan(store, &object) {
            store.remove(&reference);
            continue;
        }
        match reference.resource.kind.as_str() {
            "PersistentVolumeClaim" => storage::bind(store, &reference, &object, now),
            "VolumeSnapshot" => snapshots::snapshot(store, &reference, &object, now),
            "VolumeSnapshotContent" => snapshots::content(store, &reference, &object, now),
            "Job" => movers::job(store, &reference, &object, now),
            "Namespace" => cluster::namespace(store, &reference, &object, now),
            "Pod" => workloads::pod(store, &reference, &object, now),
            "ReplicaSet" => workloads::replica_set(store, &reference, &object, now),
            "StatefulSet" => workloads::stateful_set(store, &reference, &object, now),
            "Deployment" => workloads::deployment(store, &reference, &object, now),
            "CustomResourceDefinition" => cluster::definition(store, &reference, &object, now),
            _ => {}
        }
    }
}

/// True when the owner is gone: the garbage collector takes such objects.
fn is_orphan(store: &Store, object: &Value) -> bool {
    list(object, "/metadata/ownerReferences")
        .filter_map(|owner| text(owner, "/uid"))
        .any(|uid| !store.has_uid(uid))
}

/// Deletion: protected claims wait for their pods, released volumes follow their policy, contents theirs.
fn let_go(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let held = match reference.resource.kind.as_str() {
        "PersistentVolumeClaim" => storage::is_mounted(store, reference),
        "PersistentVolume" => storage::is_claimed(store, object),
        "VolumeSnapshotContent" => snapshots::is_held(object),
        _ => false,
    };
    if held {
        return;
    }
    match reference.resource.kind.as_str() {
        "PersistentVolumeClaim" => storage::release(store, object),
        "VolumeSnapshot" => snapshots::let_go(store, object),
        _ => {}
    }
    store.remove(reference);
}
