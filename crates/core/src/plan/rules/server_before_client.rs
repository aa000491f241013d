//! Clients wait until the queues, caches and operators that they name work; never for plain applications, which name each
//! other all around.

use super::super::context::Context;
use super::super::links::{How, Is};
use super::database_before_client::linked;
use super::{Drawn, Rule};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "SERVER_BEFORE_CLIENT",
    reason: "an application that starts before its queue or its cache crashes, or loses what it wanted to send",
    confidence: &[Confidence::Medium],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    linked(context, How::Text, &[Is::Server], Confidence::Medium)
}
