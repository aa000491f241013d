//! Steps in an order that respects all edges; the same for the same steps, however they came.
//!
//! Cycles are `cycles`' matter: there is none left. Called by `plan`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::driver::Problem;
use crate::lookup::Lookup;
use crate::run::{Phase, Step};

/// Of the steps that may come next the one of the earliest phase, then the first by its id.
pub(super) fn order(steps: BTreeMap<String, Step>) -> Result<Vec<Step>, Problem> {
    let count = steps.len();
    let (mut waiting, dependents, phases) = edges(&steps);
    // Ids are sorted: a smaller place is a smaller id.
    let mut free: BinaryHeap<Reverse<(Phase, usize)>> = waiting
        .iter()
        .zip(&phases)
        .enumerate()
        .filter(|(_, (left, _))| **left == 0)
        .map(|(place, (_, phase))| Reverse((*phase, place)))
        .collect();
    let mut position = vec![count; count];
    let mut next = 0;
    while let Some(Reverse((_, place))) = free.pop() {
        position[place] = next;
        next += 1;
        for dependent in &dependents[place] {
            waiting[*dependent] -= 1;
            if waiting[*dependent] == 0 {
                free.push(Reverse((phases[*dependent], *dependent)));
            }
        }
    }
    if next < count {
        return Err(Problem::stuck(
            "plan-cycle",
            "steps wait for each other",
            "report this plan",
        ));
    }
    let mut ordered: Vec<(usize, Step)> = position.into_iter().zip(steps.into_values()).collect();
    ordered.sort_by_key(|(position, _)| *position);
    Ok(ordered.into_iter().map(|(_, step)| step).collect())
}

/// By place: how many others a step waits for, who waits for it, its phase.
fn edges(steps: &BTreeMap<String, Step>) -> (Vec<usize>, Vec<Vec<usize>>, Vec<Phase>) {
    let places: Lookup<&str, usize> = steps.keys().map(String::as_str).zip(0..).collect();
    let mut waiting = vec![0; steps.len()];
    let mut dependents = vec![Vec::new(); steps.len()];
    for (place, step) in steps.values().enumerate() {
        let mut on: Vec<usize> = step
            .needs
            .iter()
            .filter_map(|edge| places.get(edge.on.as_str()).copied())
            .collect();
        on.sort_unstable();
        on.dedup();
        waiting[place] = on.len();
        for one in on {
            dependents[one].push(place);
        }
    }
    let phases = steps.values().map(|step| step.phase).collect();
    (waiting, dependents, phases)
}
