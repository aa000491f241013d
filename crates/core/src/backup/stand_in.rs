//! Servers of one workload of which one is copied for all: what the checks said, and what follows for parts and steps.
//!
//! A check may leave volumes out (those of servers that are rebuilt from the copied one), and may name the claim as which a
//! copy comes back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

use super::point::{Finding, PointContent};
use super::steps::CAPTURE;
use crate::capture::Captured;
use crate::driver::Outcome;
use crate::recovery::Direction;
use crate::run::{Step, Work};

/// Fact of a check: parts that are not taken.
pub const LEFT_OUT: &str = "left_out";
/// Fact of a step about a volume that was not captured.
const NOT_CAPTURED: &str = "not_captured";
/// Fact of a check: by how many seconds the member's copy may be older than its cut.
pub const BEHIND_SECONDS: &str = "behind_seconds";
/// Fact of a check: as which part a part comes back, by part.
pub const COMES_BACK_AS: &str = "comes_back_as";

/// Parts that checks have left out.
pub fn left_out<'a>(checks: impl Iterator<Item = &'a Outcome>) -> BTreeSet<String> {
    checks
        .filter_map(|check| check.facts.get(LEFT_OUT)?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// True for a step that would expose or move a volume that was not captured: there is nothing to do.
pub fn is_of_left_out(step: &Step, prior: &BTreeMap<String, Outcome>) -> bool {
    match &step.work {
        Work::Driver {
            op: crate::driver::Op::Expose,
            claim,
            ..
        } => {
            let captured = prior.get(CAPTURE).and_then(Captured::of);
            let part = super::members::part_id(&claim.thing);
            captured.is_some_and(|captured| !captured.cuts.contains_key(&part))
        }
        Work::Fill(filling) => {
            filling.direction == Direction::Backup
                && prior
                    .get(&format!("expose {}", filling.part))
                    .is_some_and(|exposed| exposed.facts.contains_key(NOT_CAPTURED))
        }
        Work::Driver { .. }
        | Work::SystemNamespace
        | Work::Write(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::Gate(_)
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::StoreObjects
        | Work::Seal { .. } => false,
    }
}

/// The outcome of such a step.
pub fn nothing_to_do() -> Outcome {
    Outcome::default().with(NOT_CAPTURED, true)
}

/// Takes the parts out that were left out.
pub(super) fn drop_parts(point: &mut PointContent, left_out: &BTreeSet<String>) {
    point.parts.retain(|part| !left_out.contains(&part.id));
    for member in &mut point.members {
        member.parts.retain(|part| !left_out.contains(part));
    }
}

/// The copy of a member that may be behind counts as older than its cut: what is lost is never said to be less than it is.
pub(super) fn set_back(point: &mut PointContent, member: &str, checked: &Outcome) {
    let Some(seconds) = checked
        .number(BEHIND_SECONDS)
        .filter(|&seconds| seconds > 0)
    else {
        return;
    };
    let behind = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let of_member = |one: &&super::point::Member| one.name == member;
    let parts = point.members.iter().find(of_member).map(|one| &one.parts);
    let parts = parts.cloned().unwrap_or_default();
    for part in point
        .parts
        .iter_mut()
        .filter(|part| parts.contains(&part.id))
    {
        part.cut = part.cut.checked_sub(behind).unwrap_or(part.cut);
    }
}

/// Says which volumes come back empty: those of servers that are rebuilt.
pub(super) fn say_left_out(
    point: &mut PointContent,
    left_out: &BTreeSet<String>,
    names: &BTreeMap<String, String>,
) {
    let back: BTreeSet<&String> = names.values().collect();
    let empty = left_out.iter().chain(names.keys());
    for part in empty.filter(|part| !back.contains(part)) {
        point.findings.push(Finding {
            code: "replica-left-out".to_owned(),
            thing: part.clone(),
            message: "one server of this database was copied for all: this volume comes back empty, and its server is rebuilt from the recovered one".to_owned(),
        });
    }
}

/// Gives parts the names, and the claims, as which they come back.
pub(super) fn rename_parts(
    point: &mut PointContent,
    names: &BTreeMap<String, String>,
    claims: &BTreeMap<String, Value>,
) {
    for part in &mut point.parts {
        if let Some(name) = names.get(&part.id) {
            if let Some(claim) = claims.get(name) {
                part.claim.clone_from(claim);
            }
            part.id.clone_from(name);
        }
    }
    for member in &mut point.members {
        for part in &mut member.parts {
            if let Some(name) = names.get(part) {
                part.clone_from(name);
            }
        }
    }
}
