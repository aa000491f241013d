//! What the chosen things wait for: drawn in, or missing at the target; and which steps are left.

use std::collections::{BTreeMap, BTreeSet};

use super::claim_of;
use crate::driver::Problem;
use crate::inventory::{Inventory, ThingId};
use crate::plan::adopted::is_made_by_cluster;
use crate::plan::conflicts::there;
use crate::plan::context::{Context, hand_over_step, ready_step, write_step};
use crate::run::{Edge, Step};

/// The thing that each step is about. Steps of nothing (access to the vault, what an engine's files need) follow from those.
pub(super) type Owners = BTreeMap<String, ThingId>;

pub(super) fn owners(context: &Context<'_>) -> Owners {
    let mut owners = Owners::new();
    for id in context.things.keys() {
        owners.insert(write_step(id), id.clone());
    }
    for part in context.parts {
        let Some(claim) = claim_of(part) else {
            continue;
        };
        owners.insert(format!("fill {}", part.id), claim.clone());
        owners.insert(hand_over_step(&part.id), claim.clone());
        owners.insert(format!("reap {}", part.id), claim);
    }
    for member in context.engines() {
        owners.insert(ready_step(&member.name), member.thing.clone());
    }
    owners
}

/// Phase 0 is no need of an object: it follows from the volumes that are filled.
fn is_need(edge: &Edge) -> bool {
    edge.rule != "GUARD_BEFORE_ALL"
}

/// A rule that does not know what a thing needs waits for all: that orders, and asks for nothing to be there.
fn is_guess(edge: &Edge) -> bool {
    edge.rule == "DATABASES_BEFORE_UNKNOWN_CLIENT"
}

/// What the chosen things need beyond themselves: the thing, who needs it, and the edge.
fn beyond<'a>(
    owners: &'a Owners,
    steps: &'a BTreeMap<String, Step>,
    chosen: &BTreeSet<ThingId>,
) -> Vec<(&'a ThingId, &'a ThingId, &'a Edge)> {
    let mut found = Vec::new();
    for (id, step) in steps {
        let Some(by) = owners.get(id).filter(|by| chosen.contains(by)) else {
            continue;
        };
        for edge in step
            .needs
            .iter()
            .filter(|edge| is_need(edge) && !is_guess(edge))
        {
            if let Some(on) = owners.get(edge.on.as_str())
                && !chosen.contains(on)
            {
                found.push((on, by, edge));
            }
        }
    }
    found
}

/// Chooses all that is needed, not at the target and wanted, and what that needs.
pub(super) fn draw_in(
    owners: &Owners,
    steps: &BTreeMap<String, Step>,
    target: &Inventory,
    wanted: impl Fn(&ThingId, &BTreeSet<ThingId>) -> bool,
    chosen: &mut BTreeSet<ThingId>,
) {
    loop {
        let more: Vec<ThingId> = beyond(owners, steps, chosen)
            .into_iter()
            .map(|(on, _, _)| on)
            .filter(|on| there(target, on).is_none() && wanted(on, chosen))
            .cloned()
            .collect();
        if more.is_empty() {
            return;
        }
        chosen.extend(more);
    }
}

/// What the cluster makes in a namespace is awaited when the namespace is new.
pub(super) fn comes_with_namespace(id: &ThingId, chosen: &BTreeSet<ThingId>) -> bool {
    let namespace = id.namespace.as_deref().unwrap_or_default();
    is_made_by_cluster(id) && chosen.contains(&ThingId::cluster("", "Namespace", namespace))
}

/// What is needed, not chosen, and not at the target.
pub(super) fn missing(
    owners: &Owners,
    steps: &BTreeMap<String, Step>,
    target: &Inventory,
    skipped: &BTreeSet<ThingId>,
    chosen: &BTreeSet<ThingId>,
) -> Vec<Problem> {
    let mut told: BTreeMap<&ThingId, (&ThingId, &Edge)> = BTreeMap::new();
    for (on, by, edge) in beyond(owners, steps, chosen) {
        if there(target, on).is_none() && !is_made_by_cluster(on) {
            told.entry(on).or_insert((by, edge));
        }
    }
    told.into_iter()
        .map(|(on, (by, edge))| {
            let hint = if skipped.contains(on) {
                "do not skip it, or create it at the target"
            } else {
                "add it with `--only`, or draw in all that is needed with `--with-needs`"
            };
            Problem::stuck(
                "selection-needs",
                format!(
                    "{by} needs {on} ({}: {}), which is neither selected nor at the target",
                    edge.rule, edge.evidence
                ),
                hint,
            )
        })
        .collect()
}

/// Takes out the steps of what is not chosen, and those that only they need.
pub(super) fn keep(
    owners: &Owners,
    steps: &mut BTreeMap<String, Step>,
    chosen: &BTreeSet<ThingId>,
) {
    let mut kept: BTreeSet<String> = steps
        .keys()
        .filter(|id| owners.get(*id).is_some_and(|of| chosen.contains(of)))
        .cloned()
        .collect();
    let mut open: Vec<String> = kept.iter().cloned().collect();
    while let Some(id) = open.pop() {
        let Some(step) = steps.get(&id) else {
            continue;
        };
        for edge in step.needs.iter().filter(|edge| is_need(edge)) {
            if !owners.contains_key(edge.on.as_str()) && kept.insert(edge.on.to_string()) {
                open.push(edge.on.to_string());
            }
        }
    }
    let cleaning: Vec<String> = steps
        .values()
        .filter(|step| step.cleanup && !owners.contains_key(&step.id))
        .filter(|step| {
            step.needs
                .iter()
                .any(|edge| kept.contains(edge.on.as_str()))
        })
        .map(|step| step.id.clone())
        .collect();
    kept.extend(cleaning);
    steps.retain(|id, _| kept.contains(id));
    for step in steps.values_mut() {
        step.needs.retain(|edge| kept.contains(edge.on.as_str()));
    }
}
