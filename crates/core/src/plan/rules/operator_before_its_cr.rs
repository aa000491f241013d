//! A custom resource waits for the operator that reconciles it, and the operator for the definition.

use super::super::context::{Context, write_step};
use super::{Drawn, Rule};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "OPERATOR_BEFORE_ITS_CR",
    reason: "a resource whose operator does not run is created and nothing happens; its webhooks do not answer",
    confidence: &[Confidence::High, Confidence::Medium],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for definition in context.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let group = definition.text("/spec/group").unwrap_or_default();
        let plural = definition.text("/spec/names/plural").unwrap_or_default();
        let kind = definition.text("/spec/names/kind").unwrap_or_default();
        let key = (group.to_owned(), plural.to_owned());
        for (operator, grounds) in context.operators.get(&key).into_iter().flatten() {
            let waits = |step: String, on: String| {
                Drawn::new(step, on, grounds.evidence.clone()).with(grounds.confidence)
            };
            drawn.push(waits(write_step(operator), write_step(&definition.id())));
            for thing in context.of_kind(group, kind) {
                drawn.push(waits(write_step(&thing.id()), write_step(operator)));
            }
        }
    }
    drawn
}
