//! Snapshots and contents. A handle carries what was on the volume at the cut: `7000000000000000001@snapcontent-uid-9`.

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::storage::{DATA, volume_of};
use super::{Store, text};
use crate::sim::kinds::resource;

fn content_of(name: &str) -> ObjectRef {
    ObjectRef::cluster(resource("VolumeSnapshotContent"), name)
}

/// A snapshot is gone: its content goes when its policy says so.
pub(super) fn let_go(store: &mut Store, snapshot: &Value) {
    let Some(name) = text(snapshot, "/status/boundVolumeSnapshotContentName") else {
        return;
    };
    let content = content_of(name);
    let deletes = store
        .get(&content)
        .and_then(|live| text(live, "/spec/deletionPolicy"))
        == Some("Delete");
    if deletes {
        store.remove(&content);
    }
}

/// What a snapshot in the claim's namespace holds.
pub(super) fn data(store: &Store, claim: &ObjectRef, snapshot: &str) -> Option<String> {
    let namespace = claim.namespace.as_deref()?;
    let snapshot = ObjectRef::namespaced(resource("VolumeSnapshot"), namespace, snapshot);
    let name = text(
        store.get(&snapshot)?,
        "/status/boundVolumeSnapshotContentName",
    )?;
    let handle = text(store.get(&content_of(name))?, "/status/snapshotHandle")?;
    Some(handle.split_once('@')?.0.to_owned())
}

pub(super) fn snapshot(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    let ready = |name: &str| json!({ "status": { "readyToUse": true, "boundVolumeSnapshotContentName": name } });
    let is_cut = |store: &Store, name: &str| {
        store
            .get(&content_of(name))
            .is_some_and(|live| text(live, "/status/snapshotHandle").is_some())
    };
    if object.pointer("/status/readyToUse").is_some() {
        return;
    }
    if let Some(content) = text(object, "/spec/source/volumeSnapshotContentName") {
        if is_cut(store, content) {
            store.change(reference, &ready(content));
        }
        return;
    }
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let name = format!("snapcontent-{uid}");
    if is_cut(store, &name) {
        store.change(reference, &ready(&name));
        return;
    }
    let claim = ObjectRef::namespaced(
        resource("PersistentVolumeClaim"),
        reference.namespace.as_deref().unwrap_or_default(),
        text(object, "/spec/source/persistentVolumeClaimName").unwrap_or_default(),
    );
    let Some(volume) = volume_of(store, &claim) else {
        return;
    };
    let content = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
        "metadata": { "name": name },
        "spec": {
            "deletionPolicy": "Delete", "driver": "btrfs.csi.refloat.io",
            "source": { "volumeHandle": volume.name },
            "volumeSnapshotRef": {
                "name": reference.name, "namespace": reference.namespace, "uid": uid,
            },
        },
    });
    store.make(&resource("VolumeSnapshotContent"), content, now);
}

pub(super) fn content(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if text(object, "/status/snapshotHandle").is_some() {
        return;
    }
    if let Some(message) = store.cut_failure.clone() {
        let refused = json!({ "status": { "error": { "message": message } } });
        return store.change(reference, &refused);
    }
    let handle = if let Some(handle) = text(object, "/spec/source/snapshotHandle") {
        handle.to_owned()
    } else {
        let volume = text(object, "/spec/source/volumeHandle").unwrap_or_default();
        let volume = ObjectRef::cluster(resource("PersistentVolume"), volume);
        let data = store
            .get(&volume)
            .and_then(|live| live.pointer("/metadata/annotations")?.get(DATA)?.as_str())
            .unwrap_or("nothing");
        format!("{data}@{}", reference.name)
    };
    let nanoseconds = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
    let cut = json!({ "status": {
        "snapshotHandle": handle, "creationTime": nanoseconds, "readyToUse": true,
    } });
    store.change(reference, &cut);
}

/// Whether the snapshotter holds on to a content: until it was told that its snapshot goes. The snapshot controller may miss to
/// tell it (external-snapshotter 8.4, `shouldDelete`; seen on the testbed); here it always does.
pub(super) fn is_held(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    annotations
        .and_then(|all| all.get("snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"))
        .is_none()
}
