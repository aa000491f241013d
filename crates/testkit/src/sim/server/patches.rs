//! JSON merge patch (RFC 7386) and JSON patch (RFC 6902) over values.

use serde_json::{Value, json};

/// Applies a JSON merge patch.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies the operations of a JSON patch; `None` when one of them cannot be done.
pub(super) fn operate(target: &mut Value, operations: &[Value]) -> Option<()> {
    operations.iter().try_for_each(|one| {
        let path = one.get("path")?.as_str()?;
        match one.get("op")?.as_str()? {
            "add" => add(target, path, one.get("value")?.clone()),
            "remove" => remove(target, path).map(drop),
            "replace" => replace(target, path, one.get("value")?.clone()),
            "move" => {
                let moved = remove(target, one.get("from")?.as_str()?)?;
                add(target, path, moved)
            }
            "copy" => {
                let copied = target.pointer(one.get("from")?.as_str()?)?.clone();
                add(target, path, copied)
            }
            "test" => (target.pointer(path).unwrap_or(&Value::Null)
                == one.get("value").unwrap_or(&Value::Null))
            .then_some(()),
            _ => None,
        }
    })
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (above, last) = path.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Some((target.pointer_mut(above)?, last))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (above, last) = parent(target, path)?;
    match above {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

/// A field that is not there is added, as kube-apiserver does it.
fn replace(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if let Some(there) = target.pointer_mut(path) {
        *there = value;
        return Some(());
    }
    parent(target, path)?.0.as_object()?;
    add(target, path, value)
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (above, last) = parent(target, path)?;
    match above {
        Value::Object(map) => map.remove(&last),
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}
