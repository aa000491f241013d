//! Snapshots and contents. A handle carries what was on the volume at the cut: `7000000000000000001@snapcontent-uid-9`.

use crate::sim::look::Look as _;
use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::storage::{DATA, volume_of};
use super::{Store, has_finalizer, hold, is_going, release, text};
use crate::sim::server::resource;

fn content_of(name: &str) -> ObjectRef {
    ObjectRef::cluster(resource("VolumeSnapshotContent"), name)
}

/// What holds a snapshot while its content is bound to it.
const BOUND: &str = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection";
/// What holds a content while its snapshot is there.
const CONTENT_BOUND: &str = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection";
/// What tells the snapshotter that the snapshot of a content goes.
const GOING: &str = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted";

/// A snapshot goes: its content is told, and goes first when its policy says so.
fn let_go(store: &mut Store, reference: &ObjectRef, snapshot: &Value) {
    let uid = text(snapshot, "/metadata/uid").unwrap_or_default();
    let name = text(snapshot, "/status/boundVolumeSnapshotContentName")
        .map_or_else(|| format!("snapcontent-{uid}"), str::to_owned);
    let content = content_of(&name);
    let live = store
        .seen(&content)
        .filter(|live| text(live, "/spec/volumeSnapshotRef/uid").is_none_or(|theirs| theirs == uid))
        .cloned();
    if let Some(live) = live {
        if !is_told(&live) {
            let patch = json!({ "metadata": { "annotations": { GOING: "yes" } } });
            store.write(&content, &live, patch);
            return;
        }
        if text(&live, "/spec/deletionPolicy") == Some("Delete") {
            if !is_going(&live) {
                store.discard(&content, &live);
            }
            return;
        }
    }
    release(store, reference, snapshot, &[BOUND]);
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

pub(super) fn snapshot(store: &mut Store, reference: &ObjectRef, object: &Value) {
    if is_going(object) {
        return let_go(store, reference, object);
    }
    if !has_finalizer(object, BOUND) {
        return hold(store, reference, object, BOUND);
    }
    let ready = |name: &str| json!({ "status": { "readyToUse": true, "boundVolumeSnapshotContentName": name } });
    let is_cut = |store: &Store, name: &str| {
        store
            .get(&content_of(name))
            .is_some_and(|live| text(live, "/status/snapshotHandle").is_some())
    };
    if object.at("/status/readyToUse").is_some() {
        return;
    }
    if let Some(content) = text(object, "/spec/source/volumeSnapshotContentName") {
        if is_cut(store, content) {
            store.write(reference, object, ready(content));
        }
        return;
    }
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let name = format!("snapcontent-{uid}");
    if is_cut(store, &name) {
        store.write(reference, object, ready(&name));
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
    store.make(&resource("VolumeSnapshotContent"), content);
}

pub(super) fn content(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if is_going(object) {
        // The snapshotter lets go of a bound content only when it was told that its snapshot goes: the snapshot controller
        // may miss to tell it (external-snapshotter 8.4, `shouldDelete`; seen on the testbed); here it always does.
        if is_told(object) {
            release(store, reference, object, &[CONTENT_BOUND]);
        }
        return;
    }
    if !has_finalizer(object, CONTENT_BOUND) {
        return hold(store, reference, object, CONTENT_BOUND);
    }
    if text(object, "/status/snapshotHandle").is_some() {
        return;
    }
    if let Some(message) = store.cut_failure.clone() {
        let refused = json!({ "status": { "error": { "message": message } } });
        store.write(reference, object, refused);
        return;
    }
    let handle = if let Some(handle) = text(object, "/spec/source/snapshotHandle") {
        handle.to_owned()
    } else {
        let volume = text(object, "/spec/source/volumeHandle").unwrap_or_default();
        let volume = ObjectRef::cluster(resource("PersistentVolume"), volume);
        let data = store
            .get(&volume)
            .and_then(|live| live.at("/metadata/annotations")?.get(DATA)?.as_str())
            .unwrap_or("nothing");
        format!("{data}@{}", reference.name)
    };
    let nanoseconds = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
    let cut = json!({ "status": {
        "snapshotHandle": handle, "creationTime": nanoseconds, "readyToUse": true,
    } });
    store.write(reference, object, cut);
}

fn is_told(object: &Value) -> bool {
    let annotations = object.at("/metadata/annotations");
    annotations.and_then(|all| all.get(GOING)).is_some()
}
