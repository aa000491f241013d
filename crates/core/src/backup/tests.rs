//! Claims, members and steps of small backups.

mod gates;

use serde_json::json;

use super::{ObjectFile, ObjectsError, pack, unpack};
use crate::inventory::{Inventory, Resource, Thing};

fn inventory() -> Inventory {
    let secret = Thing::new(
        Resource::namespaced("v1", "Secret", "secrets"),
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": "db", "namespace": "shop", "uid": "u1", "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{ "manager": "kubectl", "operation": "Update" }],
                "labels": { "a": "b" },
            },
            "data": { "password": "eA==" },
        }),
    );
    let role = Thing::new(
        Resource::cluster(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            "clusterroles",
        ),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": "shop:operator/.." }, "rules": [], "status": { "x": 1 },
        }),
    );
    Inventory::of([secret, role].into_iter().flatten())
}

#[test]
fn objects_come_back_as_they_were_read() {
    let before = inventory();
    let after = unpack(&pack(before.iter(), "v1.34.4")).unwrap();
    assert_eq!(
        before.iter().collect::<Vec<_>>(),
        after.iter().collect::<Vec<_>>()
    );
    assert_eq!(after.kubernetes_version, "v1.34.4");
}

#[test]
fn what_always_changes_lies_in_a_file_of_its_own() {
    let mut later = inventory();
    let id = later.of_kind("", "Secret").next().unwrap().id();
    let mut secret = later.remove(&id).unwrap();
    secret.edit(|it| it["metadata"]["resourceVersion"] = json!("8"));
    secret.edit(|it| it["metadata"]["managedFields"] = json!([]));
    later.insert(secret);
    let plain = |inventory: &Inventory| -> Vec<ObjectFile> {
        pack(inventory.iter(), "v1.34.4")
            .into_iter()
            .filter(|file| !file.path.ends_with(".volatile.json"))
            .collect()
    };
    assert_eq!(plain(&inventory()), plain(&later));
}

#[test]
fn no_path_leaves_its_place() {
    for file in pack(inventory().iter(), "v1") {
        let parts: Vec<&str> = file.path.split('/').collect();
        assert!(!parts.contains(&"..") && !parts.contains(&"."), "{parts:?}");
        assert!(
            parts.len() == 5 || file.path == "v1/resources.json",
            "{parts:?}"
        );
    }
}

#[test]
fn an_object_under_another_name_is_refused() {
    let mut files = pack(inventory().iter(), "v1");
    for file in &mut files {
        if file.path == "v1/core/Secret/shop/db.json" {
            file.path = "v1/core/Secret/shop/other.json".to_owned();
        }
    }
    assert!(matches!(unpack(&files), Err(ObjectsError::Unusable { .. })));
}

#[test]
fn a_newer_layout_is_refused() {
    let files = [ObjectFile {
        path: "v2/resources.json".to_owned(),
        bytes: b"{}".to_vec(),
    }];
    assert_eq!(unpack(&files), Err(ObjectsError::Newer("v2".to_owned())));
    assert_eq!(unpack(&[]), Err(ObjectsError::NoKinds));
}

#[test]
fn the_architectures_of_the_nodes_are_noted_each_once() {
    let node = |name: &str, info: serde_json::Value| {
        let resource = Resource::cluster("v1", "Node", "nodes");
        let object = json!({ "metadata": { "name": name }, "status": { "nodeInfo": info } });
        Thing::new(resource, object).unwrap()
    };
    let inventory = Inventory::of([
        node("a", json!({ "architecture": "arm64" })),
        node("b", json!({ "architecture": "amd64" })),
        node("c", json!({ "architecture": "arm64" })),
        node("d", json!({ "architecture": "" })),
        node("e", json!(null)),
        node("f", json!({ "architecture": 7 })),
    ]);
    assert_eq!(
        super::members::architectures(&inventory),
        ["amd64", "arm64"]
    );
}
