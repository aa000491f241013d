//! Scripted controllers: one small step of each per tick, as a real cluster would do in its own time.
//!
//! Each is a client of the server: it decides by what its cache shows, and a write whose object has changed in between is
//! refused and tried again at the next step.

mod cluster;
mod collector;
mod endpoints;
mod movers;
mod pods;
mod secrets;
mod snapshots;
mod storage;
mod workloads;

use crate::sim::look::Look as _;
use std::sync::Arc;

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::Store;

pub(super) use storage::{DATA, volume_of};

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.at(pointer)?.as_str()
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object
        .at(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// An object's owner, as the garbage collector sees it.
fn owner(object: &Value) -> Value {
    json!([{
        "apiVersion": object.get("apiVersion"), "kind": object.get("kind"),
        "name": object.at("/metadata/name"), "uid": object.at("/metadata/uid"),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn is_going(object: &Value) -> bool {
    object.at("/metadata/deletionTimestamp").is_some()
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    list(object, "/metadata/finalizers").any(|one| one.as_str() == Some(name))
}

/// Adds a finalizer of a controller's own.
fn hold(store: &mut Store, reference: &ObjectRef, object: &Value, name: &str) {
    let mut all: Vec<Value> = list(object, "/metadata/finalizers").cloned().collect();
    all.push(json!(name));
    store.write(
        reference,
        object,
        json!({ "metadata": { "finalizers": all } }),
    );
}

/// Takes finalizers off an object; the last one ends it.
fn release(store: &mut Store, reference: &ObjectRef, object: &Value, names: &[&str]) {
    let all: Vec<&Value> = list(object, "/metadata/finalizers").collect();
    let left: Vec<&Value> = all
        .iter()
        .copied()
        .filter(|one| !names.iter().any(|name| one.as_str() == Some(name)))
        .collect();
    if left.len() < all.len() {
        let patch = json!({ "metadata": { "finalizers": left } });
        store.write(reference, object, patch);
    }
}

/// Lets every controller make one step.
pub(super) fn reconcile(store: &mut Store, now: Timestamp) {
    store.set_time(now);
    store.step();
    for (reference, object) in store.seen_all() {
        if collector::collect(store, &reference, &object) {
            continue;
        }
        step(store, &reference, &object, now);
    }
}

fn step(store: &mut Store, reference: &ObjectRef, object: &Arc<Value>, now: Timestamp) {
    match reference.resource.kind.as_str() {
        "PersistentVolumeClaim" => storage::claim(store, reference, object, now),
        "PersistentVolume" => storage::volume(store, reference, object),
        "VolumeSnapshot" => snapshots::snapshot(store, reference, object),
        "VolumeSnapshotContent" => snapshots::content(store, reference, object, now),
        "Namespace" => cluster::namespace(store, reference, object),
        "Pod" => pods::pod(store, reference, object, now),
        "Service" => endpoints::service(store, reference, object),
        "CustomResourceDefinition" if pods::is_slow(object, now) => {}
        "CustomResourceDefinition" => cluster::definition(store, reference, object),
        _ if is_going(object) => {}
        "Job" => movers::job(store, reference, object, now),
        "ReplicaSet" => workloads::replica_set(store, reference, object),
        "StatefulSet" => workloads::stateful_set(store, reference, object),
        "Deployment" => workloads::deployment(store, reference, object),
        _ => {}
    }
}
