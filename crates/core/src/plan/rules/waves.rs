//! Objects in waves, as authors number them: each wave waits for the one before.
//!
//! Knows no author's annotations: `sync_wave` and `helm_hook` read them. Holds no rule.

use std::collections::BTreeMap;

use super::super::context::{Context, write_step};
use super::Drawn;
use crate::inventory::{Thing, ThingId};
use crate::run::Confidence;

/// Between two waves with more pairs than this only those that take time wait for each other.
const PAIRS_MAX: usize = 20_000;

/// Stage first, then the author's number.
pub(super) type Wave = (u8, i64);

/// One application's objects by wave.
pub(super) type Waves<'a> = BTreeMap<Wave, Vec<&'a Thing>>;

pub(super) fn draw(
    context: &Context<'_>,
    waves: &Waves<'_>,
    told: &dyn Fn(Wave) -> String,
) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for ((before, earlier), (after, later)) in waves.iter().zip(waves.iter().skip(1)) {
        let evidence = format!("{} comes before {}", told(*before), told(*after));
        drawn.extend(all_before(context, earlier, later, &evidence));
    }
    drawn
}

/// Each of the later waits for each of the earlier.
pub(super) fn all_before(
    context: &Context<'_>,
    earlier: &[&Thing],
    later: &[&Thing],
    evidence: &str,
) -> Vec<Drawn> {
    let slow = |things: &[&Thing]| -> Vec<ThingId> {
        let all = things.iter().filter(|thing| takes_time(thing));
        all.map(|thing| thing.id()).collect()
    };
    let ids = |things: &[&Thing]| things.iter().map(|thing| thing.id()).collect::<Vec<_>>();
    let (mut on, mut waiting) = (ids(earlier), ids(later));
    if on.len() * waiting.len() > PAIRS_MAX {
        on = slow(earlier);
    }
    if on.len() * waiting.len() > PAIRS_MAX {
        waiting = slow(later);
    }
    if on.len() * waiting.len() > PAIRS_MAX {
        // The waves of so large an application are told by a few: all of the later wait for the first of the earlier.
        on.truncate((PAIRS_MAX / waiting.len().max(1)).max(1));
    }
    let mut drawn = Vec::with_capacity(on.len() * waiting.len());
    for waits in &waiting {
        for one in &on {
            let edge = Drawn::new(write_step(waits), context.works_step(one), evidence);
            drawn.push(edge.with(Confidence::High));
        }
    }
    drawn
}

/// What is ready later than it is written: what runs pods, and resources of operators.
fn takes_time(thing: &Thing) -> bool {
    thing.pod_spec().is_some() || thing.resource.group.contains('.')
}
