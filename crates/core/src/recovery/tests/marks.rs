//! Owners of fields that are given back: who has written since the creation keeps what it wrote.

use serde_json::{Value, json};

use crate::driver::{Effect, FieldOwner, Patch};
use crate::inventory::{Resource, fold_answer};
use crate::readiness::Told;
use crate::recovery::{Existing, Writing};

fn entry(manager: &str, fields: &Value) -> Value {
    json!({ "manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields })
}

#[test]
fn who_has_written_since_the_creation_keeps_its_fields_as_fields() {
    let (url, replicas) = (json!({ "f:url": {} }), json!({ "f:replicas": {} }));
    let writing = Writing {
        resource: Resource::namespaced("v1", "ConfigMap", "configmaps"),
        object: json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web", "namespace": "shop" },
        })
        .into(),
        owner: FieldOwner { manager: "helm".to_owned(), apply: false },
        managers: vec![entry("helm", &url).into(), entry("argo", &url).into()],
        existing: Existing::Fail,
        adopt: false,
        told: Told::default(),
        owns: Vec::new(),
        operated: false,
        duty: None,
        status: None,
    };
    let mut live = writing.object.to_value();
    live["metadata"]["uid"] = json!("new");
    live["metadata"]["resourceVersion"] = json!("7");
    live["metadata"]["managedFields"] = json!([
        entry("helm", &json!({ "f:all": {} })),
        entry("scaler", &replicas)
    ]);
    fold_answer(&mut live);
    let Effect::Patch {
        patch: Patch::Merge(patch),
        ..
    } = writing.give_back_owners(&live)
    else {
        panic!("no patch");
    };
    let entries = patch["metadata"]["managedFields"].as_array().unwrap();
    let found: Vec<(&str, &Value)> = entries[..3]
        .iter()
        .map(|entry| (entry["manager"].as_str().unwrap(), &entry["fieldsV1"]))
        .collect();
    let wanted = [("helm", &url), ("argo", &url), ("scaler", &replicas)];
    assert_eq!(found, wanted);
    assert_eq!(entries[3]["manager"], "refloat");
    assert_eq!(entries.len(), 4);
}
