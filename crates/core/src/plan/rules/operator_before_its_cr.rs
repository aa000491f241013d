//! A custom resource waits for the operator that reconciles it.

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
        let kind = definition.text("/spec/names/kind").unwrap_or_default();
        for (operator, grounds) in context.operators_of(definition) {
            for thing in context.of_kind(group, kind) {
                let (step, on) = (write_step(&thing.id()), write_step(operator));
                let edge = Drawn::new(step, on, grounds.evidence.clone());
                drawn.push(edge.with(grounds.confidence));
            }
        }
    }
    drawn
}
