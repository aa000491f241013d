//! Clients wait until the databases that they name are ready.

use super::super::context::{Context, write_step};
use super::super::links::{How, Is};
use super::super::phases::phase;
use super::{Drawn, Rule};
use crate::run::{Confidence, Phase};

pub(super) const RULE: Rule = Rule {
    name: "DATABASE_BEFORE_CLIENT",
    reason: "an application that starts before its database crashes, or writes to nowhere",
    confidence: &[Confidence::Medium],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    linked(context, How::Text, &[Is::Database], Confidence::Medium)
}

/// Edges to what workloads name in their texts, or were seen talking to. Databases name each other as peers: that is no order.
pub(super) fn linked(
    context: &Context<'_>,
    how: How,
    is: &[Is],
    confidence: Confidence,
) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (id, links) in context.links() {
        let is_client = context.things.get(id).is_some_and(|thing| {
            matches!(
                phase(context, id, thing),
                Phase::Applications | Phase::Operators
            )
        });
        let links = links.iter().filter(|link| is_client && link.how == how);
        for link in links.filter(|link| is.contains(&link.is)) {
            let step = write_step(id);
            let edge = Drawn::new(step, link.step.clone(), link.evidence.clone());
            drawn.push(edge.with(confidence));
        }
    }
    drawn
}
