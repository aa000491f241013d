//! Webhooks and API services wait for what answers them.

use crate::json::Json;

use super::super::context::{Context, write_step};
use super::super::operators::{ADMISSION, conversion, service_named};
use super::{Drawn, Rule};
use crate::inventory::Thing;
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "WEBHOOK_AFTER_BACKEND",
    reason: "a webhook whose Service has no pods refuses the very objects that would bring them",
    confidence: &[Confidence::Certain, Confidence::High],
    draw,
};

const DEFINITION: &str = "CustomResourceDefinition";

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (thing, field, reference) in asked(context) {
        let Some(service) = service_named(context, reference) else {
            continue;
        };
        let evidence = format!("{}: {field} is {}", thing.id(), service.id());
        drawn.push(Drawn::new(
            write_step(&thing.id()),
            write_step(&service.id()),
            evidence.clone(),
        ));
        if thing.resource.kind == DEFINITION {
            drawn.extend(converted(context, thing, &evidence));
            continue;
        }
        for workload in context.behind(service) {
            drawn.push(Drawn::new(
                write_step(&thing.id()),
                write_step(&workload),
                evidence.clone(),
            ));
        }
    }
    drawn
}

/// Things that name a Service which answers for them.
fn asked<'a>(context: &Context<'a>) -> Vec<(&'a Thing, String, &'a Json)> {
    let mut found = Vec::new();
    for kind in ADMISSION {
        for thing in context.of_kind("admissionregistration.k8s.io", kind) {
            for (place, hook) in thing.list("/webhooks").iter().enumerate() {
                if let Some(service) = hook.pointer("/clientConfig/service") {
                    let field = format!("webhooks[{place}].clientConfig.service");
                    found.push((thing, field, service));
                }
            }
        }
    }
    for thing in context.of_kind("apiregistration.k8s.io", "APIService") {
        if let Some(service) = thing.at("/spec/service") {
            found.push((thing, "spec.service".to_owned(), service));
        }
    }
    for thing in context.of_kind("apiextensions.k8s.io", DEFINITION) {
        let field = "spec.conversion.webhook.clientConfig.service";
        let pointer = "/spec/conversion/webhook/clientConfig/service";
        if let Some(service) = thing.at(pointer) {
            found.push((thing, field.to_owned(), service));
        }
    }
    found
}

/// Resources wait for what converts them. Their definition does not: what converts may itself wait for it.
fn converted(context: &Context<'_>, definition: &Thing, evidence: &str) -> Vec<Drawn> {
    let group = definition.text("/spec/group").unwrap_or_default();
    let kind = definition.text("/spec/names/kind").unwrap_or_default();
    let mut drawn = Vec::new();
    for (_, workload) in conversion(context, definition) {
        for thing in context.of_kind(group, kind) {
            let step = write_step(&thing.id());
            let edge = Drawn::new(step, write_step(&workload), evidence);
            drawn.push(edge.with(Confidence::High));
        }
    }
    drawn
}
