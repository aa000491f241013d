//! Everything waits for phase 0.

use ecow::EcoString;

use super::super::context::{Context, write_step};
use super::{CERTAIN, Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "GUARD_BEFORE_ALL",
    reason: "nothing is written before evidence and access are there",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let guard = EcoString::from("vault-access");
    let waits = |id| Drawn::new(write_step(id), guard.clone(), "phase 0");
    context.things.keys().map(waits).collect()
}
