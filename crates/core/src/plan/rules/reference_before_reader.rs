//! Pods wait for the Secrets, ConfigMaps and classes that they name, unless optional; for one that an operator
//! makes they wait for the resource that it is made from.

use crate::json::Json;

use super::super::context::{Context, write_step};
use super::super::links::spec_path;
use super::{Drawn, Rule};
use crate::inventory::{Thing, ThingId};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "REFERENCE_BEFORE_READER",
    reason: "a container is not started before the Secrets and ConfigMaps that it names are there, and a pod without its class is refused",
    confidence: &[Confidence::Certain, Confidence::High],
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
        for (id, path) in named(thing, spec) {
            let step = write_step(&thing.id());
            if context.has(&id) {
                let evidence = format!("{}: {path}", thing.id());
                drawn.push(Drawn::new(step.clone(), write_step(&id), evidence));
            }
            if let Some(maker) = maker(context, &id) {
                let evidence = format!("{}: {path} is made by {}", thing.id(), maker.id());
                let edge = Drawn::new(step, context.works_step(&maker.id()), evidence);
                drawn.push(edge.with(Confidence::High));
            }
        }
    }
    drawn
}

/// The carried thing that makes what a pod reads: an ExternalSecret its Secret, a database its password.
fn maker<'a>(context: &Context<'a>, id: &ThingId) -> Option<&'a Thing> {
    context.root(context.objects.get(id)?)
}

/// Carried things that make what a workload reads.
pub(super) fn makers(context: &Context<'_>, thing: &Thing) -> Vec<ThingId> {
    let spec = thing.pod_spec().into_iter();
    spec.flat_map(|spec| named(thing, spec))
        .filter_map(|(id, _)| Some(maker(context, &id)?.id()))
        .collect()
}

/// Everything that a pod cannot start without, with the field that names it.
fn named(thing: &Thing, spec: &Json) -> Vec<(ThingId, String)> {
    let namespace = thing.namespace().unwrap_or_default();
    let mut found = Vec::new();
    walk(spec, spec_path(thing), &mut found);
    for (place, pull) in items(spec, "imagePullSecrets").enumerate() {
        if let Some(name) = pull.get("name").and_then(Json::as_str) {
            let path = format!("{}.imagePullSecrets[{place}]", spec_path(thing));
            found.push(("Secret", name, path));
        }
    }
    let near = found
        .into_iter()
        .map(|(kind, name, path)| (ThingId::namespaced("", kind, namespace, name), path));
    let classes = CLASSES.iter().filter_map(|(field, group, kind)| {
        let name = spec.get(field).and_then(Json::as_str)?;
        let path = format!("{}.{field}", spec_path(thing));
        Some((ThingId::cluster(group, kind, name), path))
    });
    near.chain(classes).collect()
}

fn items<'v>(value: &'v Json, key: &str) -> impl Iterator<Item = &'v Json> {
    value
        .get(key)
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

fn walk<'v>(value: &'v Json, path: &str, found: &mut Vec<(&'static str, &'v str, String)>) {
    match value {
        Json::Object(map) => {
            for (key, inner) in map {
                if !inner.is_object() && !inner.is_array() {
                    continue;
                }
                let here = format!("{path}.{key}");
                for (reference, name_key, kind) in REFERENCES {
                    let optional = inner.get("optional").and_then(Json::as_bool) == Some(true);
                    let name = inner.get(name_key).and_then(Json::as_str);
                    if let (true, Some(name), false) = (key == *reference, name, optional) {
                        found.push((kind, name, here.clone()));
                    }
                }
                walk(inner, &here, found);
            }
        }
        Json::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                // A variable is known by its name.
                let name = inner.get("name").and_then(Json::as_str);
                let here = match name.filter(|_| path.rsplit('.').next() == Some("env")) {
                    Some(name) => format!("{path}[{name}]"),
                    None => format!("{path}[{index}]"),
                };
                walk(inner, &here, found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
