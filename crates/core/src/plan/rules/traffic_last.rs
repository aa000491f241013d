//! What brings users in waits for all that it serves.

use serde_json::Value;

use super::super::context::{Context, write_step};
use super::super::phases::phase;
use super::{Drawn, Rule};
use crate::inventory::{Thing, ThingId};
use crate::run::Phase;

pub(super) const RULE: Rule = Rule {
    name: "TRAFFIC_LAST",
    reason: "users who come before the application works see errors, and may make it fail",
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for thing in context.things.values() {
        if phase(context, thing) != Phase::Traffic {
            continue;
        }
        let services = if thing.id().is("", "Service") {
            vec![thing.id()]
        } else {
            served(thing)
        };
        let mut workloads = Vec::new();
        for id in &services {
            if let Some(service) = context.things.get(id) {
                if *id != thing.id() {
                    drawn.push(Drawn::new(
                        write_step(&thing.id()),
                        write_step(id),
                        "its backend",
                    ));
                }
                workloads.extend(context.behind(service));
            }
        }
        if workloads.is_empty() {
            // What it serves is not known: it waits for every workload.
            workloads = context.workloads().map(|(thing, _)| thing.id()).collect();
        }
        for workload in workloads {
            drawn.push(Drawn::new(
                write_step(&thing.id()),
                context.works_step(&workload),
                format!("it leads to {workload}"),
            ));
        }
    }
    drawn
}

/// Services that an Ingress or a route names, wherever they stand in it.
fn served(thing: &Thing) -> Vec<ThingId> {
    let mut names = Vec::new();
    walk(&thing.object["spec"], &mut names);
    let namespace = thing.namespace().unwrap_or_default();
    names
        .iter()
        .map(|name| ThingId::namespaced("", "Service", namespace, name))
        .collect()
}

fn walk(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if key == "service"
                    && let Some(name) = inner.get("name").and_then(Value::as_str)
                {
                    names.push(name.to_owned());
                }
                if key == "backendRefs" {
                    for backend in inner.as_array().into_iter().flatten() {
                        if let Some(name) = backend.get("name").and_then(Value::as_str) {
                            names.push(name.to_owned());
                        }
                    }
                }
                walk(inner, names);
            }
        }
        Value::Array(list) => list.iter().for_each(|one| walk(one, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
