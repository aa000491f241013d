//! StorageClasses in what makes volumes later: templates of claims and custom resources. Claims of parts are mapped by the
//! storage steps.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Keys whose text names a StorageClass; the second in custom resources (CloudNativePG).
const KEYS: &[&str] = &["storageClassName", "storageClass"];
/// Strimzi's storage names it `class`, for all brokers or for one; its listeners have a `class` that is another.
const STRIMZI: &str = "kafka.strimzi.io";

fn names_class(group: &str, map: &Map<String, Value>, key: &str) -> bool {
    let is_storage =
        || map.contains_key("broker") || map.get("type") == Some(&json!("persistent-claim"));
    KEYS.contains(&key) || group == STRIMZI && key == "class" && is_storage()
}

/// Maps all names of classes in a value.
pub(super) fn follow(
    value: &mut Value,
    group: &str,
    classes: &BTreeMap<String, String>,
    hit: &mut dyn FnMut(&str),
) {
    match value {
        Value::Object(map) => {
            let named: Vec<String> = map
                .keys()
                .filter(|key| names_class(group, map, key))
                .cloned()
                .collect();
            for (key, inner) in map {
                let new = named
                    .contains(key)
                    .then(|| inner.as_str().and_then(|old| classes.get_key_value(old)))
                    .flatten();
                if let Some((old, new)) = new {
                    hit(old);
                    *inner = Value::String(new.clone());
                } else {
                    follow(inner, group, classes, hit);
                }
            }
        }
        Value::Array(list) => {
            for inner in list {
                follow(inner, group, classes, hit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
