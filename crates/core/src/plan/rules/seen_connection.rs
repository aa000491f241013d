//! Clients wait for the databases, queues and caches that they were seen talking to; never for plain applications.

use super::super::context::Context;
use super::super::links::{How, Is};
use super::database_before_client::linked;
use super::{Drawn, Rule};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "SEEN_CONNECTION",
    reason: "an application that was seen talking to a database, a queue or a cache needs it, whatever its configuration says",
    confidence: &[Confidence::High, Confidence::Medium],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let wanted = [Is::Database, Is::Server];
    let mut drawn = linked(context, How::Seen, &wanted, Confidence::High);
    // An address may have been another's when the connection was seen.
    let by_address = linked(context, How::SeenByAddress, &wanted, Confidence::Medium);
    drawn.extend(by_address);
    drawn
}
