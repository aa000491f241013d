//! `metadata.managedFields`: who wrote what, kept as every write asks for. Called by `create`, `update` and `apply`.

use crate::sim::look::Look as _;
use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::{Request, Verb, list, text};

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    manager: String,
    apply: bool,
    api_version: String,
    subresource: Option<String>,
    time: String,
}

impl Writer {
    pub(super) fn of(request: &Request, time: &str) -> Self {
        Self {
            manager: request.manager().to_owned(),
            apply: request.verb == Verb::Apply,
            api_version: request.resource.api_version(),
            subresource: request.subresource.clone(),
            time: time.to_owned(),
        }
    }

    fn operation(&self) -> &'static str {
        if self.apply { "Apply" } else { "Update" }
    }

    fn is(&self, entry: &Value) -> bool {
        text(entry, "/manager") == Some(&self.manager)
            && text(entry, "/operation") == Some(self.operation())
            && text(entry, "/subresource") == self.subresource.as_deref()
            && (self.apply || text(entry, "/apiVersion") == Some(&self.api_version))
    }

    fn entry(&self, fields: &Fields) -> Value {
        let mut entry = json!({
            "manager": self.manager, "operation": self.operation(),
            "apiVersion": self.api_version, "time": self.time,
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        if let Some(subresource) = &self.subresource {
            entry["subresource"] = json!(subresource);
        }
        entry
    }
}

fn fields_of(entry: &Value) -> Fields {
    entry
        .get("fieldsV1")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn with_fields(entry: &Value, fields: Fields) -> Value {
    let mut entry = entry.clone();
    entry["fieldsV1"] = Value::Object(fields);
    entry
}

/// The entries that an update starts from: those that the client sent, unless it sent none; `[]` and `[{}]` clear them.
pub(super) fn base(live: &Value, new: &Value, is_subresource: bool) -> Vec<Value> {
    let sent = new.at("/metadata/managedFields").and_then(Value::as_array);
    let ours = list(live, "/metadata/managedFields");
    match sent {
        Some(sent) if !is_subresource => match sent.as_slice() {
            [one] if *one == json!({}) => Vec::new(),
            sent => sent.to_vec(),
        },
        _ => ours.to_vec(),
    }
}

/// Entries after an update: the writer owns what it changed, the others no longer do.
pub(super) fn updated(
    entries: Vec<Value>,
    change: &fields::Difference,
    writer: &Writer,
) -> Vec<Value> {
    if change.is_empty() {
        return entries;
    }
    let gone = fields::union(&change.set, &change.removed);
    let mut own = Fields::new();
    let mut kept = Vec::with_capacity(entries.len() + 1);
    for entry in entries {
        let meets = || fields::meet(entry["fieldsV1"].as_object().unwrap_or(&gone), &gone);
        if !writer.is(&entry) && !meets() {
            kept.push(entry);
            continue;
        }
        let fields = fields_of(&entry);
        if writer.is(&entry) {
            own = fields;
            continue;
        }
        let left = fields::without(&fields, &gone);
        if left == fields {
            kept.push(entry);
        } else if !left.is_empty() {
            kept.push(with_fields(&entry, left));
        }
    }
    let own = fields::without(&fields::union(&own, &change.set), &change.removed);
    if !own.is_empty() {
        kept.push(writer.entry(&own));
    }
    sorted(kept)
}

/// Entries of an object that was just created.
pub(super) fn created(object: &Value, writer: &Writer, custom: bool) -> Vec<Value> {
    let own = if writer.apply {
        fields::applied(object, custom)
    } else {
        fields::difference(
            &json!({ "metadata": {}, "spec": {}, "status": {} }),
            object,
            custom,
        )
        .set
    };
    if own.is_empty() {
        return Vec::new();
    }
    vec![writer.entry(&own)]
}

/// What an apply means for the others.
pub(super) struct Applying {
    /// The entries after it.
    pub(super) entries: Vec<Value>,
    /// Fields that it changes although others own them: who and which.
    pub(super) conflicts: Vec<(String, String)>,
}

/// What the writer owned before and nobody else does.
pub(super) fn abandoned(entries: &[Value], applied: &Fields, writer: &Writer) -> Fields {
    let before = entries.iter().find(|entry| writer.is(entry));
    let mut gone = fields::without(&before.map(fields_of).unwrap_or_default(), applied);
    for other in entries.iter().filter(|entry| !writer.is(entry)) {
        if gone.is_empty() {
            break;
        }
        gone = fields::without(&gone, &fields_of(other));
    }
    gone
}

/// Entries after an apply that changes these fields, and its conflicts.
pub(super) fn applied(
    entries: &[Value],
    change: &fields::Difference,
    applied: &Fields,
    writer: &Writer,
) -> Applying {
    let mut result = Applying {
        entries: Vec::new(),
        conflicts: Vec::new(),
    };
    let mut same = None;
    for entry in entries {
        let fields = fields_of(entry);
        if writer.is(entry) {
            same = (fields == *applied && text(entry, "/apiVersion") == Some(&writer.api_version))
                .then(|| entry.clone());
            continue;
        }
        let taken = fields::common(&change.set, &fields);
        let who = who(entry);
        result
            .conflicts
            .extend(taken.into_iter().map(|field| (who.clone(), field)));
        let gone = fields::union(&change.set, &change.removed);
        let left = fields::without(&fields, &gone);
        if !left.is_empty() {
            result.entries.push(with_fields(entry, left));
        }
    }
    // An apply that changes nothing leaves its time as it was.
    result
        .entries
        .extend(same.or_else(|| (!applied.is_empty()).then(|| writer.entry(applied))));
    result.entries = sorted(result.entries);
    result
}

/// `"helm" using v1`, `"argocd"`.
fn who(entry: &Value) -> String {
    let name = text(entry, "/manager").unwrap_or_default();
    let mut who = format!("\"{name}\"");
    if let Some(subresource) = text(entry, "/subresource") {
        who.push_str(&format!(" with subresource \"{subresource}\""));
    }
    if text(entry, "/operation") == Some("Update") {
        let version = text(entry, "/apiVersion").unwrap_or_default();
        who.push_str(&format!(" using {version}"));
    }
    who
}

fn sorted(mut entries: Vec<Value>) -> Vec<Value> {
    let key = |entry: &Value| {
        ["operation", "time", "manager", "apiVersion", "subresource"].map(|key| {
            entry
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        })
    };
    entries.sort_by_cached_key(key);
    entries
}
