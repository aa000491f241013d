//! The shop: a PostgreSQL StatefulSet on one volume, and what belongs to it.

use std::collections::BTreeSet;

use refloat_core::backup::{BackupGoal, Holds, Mode};
use refloat_core::inventory::Resource;
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_testkit::sim::{SimWorld, Store};
use serde_json::{Value, json};

pub(crate) fn run_id(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

pub(crate) fn snapshot_classes() -> Resource {
    Resource::cluster(
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshotClass",
        "volumesnapshotclasses",
    )
}

pub(crate) fn class(name: &str, default: bool) -> Value {
    let mark = if default { "true" } else { "false" };
    json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {
            "name": name,
            "annotations": { "snapshot.storage.kubernetes.io/is-default-class": mark },
        },
        "driver": "btrfs.csi.refloat.io", "deletionPolicy": "Delete",
    })
}

/// The shop at its first site.
pub(crate) fn world() -> SimWorld {
    let mut store = Store::default();
    store.seed(
        &Resource::cluster("v1", "Namespace", "namespaces"),
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }),
    );
    store.seed(
        &Resource::cluster("storage.k8s.io/v1", "StorageClass", "storageclasses"),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": "btrfs" }, "provisioner": "btrfs.csi.refloat.io",
        }),
    );
    store.seed(&snapshot_classes(), class("btrfs", true));
    store.seed(
        &Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": "data-db-0", "namespace": "shop" },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
                "resources": { "requests": { "storage": "2Gi" } },
            },
        }),
    );
    store.seed(
        &Resource::namespaced("apps/v1", "StatefulSet", "statefulsets"),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": "db", "namespace": "shop" },
            "spec": {
                "replicas": 1, "serviceName": "db",
                "selector": { "matchLabels": { "app": "db" } },
                "volumeClaimTemplates": [{
                    "metadata": { "name": "data" },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
                        "resources": { "requests": { "storage": "2Gi" } },
                    },
                }],
                "template": {
                    "metadata": { "labels": { "app": "db" } },
                    "spec": { "containers": [{
                        "name": "postgres", "image": "refloat.local/postgres:15",
                        "env": [{ "name": "POSTGRES_USER", "value": "shop" }],
                        "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }],
                    }] },
                },
            },
        }),
    );
    let world = SimWorld::new(store);
    world.settle(5);
    world
}

pub(crate) fn goal(run: &str) -> BackupGoal {
    BackupGoal {
        protection: ProtectionName::new("shop").unwrap(),
        site: SiteName::new("primary").unwrap(),
        run: run_id(run),
        namespaces: vec!["shop".to_owned()],
        minimum_mode: Mode::AtomicVolume,
        overrides: Vec::new(),
        holds: Holds::WhenNeeded,
        hooks: Vec::new(),
        gates: Vec::new(),
        excluded_volumes: BTreeSet::new(),
        snapshot_class: None,
        cut_seconds_max: 60,
        hold_seconds_max: 20,
        move_seconds_max: 600,
        mover_image: "refloat.local/refloat:dev".to_owned(),
        spec: json!({}),
        began: "2026-01-01T00:00:00Z".parse().unwrap(),
        cluster_uid: "cluster-a".to_owned(),
        required: Vec::new(),
        owned: Vec::new(),
    }
}
