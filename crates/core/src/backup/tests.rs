//! Claims, members and steps of small backups.

mod gates;

use serde_json::json;

use crate::inventory::{Inventory, Resource, Thing};

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
