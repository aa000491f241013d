//! What happens to an object that is there already and is not this recovery's: the four ways, what an update makes of it, and
//! whether something of it has changed since. Values in, values out; `write` and `rollback` decide with them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::driver::Propagation;
use crate::inventory::Resource;
use crate::planted::{self, Bug};

/// What to do with an object that is there already and is not this recovery's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// Stop and say so.
    #[default]
    Fail,
    /// Leave it as it is, wait until it is ready, and go on.
    Skip,
    /// Give it the content of the point; what only the live object has stays.
    Update,
    /// Delete it, wait until it is gone, and create it. What holds other things is updated instead.
    Replace,
}

/// How an object of a recovery came to be what it is: fact `origin` of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// There was none.
    Created,
    /// It was there and got the content of the point.
    Updated,
    /// What was there was deleted, and it was created.
    Replaced,
    /// It was there and had the content of the point.
    Unchanged,
    /// It was there and stays as it is.
    Skipped,
    /// The cluster makes it itself.
    Adopted,
}

impl Origin {
    /// Key of the fact.
    pub const FACT: &str = "origin";

    /// As the journal has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Adopted => "adopted",
        }
    }
}

/// Deleting one of these deletes what others have put into it: a namespace its contents, a definition all its objects.
pub fn holds_others(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// What becomes of what an object owns when it is deleted: what runs pods, or may, goes after them, so that its successor does not
/// share their volumes.
pub(super) fn propagation(resource: &Resource) -> Propagation {
    match resource.group.as_str() {
        "apps" | "batch" => Propagation::Foreground,
        group if group.contains('.') && !group.ends_with(".k8s.io") => Propagation::Foreground,
        _ => Propagation::Background,
    }
}

/// What holds data: never updated, never replaced.
pub(super) fn holds_data(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("", "PersistentVolumeClaim" | "PersistentVolume")
    )
}

/// Maps below this depth that tell by their `type` which of their other fields count are taken whole when it differs
/// (`spec.strategy`); a Service's own `spec.type` is above it.
const UNION_DEPTH: usize = 2;

/// The live object with the content of the point over it: maps are merged, everything else, lists included, is the point's. Status
/// and system fields stay the server's.
pub(super) fn updated(live: &Value, object: &Value) -> Value {
    let mut wanted = live.clone();
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                for part in ["labels", "annotations"] {
                    if let Some(more) = value.get(part).filter(|more| !more.is_null()) {
                        lay_over(&mut wanted["metadata"][part], more, 1);
                    }
                }
            }
            _ if planted::is(Bug::UpdateForgetsTheirs) => wanted[key] = value.clone(),
            _ => lay_over(&mut wanted[key], value, 1),
        }
    }
    wanted
}

fn lay_over(live: &mut Value, point: &Value, depth: usize) {
    match (live, point) {
        // Nothing is said: a template's `creationTimestamp`.
        (_, Value::Null) => {}
        (Value::Object(there), Value::Object(more)) if !is_other_type(there, more, depth) => {
            for (key, value) in more {
                if !value.is_null() {
                    lay_over(there.entry(key).or_insert(Value::Null), value, depth + 1);
                }
            }
        }
        (live, point) => *live = point.clone(),
    }
}

fn is_other_type(live: &Map<String, Value>, point: &Map<String, Value>, depth: usize) -> bool {
    let kind =
        |map: &Map<String, Value>| map.get("type").and_then(Value::as_str).map(str::to_owned);
    depth >= UNION_DEPTH
        && kind(live).is_some()
        && kind(point).is_some()
        && kind(live) != kind(point)
}

/// The merge patch (RFC 7386) that makes the one of the other; `None` when they are equal.
pub(super) fn difference(live: &Value, wanted: &Value) -> Option<Value> {
    if live == wanted {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (live, wanted) else {
        return Some(wanted.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        match before.get(key) {
            None => {
                patch.insert(key.clone(), value.clone());
            }
            Some(there) => {
                if let Some(inner) = difference(there, value) {
                    patch.insert(key.clone(), inner);
                }
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

/// True when a live object no longer has what was written: a field that was written differs, or an entry was added to its data.
/// Defaults, statuses and what controllers add elsewhere are no change.
pub fn is_changed(live: &Value, written: &Value) -> bool {
    let content = |key: &&String| !matches!(key.as_str(), "apiVersion" | "metadata" | "status");
    let all = written.as_object().into_iter().flatten();
    let more = ["data", "binaryData"].iter().any(|key| {
        let count = |object: &Value| {
            object
                .get(key)
                .and_then(Value::as_object)
                .map_or(0, Map::len)
        };
        count(live) > count(written)
    });
    let labels = json!({});
    let labels = written.pointer("/metadata/labels").unwrap_or(&labels);
    more || !holds(
        live.pointer("/metadata/labels").unwrap_or(&Value::Null),
        labels,
    ) || all
        .filter(|(key, _)| content(key))
        .any(|(key, value)| !holds(live.get(key).unwrap_or(&Value::Null), value))
}

pub(super) fn holds(live: &Value, written: &Value) -> bool {
    match (live, written) {
        (Value::Object(there), Value::Object(all)) => all
            .iter()
            .all(|(key, value)| holds(there.get(key).unwrap_or(&Value::Null), value)),
        (Value::Array(there), Value::Array(all)) => {
            there.len() == all.len()
                && all
                    .iter()
                    .zip(there)
                    .all(|(value, there)| holds(there, value))
        }
        // What the server drops because it says nothing.
        (Value::Null, Value::Object(all)) => all.values().all(|value| holds(&Value::Null, value)),
        (Value::Null, Value::Array(all)) => all.is_empty(),
        (live, written) => live == written || written.is_null(),
    }
}
