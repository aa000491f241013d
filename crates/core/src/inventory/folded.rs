//! Who owns which fields, as an inventory of many things keeps it: `fieldsV1` of each entry of `metadata.managedFields` as text. As a value it is half of
//! a small object's memory, and few are ever looked into. Called by `Thing` and by who reads the entries.

use serde_json::Value;

use crate::json::Json;

const FIELDS: &str = "fieldsV1";

/// Fields become text.
pub(super) fn fold(object: &mut Json) {
    let entries = object.get_mut("metadata");
    let entries = entries.and_then(|metadata| metadata.get_mut("managedFields"));
    let entries = entries.and_then(Json::items_mut).into_iter().flatten();
    for fields in entries.filter_map(|entry| entry.get_mut(FIELDS)) {
        if fields.is_object() {
            *fields = Json::of_text(&fields.to_string());
        }
    }
}

/// Text becomes fields again, as the API server writes them. What is no text of fields stays as it is.
pub(super) fn unfold(object: &mut Value) {
    let entries = object.pointer_mut("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array_mut).into_iter().flatten();
    entries.for_each(unfold_entry);
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
