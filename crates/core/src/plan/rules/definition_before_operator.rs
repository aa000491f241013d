//! An operator waits for the definitions of its kinds.

use super::super::context::{Context, write_step};
use super::{Drawn, Rule};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "DEFINITION_BEFORE_OPERATOR",
    reason: "an operator that starts before its kinds are served crashes, or watches nothing",
    confidence: &[Confidence::High, Confidence::Medium],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for definition in context.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        for (operator, grounds) in context.operators_of(definition) {
            let (step, on) = (write_step(operator), write_step(&definition.id()));
            let edge = Drawn::new(step, on, grounds.evidence.clone());
            drawn.push(edge.with(grounds.confidence));
        }
    }
    drawn
}
