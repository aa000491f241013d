//! Who owns which fields, as an inventory of many things keeps it: `fieldsV1` of each entry of `metadata.managedFields` as text. As a value it is half of
//! a small object's memory, and few are ever looked into; so do answers of a world. Called by `Thing`, by worlds and by who reads the entries.

use serde_json::Value;

use crate::json::Json;

const FIELDS: &str = "fieldsV1";

/// Fields become text. Built anew, not changed in place: so that entries that are the same in many objects are kept once.
pub(super) fn fold(object: &Json) -> Option<Json> {
    let metadata = object.get("metadata")?;
    let entries = metadata.get("managedFields")?.as_array()?;
    if !entries.iter().any(|entry| entry[FIELDS].is_object()) {
        return None;
    }
    let folded = entries.iter().map(|entry| match &entry[FIELDS] {
        fields @ Json::Object(_) => entry.with(FIELDS, Json::of_text(&fields.to_string())),
        _ => entry.clone(),
    });
    let metadata = metadata.with("managedFields", Json::of_items(folded));
    Some(object.with("metadata", metadata))
}

/// The same for an object that an API server answered, in place.
pub fn fold_answer(object: &mut Value) {
    for entry in entries(object) {
        if let Some(fields @ Value::Object(_)) = entry.get_mut(FIELDS) {
            *fields = Value::String(fields.to_string());
        }
    }
}

/// Text becomes fields again, as the API server writes them. What is no text of fields stays as it is.
pub(crate) fn unfold(object: &mut Value) {
    entries(object).for_each(unfold_entry);
}

fn entries(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    let entries = object.pointer_mut("/metadata/managedFields");
    entries.and_then(Value::as_array_mut).into_iter().flatten()
}

/// The same for one entry.
pub(crate) fn unfold_entry(entry: &mut Value) {
    entry.get_mut(FIELDS).into_iter().for_each(open);
}

/// The same for a copy of one entry.
pub(crate) fn unfolded(entry: &Value) -> Value {
    let mut entry = entry.clone();
    unfold_entry(&mut entry);
    entry
}

fn open(fields: &mut Value) {
    let opened = fields
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(opened @ Value::Object(_)) = opened {
        *fields = opened;
    }
}
