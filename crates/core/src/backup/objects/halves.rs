//! The two halves of a stored object: what stays, and what changes without anybody's doing.
//!
//! The one place of this folder that looks into objects. All layouts use it.

use serde_json::{Map, Value};

use crate::inventory::{Resource, Thing};
use crate::json::Json;

/// Fields of `metadata` that change without anybody's doing.
const VOLATILE_METADATA: &[&str] = &[
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Splits an object into what stays and what always changes; both name it.
pub(super) fn split(thing: &Thing) -> (Value, Value) {
    let mut stable = thing.as_read();
    let mut volatile = Map::new();
    if let Some(object) = stable.as_object_mut()
        && let Some(status) = object.remove("status")
    {
        volatile.insert("status".to_owned(), status);
    }
    let mut metadata = Map::new();
    if let Some(live) = stable
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        for key in VOLATILE_METADATA {
            if let Some(value) = live.remove(*key) {
                metadata.insert((*key).to_owned(), value);
            }
        }
    }
    metadata.insert("name".to_owned(), Value::String(thing.name().to_owned()));
    volatile.insert("metadata".to_owned(), Value::Object(metadata));
    (stable, Value::Object(volatile))
}

/// Gives an object back what was split off.
pub(super) fn join(stable: Json, volatile: Json) -> Json {
    let (object, volatile) = match (stable, volatile) {
        (Json::Object(object), Json::Object(volatile)) => (object, volatile),
        (stable, _) => return stable,
    };
    let mut split_off = Vec::new();
    for (name, half) in volatile {
        match (name.as_str(), half, object.get("metadata")) {
            ("metadata", Json::Object(more), Some(Json::Object(metadata))) => {
                split_off.push((name, Json::Object(metadata.clone().with(more))));
            }
            ("status", half, _) => split_off.push((name, half)),
            _ => {}
        }
    }
    Json::Object(object.with(split_off))
}

/// The name in either half.
pub(super) fn name_of(half: &Json) -> Option<&str> {
    half.pointer("/metadata/name")?.as_str()
}

/// True for a whole object and for the half that stays.
pub(super) fn says_its_kind(half: &Json) -> bool {
    half.get("kind").is_some()
}

/// The object as a thing, or why it is none.
pub(super) fn thing(object: Json, resources: &[Resource]) -> Result<Thing, &'static str> {
    let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let resource = resources
        .iter()
        .find(|one| one.kind == kind && one.api_version() == api_version)
        .ok_or("its kind is not in the list of kinds")?
        .clone();
    Thing::new(resource, object).ok_or("it has no name")
}
