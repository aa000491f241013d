//! Applications wait until the databases that they name are ready; those that name none wait for all.

use serde_json::Value;

use super::super::context::{Context, ready_step, write_step};
use super::super::phases::phase;
use super::{Drawn, Rule};
use crate::backup::Member;
use crate::inventory::{Thing, ThingId};
use crate::run::{Confidence, Phase};

pub(super) const RULE: Rule = Rule {
    name: "DATABASE_BEFORE_CLIENT",
    reason: "an application that starts before its database crashes, or writes to nowhere",
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for thing in context.things.values() {
        if phase(context, thing) != Phase::Applications {
            continue;
        }
        let named: Vec<(&Member, String)> = context
            .engines()
            .filter_map(|member| Some((member, names(context, thing, member)?)))
            .collect();
        let waits: Vec<(&Member, String)> = if named.is_empty() {
            context
                .engines()
                .map(|member| {
                    (
                        member,
                        "which database it needs is not known: it waits for all".to_owned(),
                    )
                })
                .collect()
        } else {
            named
        };
        for (member, evidence) in waits {
            drawn.push(
                Drawn::new(write_step(&thing.id()), ready_step(&member.name), evidence)
                    .with(Confidence::Medium),
            );
        }
    }
    drawn
}

/// Where a workload names a Service of the database, in its own values or in the ConfigMaps that it reads.
fn names(context: &Context<'_>, thing: &Thing, member: &Member) -> Option<String> {
    let spec = thing.pod_spec()?;
    let namespace = member.thing.namespace.as_deref().unwrap_or_default();
    for service in context.of_kind("", "Service") {
        if !context.behind(service).contains(&member.thing) {
            continue;
        }
        let near = thing.namespace() == Some(namespace);
        for (place, text) in texts(context, thing, spec) {
            if mentions(&text, service.name(), namespace, near) {
                return Some(format!("{place} names {}", service.id()));
            }
        }
    }
    None
}

fn texts(context: &Context<'_>, thing: &Thing, spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(spec, &mut found);
    let mut texts: Vec<(String, String)> = found
        .iter()
        .map(|text| (thing.id().to_string(), text.clone()))
        .collect();
    for name in found {
        let id = ThingId::namespaced(
            "",
            "ConfigMap",
            thing.namespace().unwrap_or_default(),
            &name,
        );
        let data = context
            .things
            .get(&id)
            .and_then(|map| map.object.get("data")?.as_object());
        for value in data.into_iter().flat_map(serde_json::Map::values) {
            if let Some(text) = value.as_str() {
                texts.push((id.to_string(), text.to_owned()));
            }
        }
    }
    texts
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| collect(one, found)),
        Value::Object(map) => map.values().for_each(|one| collect(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A host name of the Service as a whole word: alone, before a port, in a URL or in an argument.
fn mentions(text: &str, service: &str, namespace: &str, near: bool) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    text.split(|c: char| !inner(c)).any(|word| {
        let far = word
            .strip_prefix(service)
            .and_then(|rest| rest.strip_prefix('.'));
        let by_namespace = far
            .is_some_and(|rest| rest == namespace || rest.starts_with(&format!("{namespace}.svc")));
        by_namespace || (near && word == service)
    })
}
