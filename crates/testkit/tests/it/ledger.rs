//! The ledger: PostgreSQL on two volumes and MariaDB on one, both of which are held.

use refloat_core::inventory::Resource;
use refloat_testkit::sim::{Database, SimWorld, Store};
use serde_json::{Value, json};

use crate::shop::{class, snapshot_classes};

fn claim(store: &mut Store, name: &str) {
    store.seed(
        &Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
                "resources": { "requests": { "storage": "1Gi" } },
            },
        }),
    );
}

fn server(store: &mut Store, name: &str, replicas: u32, container: &Value, volumes: &[&str]) {
    let template = |volume: &&str| {
        json!({
            "metadata": { "name": volume },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
                "resources": { "requests": { "storage": "1Gi" } },
            },
        })
    };
    let templates: Vec<Value> = volumes.iter().map(template).collect();
    store.seed(
        &Resource::namespaced("apps/v1", "StatefulSet", "statefulsets"),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": {
                "replicas": replicas, "serviceName": name,
                "selector": { "matchLabels": { "app": name } },
                "volumeClaimTemplates": templates,
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": { "containers": [container] },
                },
            },
        }),
    );
}

/// The ledger and beside it a workload that no driver knows, on a volume of its own.
pub(crate) fn world_with_files() -> SimWorld {
    let world = world();
    let files = json!({
        "name": "files", "image": "files:1",
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    });
    world.with_store(|store| {
        claim(store, "data-files-0");
        server(store, "files", 1, &files, &["data"]);
    });
    world.settle(20);
    world
}

/// The ledger and beside it three nodes of one server that no driver knows, each on a volume of its own.
pub(crate) fn world_with_nodes() -> SimWorld {
    let world = world();
    let node = json!({
        "name": "queue", "image": "queue:1",
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    });
    world.with_store(|store| {
        for ordinal in 0..3 {
            claim(store, &format!("data-queue-{ordinal}"));
        }
        server(store, "queue", 3, &node, &["data"]);
    });
    world.settle(40);
    world
}

/// A primary `db-0` with a standby `db-1`, each on a volume of its own.
pub(crate) fn pair() -> SimWorld {
    let mut store = Store::default();
    seed_cluster(&mut store);
    let postgres = json!({
        "name": "postgres", "image": "postgres:15",
        "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }],
    });
    for name in ["data-db-0", "data-db-1"] {
        claim(&mut store, name);
    }
    server(&mut store, "db", 2, &postgres, &["data"]);
    let world = SimWorld::new(store);
    let primary = Database {
        identity: Some("7001".to_owned()),
        replicas: json!([{ "address": "ip-of-db-1", "state": "streaming", "behind_bytes": 0, "behind_seconds": 0.1 }]),
        ..Database::default()
    };
    let standby = Database {
        identity: Some("7001".to_owned()),
        in_recovery: true,
        ..Database::default()
    };
    let mut databases = world.databases.borrow_mut();
    databases.insert("shop/db-0".to_owned(), primary);
    databases.insert("shop/db-1".to_owned(), standby);
    drop(databases);
    world.settle(20);
    world
}

/// Namespace and classes.
fn seed_cluster(store: &mut Store) {
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
}

/// The ledger at its first site.
pub(crate) fn world() -> SimWorld {
    let mut store = Store::default();
    seed_cluster(&mut store);
    for name in ["data-pg-0", "wal-pg-0", "data-maria-0"] {
        claim(&mut store, name);
    }
    let postgres = json!({
        "name": "postgres", "image": "postgres:15",
        "volumeMounts": [
            { "name": "data", "mountPath": "/var/lib/postgresql/data" },
            { "name": "wal", "mountPath": "/wal" },
        ],
    });
    let mariadb = json!({
        "name": "mariadb", "image": "mariadb:10.11",
        "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/mysql" }],
    });
    server(&mut store, "pg", 1, &postgres, &["data", "wal"]);
    server(&mut store, "maria", 1, &mariadb, &["data"]);
    let world = SimWorld::new(store);
    let postgres = Database {
        places: "0 data /var/lib/postgresql/data/pgdata\n1 wal /wal/pg_wal\n".to_owned(),
        ..Database::default()
    };
    let mariadb = Database {
        places: "/var/lib/mysql\n".repeat(4),
        ..Database::default()
    };
    let mut databases = world.databases.borrow_mut();
    databases.insert("shop/pg-0".to_owned(), postgres);
    databases.insert("shop/maria-0".to_owned(), mariadb);
    drop(databases);
    world.settle(20);
    world
}
