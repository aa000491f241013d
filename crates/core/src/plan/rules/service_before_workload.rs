//! A workload waits for the Services in front of it.

use super::super::context::{Context, write_step};
use super::super::phases::is_traffic;
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::{Thing, ThingId};
use crate::json::Json;

pub(super) const RULE: Rule = Rule {
    name: "SERVICE_BEFORE_WORKLOAD",
    reason: "members of a StatefulSet find each other by its Service, environment variables of Services are fixed at a pod's start, and an ingress controller stops without the Service that it is told to publish",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for service in context.of_kind("", "Service") {
        let is_last = is_traffic(service);
        for workload in context.behind(service) {
            if is_last && !named_by(context, &workload, service) {
                continue;
            }
            let why = if is_last {
                "it selects the pods of a workload that names it"
            } else {
                "spec.selector selects its pods"
            };
            let evidence = format!("{}: {why}", service.id());
            drawn.push(Drawn::new(
                write_step(&workload),
                write_step(&service.id()),
                evidence,
            ));
        }
    }
    for set in context.of_kind("apps", "StatefulSet") {
        let (Some(namespace), Some(name)) = (set.namespace(), set.text("/spec/serviceName")) else {
            continue;
        };
        let id = ThingId::namespaced("", "Service", namespace, name);
        if context.things.get(&id).is_some_and(|one| !is_traffic(one)) {
            let evidence = format!("{}: spec.serviceName", set.id());
            drawn.push(Drawn::new(write_step(&set.id()), write_step(&id), evidence));
        }
    }
    drawn
}

/// True for a workload that is told the name of a Service: it may not start without it, as an ingress controller that publishes the
/// addresses of its own.
pub(super) fn named_by(context: &Context<'_>, workload: &ThingId, service: &Thing) -> bool {
    let workload = context.things.get(workload);
    workload.is_some_and(|workload| names_it(workload, service))
}

/// True for a Service with an address of its own that a workload waits for.
pub(in crate::plan) fn comes_first(context: &Context<'_>, service: &Thing) -> bool {
    service.text("/spec/type") == Some("LoadBalancer")
        && (!is_traffic(service)
            || context
                .behind(service)
                .iter()
                .any(|workload| named_by(context, workload, service)))
}

/// A value that names a Service: `NAMESPACE/NAME`, or the name alone where the flag or the variable says that it is a Service.
fn names_it(workload: &Thing, service: &Thing) -> bool {
    let (Some(spec), Some(namespace)) = (workload.pod_spec(), service.namespace()) else {
        return false;
    };
    let means = |key: &str, value: &str| match value.rsplit_once('/') {
        Some((of, name)) => {
            name == service.name() && (of == namespace || of.starts_with("$(") && of.ends_with(')'))
        }
        None => value == service.name() && key.to_ascii_lowercase().contains("service"),
    };
    let containers = ["initContainers", "containers"].map(|key| spec[key].as_array());
    let mut containers = containers.into_iter().flatten().flatten();
    containers.any(|container| {
        let mut before = "";
        let words = ["command", "args"].map(|key| container[key].as_array());
        let words = words.into_iter().flatten().flatten();
        let in_words = words.filter_map(Json::as_str).any(|word| {
            let (key, value) = word.split_once('=').unwrap_or((before, word));
            before = word;
            means(key, value)
        });
        let mut variables = container["env"].as_array().into_iter().flatten();
        in_words
            || variables.any(|one| {
                let text = |key: &str| one[key].as_str().unwrap_or_default();
                means(text("name"), text("value"))
            })
    })
}
