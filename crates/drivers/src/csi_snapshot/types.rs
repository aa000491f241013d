//! The fields of foreign objects that this driver reads or writes, and the names of its own objects.

use std::collections::BTreeMap;

use refloat_core::driver::{ListRequest, ObjectRef, Task};
use refloat_core::inventory::Resource;
use refloat_core::names::{LABEL_RUN, LABEL_STEP, SYSTEM_NAMESPACE, part_object_name};
use serde_json::{Value, json};

pub(super) const SNAPSHOT_API: &str = "snapshot.storage.k8s.io/v1";
/// Marks the default class of a driver (external-snapshotter, `pkg/utils/util.go`).
pub(super) const DEFAULT_CLASS: &str = "snapshot.storage.kubernetes.io/is-default-class";

pub(super) fn claim_resource() -> Resource {
    Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
}

pub(super) fn volume_resource() -> Resource {
    Resource::cluster("v1", "PersistentVolume", "persistentvolumes")
}

pub(super) fn snapshot_resource() -> Resource {
    Resource::namespaced(SNAPSHOT_API, "VolumeSnapshot", "volumesnapshots")
}

pub(super) fn content_resource() -> Resource {
    Resource::cluster(
        SNAPSHOT_API,
        "VolumeSnapshotContent",
        "volumesnapshotcontents",
    )
}

fn class_resource() -> Resource {
    Resource::cluster(SNAPSHOT_API, "VolumeSnapshotClass", "volumesnapshotclasses")
}

pub(super) fn classes() -> ListRequest {
    ListRequest {
        resource: class_resource(),
        namespace: None,
        labels: BTreeMap::new(),
    }
}

pub(super) fn contents() -> ListRequest {
    ListRequest {
        resource: content_resource(),
        namespace: None,
        labels: BTreeMap::new(),
    }
}

/// The user's claim.
pub(super) fn claim(task: &Task<'_>) -> ObjectRef {
    ObjectRef::of(
        claim_resource(),
        task.claim.thing.namespace.as_deref(),
        &task.claim.thing.name,
    )
}

/// The part's id. One that is handed over under another name says so beside.
pub(super) fn part(task: &Task<'_>) -> String {
    if let Some(part) = task.inputs.get("part").and_then(Value::as_str) {
        return part.to_owned();
    }
    let namespace = task.claim.thing.namespace.as_deref().unwrap_or_default();
    format!("{namespace}/{}", task.claim.thing.name)
}

pub(super) fn own_name(task: &Task<'_>) -> String {
    part_object_name(task.run, &part(task))
}

/// Our snapshot in the user's namespace.
pub(super) fn snapshot(task: &Task<'_>) -> ObjectRef {
    ObjectRef::of(
        snapshot_resource(),
        task.claim.thing.namespace.as_deref(),
        &own_name(task),
    )
}

/// The second snapshot, by which the cut is seen in our namespace.
pub(super) fn exposed_snapshot(task: &Task<'_>) -> ObjectRef {
    ObjectRef::namespaced(snapshot_resource(), SYSTEM_NAMESPACE, &own_name(task))
}

/// The second content, always Retain.
pub(super) fn exposed_content(task: &Task<'_>) -> ObjectRef {
    ObjectRef::cluster(content_resource(), &own_name(task))
}

/// The mover's claim.
pub(super) fn mover_claim(task: &Task<'_>) -> ObjectRef {
    ObjectRef::namespaced(claim_resource(), SYSTEM_NAMESPACE, &own_name(task))
}

/// The mover's job.
pub(super) fn mover_job(task: &Task<'_>) -> ObjectRef {
    let resource = Resource::namespaced("batch/v1", "Job", "jobs");
    ObjectRef::namespaced(resource, SYSTEM_NAMESPACE, &own_name(task))
}

pub(super) fn volume(name: &str) -> ObjectRef {
    ObjectRef::cluster(volume_resource(), name)
}

/// Metadata of an object of ours.
pub(super) fn metadata(task: &Task<'_>, object: &ObjectRef, step: &str) -> Value {
    let mut metadata = json!({
        "name": object.name,
        "labels": {
            LABEL_RUN: task.run.as_str(),
            LABEL_STEP: step,
            "app.kubernetes.io/managed-by": "refloat",
        },
        "annotations": { "refloat.io/part": part(task) },
    });
    if let Some(namespace) = &object.namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// True when the label says that this run made the object.
pub(super) fn is_of_run(object: &Value, task: &Task<'_>) -> bool {
    object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(LABEL_RUN))
        .and_then(Value::as_str)
        == Some(task.run.as_str())
}
