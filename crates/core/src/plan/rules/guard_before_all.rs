//! Everything waits for phase 0.

use super::super::context::{Context, write_step};
use super::{CERTAIN, Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "GUARD_BEFORE_ALL",
    reason: "nothing is written before evidence and access are there",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    context
        .things
        .keys()
        .map(|id| {
            let guard = "vault-access".to_owned();
            Drawn::new(write_step(id), guard, "phase 0")
        })
        .collect()
}
