//! Pods wait for the Secrets and ConfigMaps that they name, unless optional.

use serde_json::Value;

use super::super::context::{Context, write_step};
use super::{Drawn, Rule};
use crate::inventory::ThingId;

pub(super) const RULE: Rule = Rule {
    name: "REFERENCE_BEFORE_READER",
    reason: "a container is not started before the Secrets and ConfigMaps that it names are there",
    draw,
};

/// Where in a pod a name stands: key of the reference, key of the name in it, kind.
const REFERENCES: &[(&str, &str, &str)] = &[
    ("secretKeyRef", "name", "Secret"),
    ("configMapKeyRef", "name", "ConfigMap"),
    ("secretRef", "name", "Secret"),
    ("configMapRef", "name", "ConfigMap"),
    ("secret", "secretName", "Secret"),
    ("secret", "name", "Secret"),
    ("configMap", "name", "ConfigMap"),
];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (thing, spec) in context.workloads() {
        let namespace = thing.namespace().unwrap_or_default();
        let mut found = Vec::new();
        walk(spec, "", &mut found);
        for pull in spec
            .get("imagePullSecrets")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = pull.get("name").and_then(Value::as_str) {
                found.push(("Secret", name.to_owned(), "imagePullSecrets".to_owned()));
            }
        }
        for (kind, name, field) in found {
            let id = ThingId::namespaced("", kind, namespace, &name);
            if context.has(&id) {
                let evidence = format!("{} names it in {field}", thing.id());
                drawn.push(Drawn::new(
                    write_step(&thing.id()),
                    write_step(&id),
                    evidence,
                ));
            }
        }
    }
    drawn
}

fn walk(value: &Value, path: &str, found: &mut Vec<(&'static str, String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let here = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                for (reference, name_key, kind) in REFERENCES {
                    let optional = inner.get("optional").and_then(Value::as_bool) == Some(true);
                    let name = inner.get(name_key).and_then(Value::as_str);
                    if let (true, Some(name), false) = (key == reference, name, optional) {
                        found.push((kind, name.to_owned(), here.clone()));
                    }
                }
                walk(inner, &here, found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                walk(inner, &format!("{path}[{index}]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
