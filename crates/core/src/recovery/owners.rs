//! Who owned an object's fields: entries of `metadata.managedFields`, read. Called by `write` and by `plan`.

use jiff::Timestamp;
use serde_json::Value;

use crate::driver::FieldOwner;
use crate::inventory::Thing;
use crate::names::FIELD_MANAGER;

/// Whose entry of `metadata.managedFields` it is: entries are told apart by these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner<'a> {
    pub(super) manager: &'a str,
    pub(super) operation: &'a str,
    /// Empty for the object itself.
    pub(super) subresource: &'a str,
}

impl<'a> Owner<'a> {
    pub(super) fn of(entry: &'a Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        Some(Self {
            manager: text("manager")?,
            operation: text("operation")?,
            subresource: text("subresource").unwrap_or_default(),
        })
    }
}

pub(super) fn owners(object: &Value) -> impl Iterator<Item = (Owner<'_>, &Value)> {
    let entries = object.pointer("/metadata/managedFields");
    entries
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((Owner::of(entry)?, entry)))
}

/// The manager that owns most of an object's fields, with its operation; Refloat itself when nobody is recorded.
pub fn owner_of(thing: &Thing) -> FieldOwner {
    owners(&thing.object)
        .filter(|(owner, _)| owner.subresource.is_empty())
        .filter_map(|(owner, entry)| {
            let found = FieldOwner {
                manager: owner.manager.to_owned(),
                apply: owner.operation == "Apply",
            };
            let size = entry.get("fieldsV1")?.to_string().len();
            let time: Option<Timestamp> = entry.get("time")?.as_str()?.parse().ok();
            Some((size, time, found))
        })
        .max_by_key(|(size, time, _)| (*size, *time))
        .map_or_else(FieldOwner::refloat, |(_, _, owner)| owner)
}

/// What must be given back beyond the one owner under whom the object is created: all entries but those of its status when there
/// are several; also a single one that applies, because what it applies next would take away annotations that are its own and not in
/// what it applies (Argo CD, Flux). Nothing otherwise.
pub fn managers_of(thing: &Thing) -> Vec<Value> {
    let entries: Vec<Value> = owners(&thing.object)
        .filter(|(owner, _)| owner.subresource != "status" && owner.manager != FIELD_MANAGER)
        .map(|(_, entry)| entry.clone())
        .collect();
    let applies = |entry: &Value| entry.get("operation").and_then(Value::as_str) == Some("Apply");
    if entries.len() > 1 || entries.iter().any(applies) {
        entries
    } else {
        Vec::new()
    }
}
