//! What lives in a namespace waits for it.

use super::super::context::{Context, hand_over_step, write_step};
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::ThingId;

pub(super) const RULE: Rule = Rule {
    name: "NAMESPACE_BEFORE_CONTENTS",
    reason: "the API server refuses objects of a namespace that is not there, and pods before its default ServiceAccount",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let namespace = |name: &str| write_step(&ThingId::cluster("", "Namespace", name));
    let things = context.things.keys().filter_map(|id| {
        let name = id.namespace.as_deref()?;
        Some(Drawn::new(
            write_step(id),
            namespace(name),
            "metadata.namespace",
        ))
    });
    let parts = context.parts.iter().filter_map(|part| {
        let (name, _) = part.id.split_once('/')?;
        Some(Drawn::new(
            hand_over_step(&part.id),
            namespace(name),
            "metadata.namespace",
        ))
    });
    things.chain(parts).collect()
}
