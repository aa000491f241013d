//! The engine's own steps of a backup: vault access for movers, storing the objects, assembling and signing the point.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::point::{CaptureTimes, Finding, Held, Member, Mode, Part, PointContent, StoredObjects};
use super::stand_in;
use super::steps::CAPTURE;
use crate::capture::{Captured, CutMade};
use crate::driver::{
    Class, Effect, ObjectRef, Outcome, Precondition, Problem, Propagation, Query, Seen, Verdict,
    Why,
};
use crate::inventory::Resource;
use crate::names::{LABEL_RUN, SYSTEM_NAMESPACE};
use crate::planted::{self, Bug};
use crate::recovery::{system_namespace_decide, system_namespace_look, vault_secret_name};
use crate::run::{Progress, RunPlan};

fn secret(plan: &RunPlan) -> ObjectRef {
    let resource = Resource::namespaced("v1", "Secret", "secrets");
    ObjectRef::namespaced(resource, SYSTEM_NAMESPACE, &vault_secret_name(&plan.run))
}

/// Reads Refloat's namespace and the run's Secret.
pub fn vault_access_look(plan: &RunPlan) -> Vec<Query> {
    let mut queries = system_namespace_look();
    queries.extend(vault_access_end_look(plan));
    queries
}

/// Has the Secret made when it is not there, and the namespace before it: a step has made that, but somebody may have deleted it since.
pub fn vault_access_decide(plan: &RunPlan, seen: &Seen) -> Verdict {
    let namespace = system_namespace_decide(seen);
    if !matches!(namespace, Verdict::Done(_)) {
        return namespace;
    }
    match seen.object(&secret(plan)) {
        Err(problem) => problem.into(),
        Ok(Some(_)) => Verdict::Done(Outcome::default()),
        Ok(None) => Verdict::Act(vec![Effect::GrantVault {
            namespace: SYSTEM_NAMESPACE.to_owned(),
            name: vault_secret_name(&plan.run),
            labels: BTreeMap::from([
                (LABEL_RUN.to_owned(), plan.run.to_string()),
                (
                    "app.kubernetes.io/managed-by".to_owned(),
                    "refloat".to_owned(),
                ),
            ]),
        }]),
    }
}

/// Reads the run's Secret.
pub fn vault_access_end_look(plan: &RunPlan) -> Vec<Query> {
    vec![Query::Object(secret(plan))]
}

/// Deletes the Secret.
pub fn vault_access_end_decide(plan: &RunPlan, seen: &Seen) -> Verdict {
    match seen.object(&secret(plan)) {
        Err(problem) => problem.into(),
        Ok(None) => Verdict::Done(Outcome::default()),
        Ok(Some(live)) if live.pointer("/metadata/deletionTimestamp").is_some() => {
            Verdict::Wait(Why::new(
                "being-deleted",
                format!("{} is being deleted", secret(plan).id()),
            ))
        }
        Ok(Some(live)) => Verdict::Act(vec![Effect::Delete {
            object: secret(plan),
            precondition: Precondition::same_uid(live),
            propagation: Propagation::Background,
        }]),
    }
}

/// Stores the objects once; the answer is the outcome.
pub fn store_objects_decide(effected: Option<&Outcome>) -> Verdict {
    match effected {
        Some(outcome) => Verdict::Done(outcome.clone()),
        None => Verdict::Act(vec![Effect::StoreObjects]),
    }
}

/// Assembles the point from what the steps achieved, and has it signed.
pub fn seal_decide(
    draft: &Value,
    progress: &Progress,
    effected: Option<&Outcome>,
    _now: Timestamp,
) -> Verdict {
    if let Some(outcome) = effected {
        return Verdict::Done(outcome.clone());
    }
    match assemble(draft, progress) {
        Ok(point) => match serde_json::to_value(&point) {
            Ok(point) => Verdict::Act(vec![Effect::Seal(point)]),
            Err(error) => Verdict::Stuck(bug(&error.to_string())),
        },
        Err(problem) => Verdict::Stuck(problem),
    }
}

fn bug(message: &str) -> Problem {
    Problem::of(
        Class::Bug,
        "point-incomplete",
        format!("the point cannot be sealed: {message}"),
        "this is a defect of Refloat: please report it with the journal of the run",
    )
}

fn outcome<'a>(progress: &'a Progress, step: &str) -> Result<&'a Outcome, Problem> {
    progress
        .outcome(step)
        .ok_or_else(|| bug(&format!("step `{step}` has no outcome")))
}

fn text(outcome: &Outcome, step: &str, key: &str) -> Result<String, Problem> {
    outcome
        .text(key)
        .map(str::to_owned)
        .ok_or_else(|| bug(&format!("step `{step}` did not say `{key}`")))
}

fn number(outcome: &Outcome, step: &str, key: &str) -> Result<u64, Problem> {
    outcome
        .number(key)
        .ok_or_else(|| bug(&format!("step `{step}` did not say `{key}`")))
}

fn time(outcome: &Outcome, step: &str, key: &str) -> Result<Timestamp, Problem> {
    text(outcome, step, key)?
        .parse()
        .map_err(|error| bug(&format!("step `{step}`, `{key}`: {error}")))
}

/// The point: the draft with every part, mode and engine fact that the steps brought.
fn assemble(draft: &Value, progress: &Progress) -> Result<PointContent, Problem> {
    let mut point: PointContent =
        serde_json::from_value(draft.clone()).map_err(|error| bug(&error.to_string()))?;
    let captured = Captured::of(outcome(progress, CAPTURE)?)
        .ok_or_else(|| bug(&format!("step `{CAPTURE}` brought no capture")))?;
    let left_out = stand_in::left_out(progress.outcomes().map(|(_, outcome)| outcome));
    let claims: BTreeMap<String, Value> = point
        .parts
        .iter()
        .map(|part| (part.id.clone(), part.claim.clone()))
        .collect();
    stand_in::drop_parts(&mut point, &left_out);
    for part in &mut point.parts {
        let cut = captured.cuts.get(&part.id);
        let cut = cut.ok_or_else(|| bug(&format!("part {} was not cut", part.id)))?;
        let said = Outcome {
            facts: cut.facts.clone(),
        };
        part.cut = time(&said, CAPTURE, "cut")?;
        part.snapshot_handle = text(&said, CAPTURE, "snapshot_handle")?;
        if let Some(finding) = trust_own_clock(part, cut) {
            point.findings.push(finding);
        }
        let move_step = format!("move {}", part.id);
        if planted::is(Bug::SealsBeforeParts) && !progress.is_done(&move_step) {
            continue;
        }
        let moved = outcome(progress, &move_step)?;
        part.snapshot = text(moved, &move_step, "snapshot")?;
        part.tree = text(moved, &move_step, "tree")?;
        part.files = number(moved, &move_step, "files")?;
        part.bytes = number(moved, &move_step, "bytes")?;
        part.bytes_added = number(moved, &move_step, "bytes_added")?;
    }
    for member in &mut point.members {
        take_member(member, progress, &captured)?;
    }
    let members: Vec<String> = point.members.iter().map(|one| one.name.clone()).collect();
    for member in &members {
        if let Some(checked) = progress.outcome(&format!("check {member}")) {
            stand_in::set_back(&mut point, member, checked);
        }
    }
    let names = names(progress);
    stand_in::rename_parts(&mut point, &names, &claims);
    stand_in::say_left_out(&mut point, &left_out, &names);
    let mut ids: Vec<&str> = point.parts.iter().map(|part| part.id.as_str()).collect();
    ids.sort_unstable();
    if let Some([twice, _]) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
        return Err(bug(&format!("two parts are called {twice}")));
    }
    point.capture = Some(CaptureTimes {
        held_milliseconds: captured.held_milliseconds,
        barrier_milliseconds: captured.barrier_milliseconds,
        slowest_cut_milliseconds: captured.slowest_cut_milliseconds(),
        aligned: are_aligned(&point.members),
    });
    let stored = outcome(progress, "store-objects")?;
    point.objects = Some(StoredObjects {
        snapshot: text(stored, "store-objects", "snapshot")?,
        tree: text(stored, "store-objects", "tree")?,
        count: number(stored, "store-objects", "count")?,
        listed: time(stored, "store-objects", "listed")?,
    });
    Ok(point)
}

/// As which part a part comes back, where its check said so.
fn names(progress: &Progress) -> BTreeMap<String, String> {
    let checks = progress.outcomes().map(|(_, outcome)| outcome);
    let named = checks.filter_map(|check| check.facts.get(stand_in::COMES_BACK_AS)?.as_object());
    named
        .flatten()
        .filter_map(|(part, name)| Some((part.clone(), name.as_str()?.to_owned())))
        .collect()
}

/// How far the storage's clock may be from the engine's.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(1);

/// A cut whose time cannot be, by the engine's clock, counts from when it was asked for.
fn trust_own_clock(part: &mut Part, cut: &CutMade) -> Option<Finding> {
    let early = cut.asked.duration_since(part.cut);
    let late = part.cut.duration_since(cut.seen);
    if early <= SKEW_MAX && late <= SKEW_MAX {
        return None;
    }
    let says = std::mem::replace(&mut part.cut, cut.asked);
    Some(Finding {
        code: "clock-skew".to_owned(),
        thing: part.id.clone(),
        message: format!(
            "the storage says that it was cut at {says}, but it was asked for at {} and seen at {}: a clock is wrong; the time of asking counts",
            cut.asked, cut.seen
        ),
    })
}

/// Members of which one moment can be named: one alone, or all frozen together.
fn are_aligned(members: &[Member]) -> bool {
    let frozen = |member: &Member| member.held.as_ref().is_some_and(|held| held.freezes);
    members.iter().all(frozen)
        || matches!(members, [one] if one.parts.len() <= 1 || one.mode > Mode::Crash)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn take_member(
    member: &mut Member,
    progress: &Progress,
    captured: &Captured,
) -> Result<(), Problem> {
    let check_step = format!("check {}", member.name);
    let Some(checked) = progress.outcome(&check_step) else {
        return Err(bug(&format!("member {} was not checked", member.name)));
    };
    if let Some(mode) = checked.facts.get("mode") {
        member.mode = serde_json::from_value::<Mode>(mode.clone())
            .map_err(|error| bug(&format!("{check_step}: {error}")))?;
    }
    if let Some(evidence) = checked.facts.get("evidence").and_then(Value::as_array) {
        member.evidence = evidence
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
    }
    if let Some(prepared) = progress.outcome(&format!("prepare {}", member.name)) {
        for (key, value) in prepared.facts.iter() {
            if key != "hold" {
                member.engine.insert(key.to_owned(), plain(value));
            }
        }
    }
    let hold = captured.holds.get(&member.name);
    if hold.is_none() && member.mode == Mode::Held {
        return Err(bug(&format!("member {} was not held", member.name)));
    }
    if let Some(hold) = hold {
        for (key, value) in &hold.facts {
            member.engine.insert(key.clone(), plain(value));
        }
        member.held = Some(Held {
            since: hold.held,
            released: hold.released,
            proof: hold.proof.clone(),
            freezes: hold.freezes,
        });
    }
    Ok(())
}
