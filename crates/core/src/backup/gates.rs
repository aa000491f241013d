//! The gates of a protection, checked against what is there: each names one object, and says something that can be asked of it. Called
//! while a backup is planned.

use std::collections::BTreeSet;

use serde_json::Value;

use super::goal::BackupGoal;
use super::point::Finding;
use crate::driver::Problem;
use crate::inventory::{Inventory, Thing};
use crate::readiness::user::cel::{Expression, Judged};
use crate::readiness::user::{Check, UserGate, annotated, annotation_of};

/// A gate as the protection says it.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedGate {
    /// Its name, of lower-case letters, digits and `-`.
    pub name: String,
    /// API group of the object; any when `None`.
    pub group: Option<String>,
    /// Kind of the object.
    pub kind: String,
    /// Namespace of the object; any protected one, or none, when `None`.
    pub namespace: Option<String>,
    /// Name of the object.
    pub of: String,
    /// It is waited for at most so many seconds.
    pub seconds_max: u32,
    /// One kind with its words: `{"cel": "object.status.ready"}`.
    pub check: Value,
}

/// Longest name of a gate.
const NAME_MAX: usize = 50;

/// The gates to store, and what a person should know of those that the objects say themselves.
pub(super) fn check(
    inventory: &Inventory,
    goal: &BackupGoal,
    findings: &mut Vec<Finding>,
    problems: &mut Vec<Problem>,
) -> Vec<UserGate> {
    let mut names = BTreeSet::new();
    let mut gates = Vec::new();
    for wanted in &goal.gates {
        if !names.insert(wanted.name.as_str()) {
            problems.push(malformed(wanted, "two gates have this name"));
            continue;
        }
        match resolve(inventory, goal, wanted) {
            Ok((gate, check, thing)) => {
                at_source(&gate, &check, thing, findings, problems);
                gates.push(gate);
            }
            Err(problem) => problems.push(problem),
        }
    }
    for thing in inventory.iter().filter(|thing| is_inside(thing, goal)) {
        for gate in annotated(thing) {
            annotated_gate(&gate, thing, findings);
        }
    }
    gates
}

fn malformed(wanted: &WantedGate, why: &str) -> Problem {
    Problem::stuck(
        "gate-malformed",
        format!("gate `{}`: {why}", wanted.name),
        "correct `gates` in the protection",
    )
}

fn is_inside(thing: &Thing, goal: &BackupGoal) -> bool {
    match thing.namespace() {
        Some(namespace) => goal.namespaces.iter().any(|one| one == namespace),
        None => {
            thing.id().is("", "Namespace") && goal.namespaces.iter().any(|one| one == thing.name())
                || goal.owned.contains(&thing.id())
        }
    }
}

fn resolve<'a>(
    inventory: &'a Inventory,
    goal: &BackupGoal,
    wanted: &WantedGate,
) -> Result<(UserGate, Check, &'a Thing), Problem> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = (1..=NAME_MAX).contains(&wanted.name.len())
        && wanted.name.chars().all(inner)
        && !wanted.name.starts_with('-')
        && !wanted.name.ends_with('-');
    if !good {
        let why = format!("its name is not 1 to {NAME_MAX} lower-case letters, digits and `-`");
        return Err(malformed(wanted, &why));
    }
    let is_meant = |thing: &&Thing| {
        thing.resource.kind == wanted.kind
            && thing.name() == wanted.of
            && wanted
                .group
                .as_ref()
                .is_none_or(|group| *group == thing.resource.group)
            && (wanted.namespace.is_none() || wanted.namespace.as_deref() == thing.namespace())
            && is_inside(thing, goal)
    };
    let found: Vec<&Thing> = inventory.iter().filter(is_meant).collect();
    let thing = match found.as_slice() {
        [one] => *one,
        [] => {
            let near: Vec<String> = inventory
                .iter()
                .filter(|thing| is_inside(thing, goal))
                .filter(|thing| thing.name() == wanted.of || thing.resource.kind == wanted.kind)
                .map(|thing| thing.id().to_string())
                .take(5)
                .collect();
            let near = if near.is_empty() {
                String::new()
            } else {
                format!(" (there: {})", near.join(", "))
            };
            return Err(Problem::stuck(
                "gate-without-object",
                format!(
                    "gate `{}`: no {} `{}` is in the protected namespaces",
                    wanted.name, wanted.kind, wanted.of
                ),
                format!("correct its `of` in the protection{near}"),
            ));
        }
        [first, second, ..] => {
            let why = format!("its `of` is both {} and {}", first.id(), second.id());
            return Err(malformed(
                wanted,
                &format!("{why}: add `namespace` or `apiVersion`"),
            ));
        }
    };
    let gate = UserGate {
        name: wanted.name.clone(),
        of: thing.id(),
        seconds_max: wanted.seconds_max,
        check: wanted.check.clone(),
    };
    let check = gate.check().map_err(|why| malformed(wanted, &why))?;
    Ok((gate, check, thing))
}

/// A condition that does not hold here and now may never hold at the other site.
fn at_source(
    gate: &UserGate,
    check: &Check,
    thing: &Thing,
    findings: &mut Vec<Finding>,
    problems: &mut Vec<Problem>,
) {
    let Check::Cel(source) = check else {
        return;
    };
    let Ok(expression) = Expression::parse(source) else {
        return;
    };
    let why = match expression.judge(&thing.object.to_value()) {
        Judged::True => return,
        Judged::False(why) | Judged::Absent(why) | Judged::Wrong(why) => why,
        Judged::TooCostly => {
            problems.push(Problem::stuck(
                "gate-too-costly",
                format!(
                    "gate {}: its condition costs too much to judge {}",
                    gate.name, gate.of
                ),
                "say it with fewer `all`, `exists`, `filter` and `map` inside of one another",
            ));
            return;
        }
    };
    findings.push(Finding {
        code: "gate-closed-at-source".to_owned(),
        thing: gate.of.to_string(),
        message: format!("gate {} is not open here and now: {why}", gate.name),
    });
}

/// An annotation is not the protection's: what is wrong with it fails no backup.
fn annotated_gate(gate: &UserGate, thing: &Thing, findings: &mut Vec<Finding>) {
    let mut costs = Vec::new();
    let why = match gate.check() {
        Ok(check) => {
            at_source(gate, &check, thing, findings, &mut costs);
            match costs.pop() {
                None => return,
                Some(problem) => problem.message,
            }
        }
        Err(why) => why,
    };
    findings.push(Finding {
        code: "gate-unreadable".to_owned(),
        thing: gate.of.to_string(),
        message: format!(
            "its annotation `{}` says no gate: {why}; a recovery of this point will need `--skip-gate {}`",
            annotation_of(&gate.name).unwrap_or_default(),
            gate.name
        ),
    });
}
