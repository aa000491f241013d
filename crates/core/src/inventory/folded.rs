//! Who owns which fields, as an inventory of many things keeps it: `fieldsV1` of each entry of `metadata.managedFields` as text. As a value it is half of
//! a small object's memory, and few are ever looked into. Called by `Thing` and by who reads the entries.

use serde_json::Value;

const FIELDS: &str = "fieldsV1";

fn entries(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    let entries = object.pointer_mut("/metadata/managedFields");
    entries
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get_mut(FIELDS))
}

/// Fields become text.
pub(super) fn fold(object: &mut Value) {
    for fields in entries(object).filter(|fields| fields.is_object()) {
        *fields = Value::String(fields.to_string());
    }
}

/// Text becomes fields again, as the API server writes them. What is no text of fields stays as it is.
pub(super) fn unfold(object: &mut Value) {
    entries(object).for_each(open);
}

/// The same for one entry.
pub(crate) fn unfold_entry(entry: &mut Value) {
    entry.get_mut(FIELDS).into_iter().for_each(open);
}

fn open(fields: &mut Value) {
    let opened = fields
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(opened @ Value::Object(_)) = opened {
        *fields = opened;
    }
}
