//! StorageClasses in what makes volumes later: templates of claims and custom resources. Claims of parts are mapped by the
//! storage steps.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys whose text names a StorageClass; the second in custom resources (CloudNativePG, Strimzi's is `class`).
const KEYS: &[&str] = &["storageClassName", "storageClass"];

/// Maps all names of classes in a value.
pub(super) fn follow(
    value: &mut Value,
    classes: &BTreeMap<String, String>,
    hit: &mut dyn FnMut(&str),
) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let new = KEYS
                    .contains(&key.as_str())
                    .then(|| inner.as_str().and_then(|old| classes.get_key_value(old)))
                    .flatten();
                if let Some((old, new)) = new {
                    hit(old);
                    *inner = Value::String(new.clone());
                } else {
                    follow(inner, classes, hit);
                }
            }
        }
        Value::Array(list) => {
            for inner in list {
                follow(inner, classes, hit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
