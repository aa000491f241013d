//! What brings users in waits for all that it serves.

use std::collections::BTreeMap;

use crate::json::Json;

use super::super::context::{Context, write_step};
use super::super::phases::phase;
use super::{Drawn, Rule, service_before_workload};
use crate::inventory::{Thing, ThingId};
use crate::run::{Confidence, Phase};

pub(super) const RULE: Rule = Rule {
    name: "TRAFFIC_LAST",
    reason: "users who come before the application works see errors, and may make it fail",
    confidence: &[Confidence::Certain, Confidence::Medium],
    draw,
};

const GATEWAY: &str = "gateway.networking.k8s.io";

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let gateways = behind_gateways(context);
    let mut drawn = Vec::new();
    for (id, thing) in &context.things {
        if phase(context, id, thing) != Phase::Traffic {
            continue;
        }
        let step = write_step(id);
        let services = if id.is("", "Service") {
            vec![(id.clone(), "spec.selector".to_owned())]
        } else {
            served(thing)
        };
        let mut workloads: Vec<(ThingId, String)> = Vec::new();
        for (service, field) in &services {
            let evidence = format!("{id}: {field}");
            if service != id && context.has(service) {
                drawn.push(Drawn::new(
                    step.clone(),
                    write_step(service),
                    evidence.clone(),
                ));
            }
            let answering = answering(context, service).into_iter();
            workloads.extend(answering.map(|workload| (workload, evidence.clone())));
        }
        workloads.extend(gateways.get(id).into_iter().flatten().cloned());
        if workloads.is_empty() {
            drawn.extend(unknown(context, thing));
        }
        // Who is told the name of the Service does not start without it.
        let first = |workload: &ThingId| {
            id.is("", "Service") && service_before_workload::named_by(context, workload, thing)
        };
        for (workload, evidence) in workloads {
            if first(&workload) {
                continue;
            }
            let on = context.works_step(&workload);
            drawn.push(Drawn::new(step.clone(), on, evidence));
        }
    }
    drawn
}

/// What answers behind a Service: workloads, or the resource whose operator makes it.
fn answering(context: &Context<'_>, service: &ThingId) -> Vec<ThingId> {
    if let Some(service) = context.things.get(service) {
        return context.behind(service);
    }
    let made = context.objects.get(service);
    let root = made.and_then(|made| context.root(made));
    root.map(Thing::id).into_iter().collect()
}

/// What it serves is not known: it waits for every workload of its namespace, or, if there is none, for all.
fn unknown(context: &Context<'_>, thing: &Thing) -> Vec<Drawn> {
    let near: Vec<ThingId> = context
        .pods
        .all(thing.namespace().unwrap_or_default())
        .map(Thing::id)
        .collect();
    let workloads = if near.is_empty() {
        context.workloads().map(|(thing, _)| thing.id()).collect()
    } else {
        near
    };
    workloads
        .iter()
        .map(|workload| {
            let evidence = "what it leads to is not known: it waits for all";
            let step = write_step(&thing.id());
            Drawn::new(step, context.works_step(workload), evidence).with(Confidence::Medium)
        })
        .collect()
}

/// Workloads behind the routes of each Gateway.
fn behind_gateways(context: &Context<'_>) -> BTreeMap<ThingId, Vec<(ThingId, String)>> {
    let mut found: BTreeMap<ThingId, Vec<(ThingId, String)>> = BTreeMap::new();
    for route in context.things.values() {
        if route.resource.group != GATEWAY {
            continue;
        }
        for parent in route.list("/spec/parentRefs") {
            let text = |key: &str| parent.get(key).and_then(Json::as_str);
            let namespace = text("namespace").or(route.namespace());
            let (Some(namespace), Some(name)) = (namespace, text("name")) else {
                continue;
            };
            let gateway = ThingId::namespaced(GATEWAY, "Gateway", namespace, name);
            for (service, field) in served(route) {
                for workload in answering(context, &service) {
                    let evidence = format!("{}: {field}", route.id());
                    found
                        .entry(gateway.clone())
                        .or_default()
                        .push((workload, evidence));
                }
            }
        }
    }
    found
}

/// Services that an Ingress or a route names, wherever they stand in it, with the field.
fn served(thing: &Thing) -> Vec<(ThingId, String)> {
    let mut found = Vec::new();
    let namespace = thing.namespace().unwrap_or_default();
    if let Some(spec) = thing.object.get("spec") {
        walk(spec, "spec", namespace, &mut found);
    }
    found
}

fn walk(value: &Json, path: &str, near: &str, found: &mut Vec<(ThingId, String)>) {
    let mut add = |namespace: &str, name: Option<&str>, path: String| {
        if let Some(name) = name {
            found.push((ThingId::namespaced("", "Service", namespace, name), path));
        }
    };
    match value {
        Json::Object(map) => {
            for (key, inner) in map {
                let path = format!("{path}.{key}");
                // `to` is of OpenShift's Routes.
                if key == "service" || key == "to" && inner["kind"] == "Service" {
                    add(near, inner["name"].as_str(), path.clone());
                }
                // Of Istio: a host.
                if key == "destination" {
                    let mut labels = inner["host"]
                        .as_str()
                        .into_iter()
                        .flat_map(|one| one.split('.'));
                    let name = labels.next();
                    add(labels.next().unwrap_or(near), name, path.clone());
                }
                // The Gateway API's, Contour's and Traefik's, OpenShift's.
                if matches!(key, "backendRefs" | "services" | "alternateBackends") {
                    let all = inner.as_array().into_iter().flatten();
                    for (place, backend) in all.enumerate() {
                        let namespace = backend.get("namespace").and_then(Json::as_str);
                        add(
                            namespace.unwrap_or(near),
                            backend["name"].as_str(),
                            format!("{path}[{place}]"),
                        );
                    }
                }
            }
            for (key, inner) in map {
                walk(inner, &format!("{path}.{key}"), near, found);
            }
        }
        Json::Array(list) => {
            for (place, one) in list.iter().enumerate() {
                walk(one, &format!("{path}[{place}]"), near, found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
