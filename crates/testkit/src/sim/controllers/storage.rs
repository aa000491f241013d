//! Claims and volumes: provisioning, binding, release, and what lies on a volume.

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, list, snapshots, text};
use crate::sim::kinds::resource;

/// Annotation of a simulated volume: what lies on it.
pub(in crate::sim) const DATA: &str = "sim.refloat.io/data";

pub(in crate::sim) fn volume_of(store: &Store, claim: &ObjectRef) -> Option<ObjectRef> {
    let name = text(store.get(claim)?, "/spec/volumeName")?;
    Some(ObjectRef::cluster(resource("PersistentVolume"), name))
}

/// Whether a pod mounts the claim; one that has ended protects it, too.
pub(super) fn is_mounted(store: &Store, claim: &ObjectRef) -> bool {
    store.of_kind("Pod").iter().any(|pod| {
        pod.namespace == claim.namespace
            && store.get(pod).is_some_and(|live| {
                list(live, "/spec/volumes").any(|volume| {
                    text(volume, "/persistentVolumeClaim/claimName") == Some(&claim.name)
                })
            })
    })
}

fn claim_of(volume: &Value) -> Option<ObjectRef> {
    Some(ObjectRef::namespaced(
        resource("PersistentVolumeClaim"),
        text(volume, "/spec/claimRef/namespace")?,
        text(volume, "/spec/claimRef/name")?,
    ))
}

/// Whether the claim that a volume names is there: such a volume is protected.
pub(super) fn is_claimed(store: &Store, volume: &Value) -> bool {
    claim_of(volume)
        .and_then(|claim| store.get(&claim))
        .is_some_and(|live| text(live, "/metadata/uid") == text(volume, "/spec/claimRef/uid"))
}

/// A claim is gone: its volume goes, or stays and is released, as its policy says.
pub(super) fn release(store: &mut Store, claim: &Value) {
    let Some(name) = text(claim, "/spec/volumeName") else {
        return;
    };
    let volume = ObjectRef::cluster(resource("PersistentVolume"), name);
    let policy = store
        .get(&volume)
        .and_then(|live| text(live, "/spec/persistentVolumeReclaimPolicy"))
        .unwrap_or("Delete");
    if policy == "Delete" {
        store.remove(&volume);
    } else {
        store.change(&volume, &json!({ "status": { "phase": "Released" } }));
    }
}

/// Binds a claim to the volume that it names, or to a fresh one.
pub(super) fn bind(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if text(object, "/status/phase") == Some("Bound") {
        return;
    }
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let name = match text(object, "/spec/volumeName") {
        Some(name) => name.to_owned(),
        None => match provision(store, reference, object, now) {
            Some(name) => name,
            None => return,
        },
    };
    let volume = ObjectRef::cluster(resource("PersistentVolume"), &name);
    let for_us = store.get(&volume).is_some_and(|live| {
        let theirs = text(live, "/spec/claimRef/uid");
        claim_of(live).as_ref() == Some(reference) && theirs.is_none_or(|theirs| theirs == uid)
    });
    if !for_us {
        return;
    }
    let bound = json!({
        "spec": { "claimRef": { "uid": uid } }, "status": { "phase": "Bound" },
    });
    store.change(&volume, &bound);
    let capacity = object.pointer("/spec/resources/requests/storage").cloned();
    let bound = json!({
        "spec": { "volumeName": name },
        "status": { "phase": "Bound", "capacity": { "storage": capacity } },
    });
    store.change(reference, &bound);
    let news = format!("bound {} to {name}", reference.id());
    store.news.push(news);
}

/// A fresh volume of the claim's class, empty or with what a snapshot holds.
fn provision(
    store: &mut Store,
    reference: &ObjectRef,
    object: &Value,
    now: Timestamp,
) -> Option<String> {
    let class = ObjectRef::cluster(
        resource("StorageClass"),
        text(object, "/spec/storageClassName")?,
    );
    let driver = text(store.get(&class)?, "/provisioner")?.to_owned();
    let name = format!("pvc-{}", text(object, "/metadata/uid")?);
    let mut annotations = json!({});
    if let Some(snapshot) = text(object, "/spec/dataSource/name") {
        annotations[DATA] = json!(snapshots::data(store, reference, snapshot)?);
    }
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": name, "annotations": annotations },
        "spec": {
            "persistentVolumeReclaimPolicy": "Delete",
            "capacity": { "storage": object.pointer("/spec/resources/requests/storage") },
            "accessModes": object.pointer("/spec/accessModes"),
            "storageClassName": class.name,
            "csi": { "driver": driver },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": reference.namespace, "name": reference.name,
                "uid": object.pointer("/metadata/uid"),
            },
        },
    });
    store.make(&resource("PersistentVolume"), volume, now);
    Some(name)
}
