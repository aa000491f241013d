//! Scripted controllers: one small step of each per tick, as a real cluster would do in its own time.

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use refloat_core::recovery::{MoverOrder, MoverReport, ORDER_VARIABLE};
use serde_json::{Value, json};

use super::Store;

const SNAPSHOT_API: &str = "snapshot.storage.k8s.io/v1";

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn volumes() -> Resource {
    Resource::cluster("v1", "PersistentVolume", "persistentvolumes")
}

fn claims() -> Resource {
    Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
}

fn pods() -> Resource {
    Resource::namespaced("v1", "Pod", "pods")
}

/// Lets every controller make one step.
pub(super) fn reconcile(store: &mut Store, now: Timestamp) {
    for kind in [
        "PersistentVolumeClaim",
        "VolumeSnapshot",
        "VolumeSnapshotContent",
        "Job",
        "Namespace",
        "StatefulSet",
        "Deployment",
        "CustomResourceDefinition",
    ] {
        for reference in store.of_kind(kind) {
            let Some(object) = store.get(&reference).cloned() else {
                continue;
            };
            if object.pointer("/metadata/deletionTimestamp").is_some() {
                let_go(store, &reference, &object);
                continue;
            }
            match kind {
                "PersistentVolumeClaim" => bind(store, &reference, &object, now),
                "VolumeSnapshot" => snapshot(store, &reference, &object, now),
                "VolumeSnapshotContent" => content(store, &reference, &object, now),
                "Job" => job(store, &reference, &object, now),
                "Namespace" => namespace(store, &reference, &object, now),
                "StatefulSet" | "Deployment" => workload(store, &reference, &object, now),
                "CustomResourceDefinition" => established(store, &reference, &object),
                _ => {}
            }
        }
    }
    for reference in store.of_kind("Secret") {
        let object = store.get(&reference).cloned().unwrap_or_default();
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            store.remove(&reference);
        }
    }
}

/// Deletion: protected claims wait for their pods, released volumes follow their policy, contents theirs.
fn let_go(store: &mut Store, reference: &ObjectRef, object: &Value) {
    match reference.resource.kind.as_str() {
        "PersistentVolumeClaim" => {
            if is_mounted(store, reference) {
                return;
            }
            if let Some(volume) = text(object, "/spec/volumeName") {
                let volume = ObjectRef::cluster(volumes(), volume);
                let policy = store
                    .get(&volume)
                    .and_then(|live| text(live, "/spec/persistentVolumeReclaimPolicy"))
                    .unwrap_or("Delete")
                    .to_owned();
                if policy == "Delete" {
                    store.remove(&volume);
                }
            }
        }
        "VolumeSnapshot" => {
            if let Some(content) = text(object, "/status/boundVolumeSnapshotContentName") {
                let resource = Resource::cluster(
                    SNAPSHOT_API,
                    "VolumeSnapshotContent",
                    "volumesnapshotcontents",
                );
                let content = ObjectRef::cluster(resource, content);
                let deletes = store
                    .get(&content)
                    .and_then(|live| text(live, "/spec/deletionPolicy"))
                    == Some("Delete");
                if deletes {
                    store.remove(&content);
                }
            }
        }
        "Job" => {
            for pod in store.of_kind("Pod") {
                let of_job = store
                    .get(&pod)
                    .and_then(|live| live.pointer("/metadata/labels"))
                    .and_then(|labels| labels.get("batch.kubernetes.io/job-name"))
                    .and_then(Value::as_str)
                    == Some(reference.name.as_str());
                if of_job {
                    store.remove(&pod);
                }
            }
        }
        _ => {}
    }
    store.remove(reference);
}

/// Whether a pod mounts the claim; one that has ended protects it, too.
fn is_mounted(store: &Store, claim: &ObjectRef) -> bool {
    store.of_kind("Pod").iter().any(|pod| {
        pod.namespace == claim.namespace
            && store
                .get(pod)
                .and_then(|live| live.pointer("/spec/volumes"))
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|volume| text(volume, "/persistentVolumeClaim/claimName") == Some(&claim.name))
    })
}

/// Binds a claim to the volume that it names, or to a fresh one.
fn bind(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if text(object, "/status/phase") == Some("Bound") {
        return;
    }
    let capacity = object.pointer("/spec/resources/requests/storage").cloned();
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let claim_ref = json!({
        "namespace": reference.namespace, "name": reference.name, "uid": uid,
    });
    let name = if let Some(name) = text(object, "/spec/volumeName") {
        let volume = ObjectRef::cluster(volumes(), name);
        let for_us = store.get(&volume).is_some_and(|live| {
            text(live, "/spec/claimRef/namespace") == reference.namespace.as_deref()
                && text(live, "/spec/claimRef/name") == Some(&reference.name)
        });
        if !for_us {
            return;
        }
        name.to_owned()
    } else {
        let name = format!("pvc-{uid}");
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": { "name": name },
            "spec": {
                "persistentVolumeReclaimPolicy": "Delete",
                "csi": { "driver": "btrfs.csi.refloat.io" },
            },
        });
        let created = store.create(&volumes(), &volume, now);
        debug_assert!(created.is_ok(), "a cluster-scoped create cannot be refused");
        name
    };
    let volume = ObjectRef::cluster(volumes(), &name);
    store.change(&volume, &json!({ "spec": { "claimRef": claim_ref } }));
    store.change(
        reference,
        &json!({
            "spec": { "volumeName": name },
            "status": { "phase": "Bound", "capacity": { "storage": capacity } },
        }),
    );
}

fn snapshot(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    let resource = Resource::cluster(
        SNAPSHOT_API,
        "VolumeSnapshotContent",
        "volumesnapshotcontents",
    );
    if let Some(content) = text(object, "/spec/source/volumeSnapshotContentName") {
        let content_ref = ObjectRef::cluster(resource, content);
        let known = store
            .get(&content_ref)
            .is_some_and(|live| text(live, "/status/snapshotHandle").is_some());
        if known {
            store.change(
                reference,
                &json!({ "status": {
                    "readyToUse": true, "boundVolumeSnapshotContentName": content,
                } }),
            );
        }
        return;
    }
    let uid = text(object, "/metadata/uid").unwrap_or_default().to_owned();
    let name = format!("snapcontent-{uid}");
    let content_ref = ObjectRef::cluster(resource.clone(), &name);
    let Some(content) = store.get(&content_ref).cloned() else {
        let content = json!({
            "apiVersion": SNAPSHOT_API, "kind": "VolumeSnapshotContent",
            "metadata": { "name": name },
            "spec": {
                "deletionPolicy": "Delete",
                "driver": "btrfs.csi.refloat.io",
                "source": { "volumeHandle": "volume-1" },
                "volumeSnapshotRef": {
                    "name": reference.name, "namespace": reference.namespace, "uid": uid,
                },
            },
        });
        let created = store.create(&resource, &content, now);
        debug_assert!(created.is_ok(), "a cluster-scoped create cannot be refused");
        return;
    };
    if text(&content, "/status/snapshotHandle").is_some() {
        store.change(
            reference,
            &json!({ "status": { "readyToUse": true, "boundVolumeSnapshotContentName": name } }),
        );
    }
}

fn content(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if text(object, "/status/snapshotHandle").is_some() {
        return;
    }
    let handle = text(object, "/spec/source/snapshotHandle")
        .map_or_else(|| format!("handle-{}", reference.name), str::to_owned);
    let nanoseconds = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
    store.change(
        reference,
        &json!({ "status": {
            "snapshotHandle": handle, "creationTime": nanoseconds, "readyToUse": true,
        } }),
    );
}

/// A job's pod runs the mover and reports.
fn job(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if object.pointer("/status/succeeded").is_some() {
        return;
    }
    let order = object
        .pointer("/spec/template/spec/containers/0/env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|one| text(one, "/name") == Some(ORDER_VARIABLE))
        .and_then(|one| serde_json::from_str::<MoverOrder>(text(one, "/value")?).ok());
    let Some(order) = order else { return };
    let report = MoverReport::Done {
        snapshot: order
            .snapshot
            .unwrap_or_else(|| format!("snapshot of {}", order.part)),
        tree: order
            .tree
            .unwrap_or_else(|| format!("tree of {}", order.part)),
        files: 3,
        bytes: 1 << 20,
        bytes_added: 1 << 20,
        milliseconds: 40,
    };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{}-x", reference.name), "namespace": reference.namespace,
            "labels": { "batch.kubernetes.io/job-name": reference.name },
        },
        "spec": object.pointer("/spec/template/spec"),
        "status": {
            "phase": "Succeeded",
            "containerStatuses": [{
                "name": "mover",
                "state": { "terminated": {
                    "exitCode": 0,
                    "message": serde_json::to_string(&report).unwrap_or_default(),
                } },
            }],
        },
    });
    if store.create(&pods(), &pod, now).is_ok() {
        store.change(reference, &json!({ "status": { "succeeded": 1 } }));
    }
}

fn namespace(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if object.pointer("/status/phase").is_none() {
        store.change(reference, &json!({ "status": { "phase": "Active" } }));
        let accounts = Resource::namespaced("v1", "ServiceAccount", "serviceaccounts");
        let maps = Resource::namespaced("v1", "ConfigMap", "configmaps");
        for (resource, kind, name) in [
            (accounts, "ServiceAccount", "default"),
            (maps, "ConfigMap", "kube-root-ca.crt"),
        ] {
            let object = json!({
                "apiVersion": "v1", "kind": kind,
                "metadata": { "name": name, "namespace": reference.name },
            });
            let created = store.create(&resource, &object, now);
            debug_assert!(created.is_ok(), "the namespace is there");
        }
    }
}

fn established(store: &mut Store, reference: &ObjectRef, object: &Value) {
    if object.pointer("/status/conditions").is_none() {
        store.change(
            reference,
            &json!({ "status": { "conditions": [
                { "type": "NamesAccepted", "status": "True" },
                { "type": "Established", "status": "True" },
            ] } }),
        );
    }
}

/// Pods of a workload run as soon as the claims that they mount are bound.
fn workload(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    let kind = reference.resource.kind.as_str();
    let Some(namespace) = reference.namespace.clone() else {
        return;
    };
    let replicas = object
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    for template in object
        .pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = format!(
            "{}-{}-0",
            text(template, "/metadata/name").unwrap_or_default(),
            reference.name
        );
        let claim = ObjectRef::namespaced(claims(), &namespace, &name);
        let bound = store
            .get(&claim)
            .is_some_and(|live| text(live, "/status/phase") == Some("Bound"));
        if !bound {
            return;
        }
    }
    for ordinal in 0..replicas {
        let owner = match kind {
            "Deployment" => {
                json!({ "kind": "ReplicaSet", "name": format!("{}-5d9f", reference.name) })
            }
            _ => json!({ "kind": kind, "name": reference.name }),
        };
        let containers = object
            .pointer("/spec/template/spec/containers")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let statuses: Vec<Value> = containers
            .iter()
            .map(
                |one| json!({ "name": one.get("name"), "ready": true, "state": { "running": {} } }),
            )
            .collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{}-{ordinal}", reference.name), "namespace": namespace,
                "labels": object.pointer("/spec/template/metadata/labels"),
                "ownerReferences": [owner],
            },
            "spec": object.pointer("/spec/template/spec"),
            "status": {
                "phase": "Running", "containerStatuses": statuses,
                "conditions": [{ "type": "Ready", "status": "True" }],
            },
        });
        let created = store.create(&pods(), &pod, now);
        debug_assert!(created.is_ok(), "the namespace is there");
    }
    rolled_out(store, reference, object, replicas);
}

fn rolled_out(store: &mut Store, reference: &ObjectRef, object: &Value, replicas: u64) {
    let generation = object.pointer("/metadata/generation").cloned();
    let status = json!({ "status": {
        "observedGeneration": generation,
        "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas,
        "availableReplicas": replicas, "currentReplicas": replicas,
        "currentRevision": "r1", "updateRevision": "r1",
        "conditions": [
            { "type": "Available", "status": "True" },
            { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" },
        ],
    } });
    if object.pointer("/status/readyReplicas") != status.pointer("/status/readyReplicas") {
        store.change(reference, &status);
    }
}
