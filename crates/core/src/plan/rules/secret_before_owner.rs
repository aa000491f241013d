//! A custom resource waits for the Secrets that its operator had made for it.

use super::super::context::{Context, write_step};
use super::{Drawn, HIGH, Rule};
use crate::readiness::is_custom;

pub(super) const RULE: Rule = Rule {
    name: "SECRET_BEFORE_OWNER",
    reason: "an operator keeps the Secret that it finds; where it finds none it makes a new password, and the data knows the old one",
    confidence: HIGH,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for secret in context.of_kind("", "Secret") {
        let owner = context.root(secret);
        if let Some(owner) = owner.filter(|owner| is_custom(&owner.resource.group)) {
            let evidence = format!("{}: metadata.ownerReferences", secret.id());
            let edge = Drawn::new(write_step(&owner.id()), write_step(&secret.id()), evidence);
            drawn.push(edge.with(HIGH[0]));
        }
    }
    drawn
}
