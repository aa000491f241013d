//! Pods wait for the Secrets, ConfigMaps and classes that they name, unless optional.

use serde_json::Value;

use super::super::context::{Context, write_step};
use super::super::links::spec_path;
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::ThingId;

pub(super) const RULE: Rule = Rule {
    name: "REFERENCE_BEFORE_READER",
    reason: "a container is not started before the Secrets and ConfigMaps that it names are there, and a pod without its class is refused",
    confidence: CERTAIN,
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

/// Cluster-scoped things that a pod names: field, group, kind.
const CLASSES: &[(&str, &str, &str)] = &[
    ("priorityClassName", "scheduling.k8s.io", "PriorityClass"),
    ("runtimeClassName", "node.k8s.io", "RuntimeClass"),
];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (thing, spec) in context.workloads() {
        let namespace = thing.namespace().unwrap_or_default();
        let mut found = Vec::new();
        walk(spec, spec_path(thing), &mut found);
        for (place, pull) in items(spec, "imagePullSecrets").enumerate() {
            if let Some(name) = pull.get("name").and_then(Value::as_str) {
                let path = format!("{}.imagePullSecrets[{place}]", spec_path(thing));
                found.push(("Secret", name, path));
            }
        }
        let named = found
            .into_iter()
            .map(|(kind, name, path)| (ThingId::namespaced("", kind, namespace, name), path));
        let classes = CLASSES.iter().filter_map(|(field, group, kind)| {
            let name = spec.get(*field).and_then(Value::as_str)?;
            let path = format!("{}.{field}", spec_path(thing));
            Some((ThingId::cluster(group, kind, name), path))
        });
        for (id, path) in named.chain(classes) {
            if context.has(&id) {
                let evidence = format!("{}: {path}", thing.id());
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

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn walk<'v>(value: &'v Value, path: &str, found: &mut Vec<(&'static str, &'v str, String)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if !inner.is_object() && !inner.is_array() {
                    continue;
                }
                let here = format!("{path}.{key}");
                for (reference, name_key, kind) in REFERENCES {
                    let optional = inner.get("optional").and_then(Value::as_bool) == Some(true);
                    let name = inner.get(name_key).and_then(Value::as_str);
                    if let (true, Some(name), false) = (key == reference, name, optional) {
                        found.push((kind, name, here.clone()));
                    }
                }
                walk(inner, &here, found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                // A variable is known by its name.
                let name = inner.get("name").and_then(Value::as_str);
                let here = match name.filter(|_| path.ends_with(".env")) {
                    Some(name) => format!("{path}[{name}]"),
                    None => format!("{path}[{index}]"),
                };
                walk(inner, &here, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
