//! Steps in an order that respects all edges; the same for the same steps, however they came. A cycle is an error that
//! names its edges and the rules that drew them.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::Problem;
use crate::run::Step;

pub(super) fn order(steps: BTreeMap<String, Step>) -> Result<Vec<Step>, Problem> {
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in steps.values() {
        let on: BTreeSet<&String> = step.needs.iter().map(|edge| &edge.on).collect();
        waiting.insert(step.id.clone(), on.len());
        for one in on {
            dependents
                .entry(one.clone())
                .or_default()
                .push(step.id.clone());
        }
    }
    let key = |id: &String| (steps.get(id).map(|step| step.phase), id.clone());
    let mut free: BTreeSet<_> = waiting
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(id, _)| key(id))
        .collect();
    let mut ordered = Vec::new();
    while let Some(first) = free.pop_first() {
        let (_, id) = first;
        for dependent in dependents.remove(&id).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(&dependent) {
                *count -= 1;
                if *count == 0 {
                    free.insert(key(&dependent));
                }
            }
        }
        waiting.remove(&id);
        ordered.push(id);
    }
    if !waiting.is_empty() {
        return Err(cycle(&steps, &waiting));
    }
    let mut steps = steps;
    Ok(ordered.iter().filter_map(|id| steps.remove(id)).collect())
}

/// Walks backwards from any step that is left until one comes again.
fn cycle(steps: &BTreeMap<String, Step>, left: &BTreeMap<String, usize>) -> Problem {
    let mut path: Vec<(String, String)> = Vec::new();
    let mut at = left.keys().next().cloned().unwrap_or_default();
    loop {
        if let Some(start) = path.iter().position(|(id, _)| *id == at) {
            let edges: Vec<String> = path[start..]
                .iter()
                .map(|(id, rule)| format!("`{id}` waits by {rule}"))
                .collect();
            return Problem::stuck(
                "plan-cycle",
                format!("steps wait for each other: {}", edges.join(", for ")),
                "take one of these dependencies out of the application",
            );
        }
        let next = steps
            .get(&at)
            .and_then(|step| step.needs.iter().find(|edge| left.contains_key(&edge.on)));
        let Some(edge) = next else {
            return Problem::stuck(
                "plan-cycle",
                "steps wait for each other",
                "report this plan",
            );
        };
        path.push((std::mem::take(&mut at), edge.rule.clone()));
        at = edge.on.clone();
    }
}
