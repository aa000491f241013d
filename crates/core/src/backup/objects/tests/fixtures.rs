//! What was ever written is read, and what is written today does not change.

use serde_json::Value;

use super::super::{ObjectFile, pack, unpack};
use crate::inventory::Inventory;

macro_rules! files {
    ($($path:literal,)*) => {
        vec![$(ObjectFile {
            path: $path.to_owned(),
            bytes: include_bytes!(concat!("../../../../tests/objects/", $path)).to_vec(),
        }),*]
    };
}

fn first_layout() -> Vec<ObjectFile> {
    files![
        "v1/apps/Deployment/shop/web.json",
        "v1/apps/Deployment/shop/web.volatile.json",
        "v1/core/ConfigMap/shop/db.json",
        "v1/core/ConfigMap/shop/db.volatile.json",
        "v1/core/ConfigMap/shop/settings-1054.json",
        "v1/core/ConfigMap/shop/settings-1054.volatile.json",
        "v1/core/ConfigMap/shop/settings-1054z.json",
        "v1/core/ConfigMap/shop/settings-1054z.volatile.json",
        "v1/core/ConfigMap/stock/db.json",
        "v1/core/ConfigMap/stock/db.volatile.json",
        "v1/core/Namespace/_cluster/shop.json",
        "v1/core/Namespace/_cluster/shop.volatile.json",
        "v1/core/Secret/shop/db.json",
        "v1/core/Secret/shop/db.volatile.json",
        "v1/example.com/Shop/shop/main.json",
        "v1/example.com/Shop/shop/main.volatile.json",
        "v1/rbac.authorization.k8s.io/ClusterRole/_cluster/shop%3Aoperator%2F...json",
        "v1/rbac.authorization.k8s.io/ClusterRole/_cluster/shop%3Aoperator%2F...volatile.json",
        "v1/resources.json",
    ]
}

pub(super) fn second_layout() -> Vec<ObjectFile> {
    files![
        "v2/resources.json",
        "v2/things/apps/Deployment/shop/000001.jsonl",
        "v2/things/apps/Deployment/shop/000001.volatile.jsonl",
        "v2/things/core/ConfigMap/shop/000001.jsonl",
        "v2/things/core/ConfigMap/shop/000001.volatile.jsonl",
        "v2/things/core/ConfigMap/shop/000002.jsonl",
        "v2/things/core/ConfigMap/shop/000002.volatile.jsonl",
        "v2/things/core/ConfigMap/stock/000001.jsonl",
        "v2/things/core/ConfigMap/stock/000001.volatile.jsonl",
        "v2/things/core/Namespace/_cluster/000001.jsonl",
        "v2/things/core/Namespace/_cluster/000001.volatile.jsonl",
        "v2/things/core/Secret/shop/000001.jsonl",
        "v2/things/core/Secret/shop/000001.volatile.jsonl",
        "v2/things/example.com/Shop/shop/000001.jsonl",
        "v2/things/example.com/Shop/shop/000001.volatile.jsonl",
        "v2/things/rbac.authorization.k8s.io/ClusterRole/_cluster/000001.jsonl",
        "v2/things/rbac.authorization.k8s.io/ClusterRole/_cluster/000001.volatile.jsonl",
    ]
}

fn assert_as_read(inventory: &Inventory) {
    let read: Vec<Value> =
        serde_json::from_str(include_str!("../../../../tests/objects/read.json")).unwrap();
    assert_eq!(inventory.len(), read.len());
    for object in &read {
        let found = inventory.iter().find(|thing| thing.as_read() == *object);
        assert!(found.is_some(), "{object}");
    }
    assert_eq!(inventory.kubernetes_version, "v1.34.4");
}

#[test]
fn every_layout_reads_as_what_the_api_server_gave() {
    assert_as_read(&unpack(first_layout()).unwrap());
    assert_as_read(&unpack(second_layout()).unwrap());
}

#[test]
fn the_layout_that_is_written_stays_as_it_is() {
    let inventory = unpack(first_layout()).unwrap();
    let written: Vec<ObjectFile> = pack(inventory.into_things(), "v1.34.4").collect();
    let kept = second_layout();
    let paths = |files: &[ObjectFile]| -> Vec<String> {
        files.iter().map(|file| file.path.clone()).collect()
    };
    assert_eq!(paths(&written), paths(&kept));
    assert_eq!(written, kept);
}

#[test]
fn layouts_do_not_mix() {
    let mut mixed = first_layout();
    mixed.extend(second_layout());
    let error = unpack(mixed).unwrap_err().to_string();
    assert!(error.contains("another layout"), "{error}");
    let mut newer = second_layout();
    newer[3].path = "v3/things/core/ConfigMap/shop/000001.jsonl".to_owned();
    let error = unpack(newer).unwrap_err();
    assert_eq!(error, super::ObjectsError::Newer("v3".to_owned()));
}

#[test]
fn in_the_first_layout_an_object_under_another_name_is_refused() {
    let mut files = first_layout();
    for file in &mut files {
        if file.path == "v1/core/Secret/shop/db.json" {
            file.path = "v1/core/Secret/shop/other.json".to_owned();
        }
    }
    let error = unpack(files).unwrap_err().to_string();
    assert!(error.contains("another object than its path"), "{error}");
}

#[test]
fn in_the_first_layout_an_object_may_be_called_like_the_half_of_another() {
    let mut files = first_layout();
    let named = |object: &str| object.replace("settings-1054z", "db.volatile");
    for file in &mut files {
        if file.path.contains("settings-1054z") {
            // The half of `db` was overwritten by this when it was written; the rest of both is there.
            file.path = named(&file.path);
            file.bytes = named(std::str::from_utf8(&file.bytes).unwrap()).into_bytes();
        }
    }
    files.retain(|file| {
        let text = std::str::from_utf8(&file.bytes).unwrap();
        file.path != "v1/core/ConfigMap/shop/db.volatile.json" || text.contains("\"kind\"")
    });
    let inventory = unpack(files).unwrap();
    let of = |name: &str| inventory.find("", "ConfigMap", "shop", name).unwrap();
    assert_eq!(of("db.volatile").uid(), "uid-ConfigMap-db.volatile");
    assert!(of("db").text("/data/text").is_some());
}
