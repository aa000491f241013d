//! Definitions of custom kinds: what they make the server serve, and their schemas in a small form.

use crate::sim::look::Look as _;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::catalogue::{Origin, Served};
use super::status::Cause;
use super::{Server, list, text};

/// What a definition serves: the stored version, all served versions, whether `status` is a subresource.
pub(in crate::sim) fn served_by(definition: &Value) -> Option<Served> {
    let group = text(definition, "/spec/group")?;
    let versions = list(definition, "/spec/versions");
    let is = |version: &Value, key: &str| version.get(key) != Some(&json!(false));
    let stored = versions
        .iter()
        .find(|version| version.get("storage") == Some(&json!(true)))
        .or(versions.first())?;
    let api_version = format!("{group}/{}", text(stored, "/name")?);
    let kind = text(definition, "/spec/names/kind")?;
    let plural = text(definition, "/spec/names/plural")?;
    let resource = if text(definition, "/spec/scope") == Some("Cluster") {
        Resource::cluster(&api_version, kind, plural)
    } else {
        Resource::namespaced(&api_version, kind, plural)
    };
    let mut served = Served::custom(resource, stored.at("/subresources/status").is_some());
    served.versions = versions
        .iter()
        .filter(|version| is(version, "served"))
        .filter_map(|version| text(version, "/name").map(str::to_owned))
        .collect();
    served.schemas = versions
        .iter()
        .filter_map(|version| {
            let schema = version.at("/schema/openAPIV3Schema")?.clone();
            Some((text(version, "/name")?.to_owned(), schema))
        })
        .collect();
    Some(served)
}

impl Server {
    /// Serves what an established definition says.
    pub(in crate::sim) fn establish(&mut self, definition: &Value) {
        if let Some(served) = served_by(definition) {
            self.kinds.insert(served);
        }
    }

    /// Nothing new of a kind whose definition is going.
    pub(super) fn definition_goes(&mut self, definition: &Value) {
        let served = served_by(definition);
        let kind = served.and_then(|served| self.kinds.find_mut(&served.resource));
        if let Some(kind) = kind {
            kind.origin = Origin::GoingDefinition;
        }
    }
}

/// Causes against a definition.
pub(super) fn validate(definition: &Value, causes: &mut Vec<Cause>) {
    let (plural, group) = (
        text(definition, "/spec/names/plural").unwrap_or_default(),
        text(definition, "/spec/group").unwrap_or_default(),
    );
    let name = text(definition, "/metadata/name").unwrap_or_default();
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &json!(name), why));
    }
    for (at, version) in list(definition, "/spec/versions").iter().enumerate() {
        if version.at("/schema/openAPIV3Schema").is_none() {
            let field = format!("spec.versions[{at}].schema.openAPIV3Schema");
            causes.push(Cause::required(&field, "schemas are required"));
        }
    }
}

/// Drops what the schema does not know and fills in its defaults.
pub(super) fn prepare(served: &Served, version: &str, object: &mut Value) {
    if let Some(schema) = served.schemas.get(version) {
        prune(schema, object, true);
    }
}

fn prune(schema: &Value, value: &mut Value, at_root: bool) {
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    let properties = schema.get("properties").and_then(Value::as_object);
    match value {
        Value::Object(map) => {
            if let Some(more) = schema.get("additionalProperties") {
                for value in map.values_mut() {
                    prune(more, value, false);
                }
                return;
            }
            if !keeps {
                map.retain(|key, _| {
                    at_root && matches!(key.as_str(), "apiVersion" | "kind" | "metadata")
                        || properties.is_some_and(|all| all.contains_key(key))
                });
            }
            for (key, schema) in properties.into_iter().flatten() {
                if at_root && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                if let Some(default) = schema.get("default") {
                    map.entry(key.clone()).or_insert_with(|| default.clone());
                }
                if let Some(value) = map.get_mut(key) {
                    prune(schema, value, false);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    prune(schema, item, false);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Causes by the schema of the version that was sent.
pub(super) fn against_schema(served: &Served, version: &str, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(schema) = served.schemas.get(version) {
        check(schema, object, "", &mut causes);
    }
    causes
}

fn below(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check(schema: &Value, value: &Value, at: &str, causes: &mut Vec<Cause>) {
    if let Some(wanted) = text(schema, "/type") {
        let is = kind_of(value);
        if wanted != is && !(wanted == "number" && is == "integer") {
            let why = format!("{at} in body must be of type {wanted}: \"{is}\"");
            causes.push(Cause::wrong_type(at, &json!(is), &why));
            return;
        }
    }
    for required in list(schema, "/required").iter().filter_map(Value::as_str) {
        if value.is_object() && value.get(required).is_none() {
            causes.push(Cause::required(&below(at, required), ""));
        }
    }
    let allowed = list(schema, "/enum");
    if !allowed.is_empty() && !allowed.contains(value) {
        causes.push(Cause::unsupported(at, value, allowed));
    }
    let number = value.as_f64();
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let (Some(number), Some(least)) = (number, limit("minimum"))
        && number < least
    {
        let why = format!("{at} in body should be greater than or equal to {least}");
        causes.push(Cause::invalid(at, value, &why));
    }
    if let (Some(number), Some(most)) = (number, limit("maximum"))
        && number > most
    {
        let why = format!("{at} in body should be less than or equal to {most}");
        causes.push(Cause::invalid(at, value, &why));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, schema) in properties.into_iter().flatten() {
        if let Some(value) = value
            .get(key)
            .filter(|_| !at.is_empty() || key != "metadata")
        {
            check(schema, value, &below(at, key), causes);
        }
    }
    if let Some(schema) = schema.get("items") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            check(schema, item, &format!("{at}[{index}]"), causes);
        }
    }
}
