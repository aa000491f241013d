//! Who owned an object's fields: entries of `metadata.managedFields`, read. Called by `write` and by `plan`.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::driver::FieldOwner;
use crate::inventory::{Resource, Thing, unfold_entry, unfolded};
use crate::json::{Json, Tree};
use crate::names::FIELD_MANAGER;

use super::fields;

/// Whose entry of `metadata.managedFields` it is: entries are told apart by these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner<'a> {
    pub(super) manager: &'a str,
    pub(super) operation: &'a str,
    /// Empty for the object itself.
    pub(super) subresource: &'a str,
}

impl<'a> Owner<'a> {
    pub(super) fn of(entry: &'a impl Tree) -> Option<Self> {
        let text = |key: &str| entry.field(key).and_then(Tree::text);
        Some(Self {
            manager: text("manager")?,
            operation: text("operation")?,
            subresource: text("subresource").unwrap_or_default(),
        })
    }
}

pub(super) fn owners<T: Tree>(object: &T) -> impl Iterator<Item = (Owner<'_>, &T)> {
    let entries = object.at("/metadata/managedFields");
    entries
        .map_or(&[][..], Tree::items)
        .iter()
        .filter_map(|entry| Some((Owner::of(entry)?, entry)))
}

/// The manager that owns most of an object's fields, with its operation; Refloat itself when nobody is recorded.
pub fn owner_of(thing: &Thing) -> FieldOwner {
    let entries: Vec<(Owner<'_>, &Json, &str)> = owners(&thing.object)
        .filter(|(owner, _)| owner.subresource.is_empty())
        .filter_map(|(owner, entry)| {
            let time = entry.get("time")?.as_str()?;
            Some((owner, entry.get("fieldsV1")?, time))
        })
        .collect();
    let most = match entries.as_slice() {
        // Nothing to measure.
        [one] => Some(one),
        several => several.iter().max_by_key(|(_, fields, time)| {
            let size = fields.as_str().map(str::len);
            let size = size.unwrap_or_else(|| fields.to_string().len());
            (size, time.parse::<Timestamp>().ok())
        }),
    };
    most.map_or_else(FieldOwner::refloat, |(owner, _, _)| FieldOwner {
        manager: owner.manager.to_owned(),
        apply: owner.operation == "Apply",
    })
}

/// What must be given back beyond the one owner under whom the object is created: all entries but those of its status when there
/// are several; also a single one that applies, because what it applies next would take away annotations that are its own and not in
/// what it applies (Argo CD, Flux). Nothing otherwise.
pub fn managers_of(thing: &Thing) -> Vec<Json> {
    let entries: Vec<(Owner<'_>, &Json)> = owners(&thing.object)
        .filter(|(owner, _)| owner.subresource != "status" && owner.manager != FIELD_MANAGER)
        .collect();
    if entries.len() <= 1 && entries.iter().all(|(owner, _)| owner.operation != "Apply") {
        return Vec::new();
    }
    let unfolded = entries.into_iter().map(|(_, entry)| {
        let mut entry = entry.to_value();
        unfold_entry(&mut entry);
        entry.into()
    });
    unfolded.collect()
}

/// The entries of an object's managers once what Refloat has just changed belongs to its managers of the source, or to the one owner
/// when they had not owned it; Refloat keeps these annotations. `None` when nobody is recorded.
pub(super) fn handed_on(
    live: &Value,
    resource: &Resource,
    owner: &FieldOwner,
    managers: &[Value],
    annotations: &[&str],
) -> Option<Vec<Value>> {
    let ours = Owner {
        manager: FIELD_MANAGER,
        operation: "Update",
        subresource: "",
    };
    let mut changed = None;
    let mut entries: Vec<Value> = Vec::new();
    for (owner, entry) in owners(live) {
        if owner == ours {
            changed = unfolded(entry).get_mut("fieldsV1").map(Value::take);
        } else {
            entries.push(unfolded(entry));
        }
    }
    let keys: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|key| (format!("f:{key}"), json!({})))
        .collect();
    let provenance = json!({ "f:metadata": { "f:annotations": keys } });
    let mut left = fields::difference(&changed?, &provenance);
    for manager in managers {
        let fields = manager.get("fieldsV1").unwrap_or(&Value::Null);
        let part = fields::intersection(&left, fields);
        left = fields::difference(&left, &part);
        add(&mut entries, manager, &part);
    }
    let operation = if owner.apply { "Apply" } else { "Update" };
    let rest = json!({
        "manager": owner.manager, "operation": operation,
        "apiVersion": resource.api_version(), "fieldsType": "FieldsV1",
    });
    add(&mut entries, &rest, &left);
    entries.push(json!({
        "manager": FIELD_MANAGER, "operation": "Update", "apiVersion": resource.api_version(),
        "fieldsType": "FieldsV1", "fieldsV1": provenance,
    }));
    Some(entries)
}

/// Adds fields to a manager's entry, which is made when there is none.
fn add(entries: &mut Vec<Value>, manager: &Value, part: &Value) {
    if part.as_object().is_none_or(serde_json::Map::is_empty) {
        return;
    }
    let of = Owner::of(manager);
    if let Some(entry) = entries.iter_mut().find(|entry| Owner::of(&**entry) == of) {
        let before = entry.get("fieldsV1").cloned().unwrap_or_else(|| json!({}));
        entry["fieldsV1"] = fields::union(&before, part);
    } else {
        let mut entry = manager.clone();
        entry["fieldsV1"] = part.clone();
        entries.push(entry);
    }
}
