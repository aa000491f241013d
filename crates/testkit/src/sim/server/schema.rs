//! What is known of the structure of kinds: which lists have keys, which maps are one value. Called by `fields`, `apply`.

use serde_json::{Map, Value};

/// How a field's value is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As one value.
    Atomic,
    /// Each entry by itself.
    Map,
    /// Each item by itself, told apart by these keys.
    Keyed(&'static [&'static str]),
    /// Each item by itself, told apart by its value.
    Set,
}

/// Lists whose items have keys, in built-in kinds: `(field, keys)`.
const KEYED: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("imagePullSecrets", &["name"]),
    ("secrets", &["name"]),
    ("conditions", &["type"]),
    ("webhooks", &["name"]),
    (
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
    ),
    ("hostAliases", &["ip"]),
];

/// Maps that are one value, in built-in kinds.
const ATOMIC: &[&str] = &[
    "selector",
    "podSelector",
    "namespaceSelector",
    "objectSelector",
    "nodeSelector",
    "secretKeyRef",
    "configMapKeyRef",
    "fieldRef",
    "resourceFieldRef",
    "roleRef",
    "dataSource",
    "targetRef",
    "involvedObject",
];

/// How the value of a field is owned. `custom` kinds without list types have atomic lists outside of `metadata`.
pub(super) fn shape(field: &str, value: &Value, custom: bool) -> Shape {
    match value {
        Value::Object(_) if !custom && ATOMIC.contains(&field) => Shape::Atomic,
        Value::Object(_) => Shape::Map,
        Value::Array(items) => list_shape(field, items, custom),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Atomic,
    }
}

fn list_shape(field: &str, items: &[Value], custom: bool) -> Shape {
    match field {
        "finalizers" => return Shape::Set,
        "ownerReferences" => return Shape::Keyed(&["uid"]),
        _ => {}
    }
    if custom {
        return Shape::Atomic;
    }
    if field == "ports" {
        let of_container = items.iter().any(|item| item.get("containerPort").is_some());
        return if of_container {
            Shape::Keyed(&["containerPort", "protocol"])
        } else if items.iter().any(|item| item.get("port").is_some()) {
            Shape::Keyed(&["port", "protocol"])
        } else {
            Shape::Atomic
        };
    }
    KEYED
        .iter()
        .find(|(name, _)| *name == field)
        .map_or(Shape::Atomic, |(_, keys)| Shape::Keyed(keys))
}

/// How an item is called in managedFields: `k:{"name":"web"}`, `v:"x"`; `None` when it lacks its keys.
pub(super) fn item_name(shape: Shape, item: &Value) -> Option<String> {
    match shape {
        Shape::Keyed(keys) => {
            let mut named = Map::new();
            for key in keys {
                let value = match item.get(key) {
                    Some(value) => value.clone(),
                    None if *key == "protocol" => Value::from("TCP"),
                    None => return None,
                };
                named.insert((*key).to_owned(), value);
            }
            Some(format!("k:{}", Value::Object(named)))
        }
        Shape::Set => Some(format!("v:{item}")),
        Shape::Atomic | Shape::Map => None,
    }
}
