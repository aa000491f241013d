//! Clients wait until the databases that they name are ready.

use super::super::context::{Context, write_step};
use super::super::links::{How, Is, Link};
use super::super::phases::phase;
use super::{Drawn, Rule};
use crate::inventory::ThingId;
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

/// Edges to what workloads name in their texts, or were seen talking to. Databases name each other as peers: that is no order. Nor is it
/// one when two were seen talking to each other.
pub(super) fn linked(
    context: &Context<'_>,
    how: How,
    is: &[Is],
    confidence: Confidence,
) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    let wanted = |id: &ThingId| {
        let is_client = is_client(context, id);
        let links = context.links().get(id).into_iter().flatten();
        let links = links.filter(move |link| is_client && link.how == how);
        links.filter(|link| is.contains(&link.is))
    };
    let are_peers = |id: &ThingId, link: &Link| {
        let is_seen = matches!(how, How::Seen | How::SeenByAddress);
        is_seen && wanted(&link.thing).any(|back| back.thing == *id)
    };
    for id in context.links().keys() {
        for link in wanted(id).filter(|link| !are_peers(id, link)) {
            let step = write_step(id);
            let edge = Drawn::new(step, link.step.clone(), link.evidence.clone());
            drawn.push(edge.with(confidence));
        }
    }
    drawn
}

fn is_client(context: &Context<'_>, id: &ThingId) -> bool {
    context.things.get(id).is_some_and(|thing| {
        matches!(
            phase(context, id, thing),
            Phase::Applications | Phase::Operators
        )
    })
}
