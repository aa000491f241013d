//! A custom resource waits for the webhooks that its operator must be asked about it.

use super::super::asked::is_about;
use super::super::context::{Context, write_step};
use super::super::operators::{ADMISSION, service_named};
use super::{Drawn, HIGH, Rule};
use crate::inventory::Thing;
use crate::json::{Json, Tree};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "WEBHOOK_BEFORE_ITS_CR",
    reason: "an operator whose webhook does not answer yet has its resources refused, however ready its pods are",
    confidence: HIGH,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for kind in ADMISSION {
        for configuration in context.of_kind("admissionregistration.k8s.io", kind) {
            for (place, hook) in configuration.list("/webhooks").iter().enumerate() {
                if is_answered(context, hook) {
                    drawn.extend(waiting(context, configuration, (place, hook)));
                }
            }
        }
    }
    drawn
}

/// It must answer, and what answers comes back as well.
fn is_answered(context: &Context<'_>, hook: &Json) -> bool {
    let ignored = hook.at("/failurePolicy").and_then(Tree::text) == Some("Ignore");
    let service = hook
        .at("/clientConfig/service")
        .and_then(|reference| service_named(context, reference));
    !ignored && service.is_some_and(|service| !context.behind(service).is_empty())
}

/// Resources of the carried definitions that a webhook names. One for everything is nobody's operator.
fn waiting(
    context: &Context<'_>,
    configuration: &Thing,
    (place, hook): (usize, &Json),
) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for definition in context.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let text = |pointer| definition.text(pointer).unwrap_or_default();
        let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
        if !is_about(hook, group, plural) {
            continue;
        }
        let evidence = format!(
            "{}: webhooks[{place}] is asked about {plural}.{group}",
            configuration.id()
        );
        for thing in context.of_kind(group, text("/spec/names/kind")) {
            let (step, on) = (write_step(&thing.id()), write_step(&configuration.id()));
            drawn.push(Drawn::new(step, on, &evidence).with(Confidence::High));
        }
    }
    drawn
}
