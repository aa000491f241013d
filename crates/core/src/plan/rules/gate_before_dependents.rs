//! What waits for an object waits for the gates that a user has put on it too.
//!
//! Unlike the other rules it is drawn over edges that others have drawn: an edge to the gate is added to every step that waits for the
//! object by any rule. The edge to the object stays, so that the reason is still told.

use std::collections::{BTreeMap, BTreeSet};

use super::super::context::Context;
use super::{CERTAIN, Drawn, Rule};
use crate::driver::Problem;
use crate::inventory::ThingId;
use crate::run::{Edge, Step};

pub(super) const RULE: Rule = Rule {
    name: "GATE_BEFORE_DEPENDENTS",
    reason: "an object with a gate of a user's own works once that gate is open",
    confidence: CERTAIN,
    draw,
};

/// A gate waits for the object that it is about, and for what it asks.
pub(super) const AFTER: Rule = Rule {
    name: "GATE_AFTER_OBJECT",
    reason: "what is not there yet cannot be asked",
    confidence: CERTAIN,
    draw,
};

/// Drawn by [`hold`], once all others are.
fn draw(_: &Context<'_>) -> Vec<Drawn> {
    Vec::new()
}

/// A gate among the steps.
pub(in super::super) struct Placed {
    /// Its step.
    pub(in super::super) step: String,
    /// Its name.
    pub(in super::super) name: String,
    /// What it is about.
    pub(in super::super) of: ThingId,
    /// Steps that bring the object.
    pub(in super::super) own: BTreeSet<String>,
    /// The one of them after which it works.
    pub(in super::super) works: String,
    /// Steps of what the gate asks, with evidence.
    pub(in super::super) asks: Vec<(String, String)>,
}

/// Draws the edges of all gates. A gate that asks what must wait for it could never open: that is a problem.
pub(in super::super) fn hold(
    steps: &mut BTreeMap<String, Step>,
    gates: &[Placed],
    problems: &mut Vec<Problem>,
) {
    for gate in gates {
        after(steps, gate);
    }
    for gate in gates {
        let closure = closure(steps, &gate.step);
        for (dependent, rule) in dependents(steps, gate, gates) {
            if !closure.contains(&dependent) {
                let evidence = format!("it waits for {}, whose gate this is ({rule})", gate.of);
                if let Some(step) = steps.get_mut(&dependent) {
                    step.needs
                        .insert(Edge::new(&gate.step, RULE.name, evidence));
                }
            } else if !gate.of.is("", "Service") {
                problems.push(circular(steps, gate, &dependent, &rule));
            }
            // A gate on a Service that asks through it needs the workloads behind it, which come after the Service.
        }
    }
}

fn after(steps: &mut BTreeMap<String, Step>, gate: &Placed) {
    let there = |on: &str| steps.contains_key(on);
    let mut edges = vec![(gate.works.clone(), format!("it is about {}", gate.of))];
    edges.extend(
        gate.asks
            .iter()
            .filter(|(on, _)| *on != gate.works)
            .cloned(),
    );
    edges.retain(|(on, _)| there(on));
    if let Some(step) = steps.get_mut(&gate.step) {
        for (on, evidence) in edges {
            step.needs.insert(Edge::new(&on, AFTER.name, evidence));
        }
    }
}

/// Everything that a step waits for, through any number of others.
fn closure(steps: &BTreeMap<String, Step>, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(id) = open.pop() {
        for edge in steps.get(&id).into_iter().flat_map(|step| &step.needs) {
            if found.insert(edge.on.to_string()) {
                open.push(edge.on.to_string());
            }
        }
    }
    found
}

/// Steps that wait for the gate's object, with the rule by which they do. What only cleans up after it does not care.
fn dependents(
    steps: &BTreeMap<String, Step>,
    gate: &Placed,
    gates: &[Placed],
) -> Vec<(String, String)> {
    let of_same = |id: &str| gates.iter().any(|one| one.step == id && one.of == gate.of);
    steps
        .values()
        .filter(|step| !step.cleanup && !gate.own.contains(&step.id) && !of_same(&step.id))
        .filter_map(|step| {
            let edge = step
                .needs
                .iter()
                .find(|edge| gate.own.contains(edge.on.as_str()))?;
            Some((step.id.clone(), edge.rule.to_string()))
        })
        .collect()
}

fn circular(steps: &BTreeMap<String, Step>, gate: &Placed, dependent: &str, rule: &str) -> Problem {
    let asked = gate
        .asks
        .iter()
        .find(|(on, _)| on == dependent || closure(steps, on).contains(dependent));
    let asks = asked.map_or_else(String::new, |(_, evidence)| format!(": {evidence}"));
    Problem::stuck(
        "gate-circular",
        format!(
            "gate {} of {} could never open{asks}, so it waits for `{dependent}`, which waits for {} itself ({rule})",
            gate.name, gate.of, gate.of
        ),
        format!(
            "let it ask what needs {} not, or put it on what it asks; to recover this point without it: `--skip-gate {}`",
            gate.of, gate.name
        ),
    )
}
