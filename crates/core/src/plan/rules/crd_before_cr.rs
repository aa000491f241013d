//! A custom resource waits for its definition.

use super::super::context::{Context, write_step};
use super::{CERTAIN, Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "CRD_BEFORE_CR",
    reason: "a kind is not served before its definition is established",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for definition in context.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let group = definition.text("/spec/group").unwrap_or_default();
        let kind = definition.text("/spec/names/kind").unwrap_or_default();
        for thing in context.of_kind(group, kind) {
            let evidence = format!("{} defines {kind}.{group}", definition.id());
            drawn.push(Drawn::new(
                write_step(&thing.id()),
                write_step(&definition.id()),
                evidence,
            ));
        }
    }
    drawn
}
