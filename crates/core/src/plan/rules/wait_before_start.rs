//! What an init container or a probe waits for comes first, whatever it is.

use super::super::context::{Context, write_step};
use super::super::links::How;
use super::{Drawn, Rule};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "WAIT_BEFORE_START",
    reason: "a pod whose init container or probe waits for a Service is not ready before that answers",
    confidence: &[Confidence::High],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (id, links) in context.links() {
        for link in links.iter().filter(|link| link.how == How::Wait) {
            let step = write_step(id);
            let edge = Drawn::new(step, link.step.clone(), link.evidence.clone());
            drawn.push(edge.with(Confidence::High));
        }
    }
    drawn
}
