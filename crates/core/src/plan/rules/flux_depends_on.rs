//! Flux's `dependsOn`: what one Kustomization or HelmRelease applies waits for what another does.

use std::collections::{BTreeMap, BTreeSet};

use super::super::context::Context;
use super::waves::all_before;
use super::{Drawn, HIGH, Rule};
use crate::inventory::{FLUX_KINDS, Thing, ThingId, applied_by, depends_on};

pub(super) const RULE: Rule = Rule {
    name: "FLUX_DEPENDS_ON",
    reason: "the author has said which Kustomization or HelmRelease depends on which",
    confidence: HIGH,
    draw,
};

/// What is carried, by what Flux applied it by.
fn applied<'a>(context: &Context<'a>) -> BTreeMap<ThingId, Vec<&'a Thing>> {
    let mut applied: BTreeMap<ThingId, Vec<&Thing>> = BTreeMap::new();
    if FLUX_KINDS
        .iter()
        .any(|of| context.is_marked(&[of.name_label]))
    {
        for thing in context.things.values() {
            for by in applied_by(thing) {
                applied.entry(by).or_default().push(thing);
            }
        }
    }
    applied
}

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let applied = applied(context);
    let mut drawn = Vec::new();
    for (id, later) in &applied {
        let Some(source) = context.objects.get(id) else {
            continue;
        };
        for (place, on) in depends_on(source) {
            if let Some(earlier) = applied.get(&on) {
                let evidence = format!("{id}: spec.dependsOn[{place}]");
                drawn.extend(all_before(context, earlier, later, &evidence));
            }
        }
    }
    drawn
}

/// That the order which Flux keeps is not known, if so.
pub(in super::super) fn flux_unknown(context: &Context<'_>) -> Option<String> {
    let mut all: BTreeSet<ThingId> = applied(context).into_keys().collect();
    all.retain(|id| context.objects.get(id).is_none());
    let first = all.first()?;
    let others = match all.len() {
        1 => String::new(),
        2 => " and 1 other".to_owned(),
        count => format!(" and {} others", count - 1),
    };
    Some(format!(
        "the point does not hold {first}{others}, which applied some of it: what Flux lets wait for what is not known; if it is \
         still there, take a point with the right to list its kind in all namespaces"
    ))
}
