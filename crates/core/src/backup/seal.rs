//! The engine's own steps of a backup: vault access for movers, storing the objects, assembling and signing the point.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::point::{Mode, PointContent, StoredObjects};
use crate::driver::{
    Class, Effect, ObjectRef, Outcome, Precondition, Problem, Query, Seen, Verdict, Why,
};
use crate::inventory::Resource;
use crate::names::{LABEL_RUN, SYSTEM_NAMESPACE};
use crate::recovery::vault_secret_name;
use crate::run::{Progress, RunPlan};

fn secret(plan: &RunPlan) -> ObjectRef {
    let resource = Resource::namespaced("v1", "Secret", "secrets");
    ObjectRef::namespaced(resource, SYSTEM_NAMESPACE, &vault_secret_name(&plan.run))
}

/// Reads the run's Secret.
pub fn vault_access_look(plan: &RunPlan) -> Vec<Query> {
    vec![Query::Object(secret(plan))]
}

/// Has the Secret made when it is not there.
pub fn vault_access_decide(plan: &RunPlan, seen: &Seen) -> Verdict {
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
        .outcomes()
        .get(step)
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
    for part in &mut point.parts {
        let cut_step = format!("cut {}", part.id);
        let cut = outcome(progress, &cut_step)?;
        part.cut = time(cut, &cut_step, "cut")?;
        part.snapshot_handle = text(cut, &cut_step, "snapshot_handle")?;
        let move_step = format!("move {}", part.id);
        let moved = outcome(progress, &move_step)?;
        part.snapshot = text(moved, &move_step, "snapshot")?;
        part.tree = text(moved, &move_step, "tree")?;
        part.files = number(moved, &move_step, "files")?;
        part.bytes = number(moved, &move_step, "bytes")?;
        part.bytes_added = number(moved, &move_step, "bytes_added")?;
    }
    for member in &mut point.members {
        take_member(member, progress)?;
    }
    let stored = outcome(progress, "store-objects")?;
    point.objects = Some(StoredObjects {
        snapshot: text(stored, "store-objects", "snapshot")?,
        tree: text(stored, "store-objects", "tree")?,
        count: number(stored, "store-objects", "count")?,
        listed: time(stored, "store-objects", "listed")?,
    });
    Ok(point)
}

fn take_member(member: &mut super::Member, progress: &Progress) -> Result<(), Problem> {
    let check_step = format!("check {}", member.name);
    let Some(checked) = progress.outcomes().get(&check_step) else {
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
    if let Some(prepared) = progress.outcomes().get(&format!("prepare {}", member.name)) {
        for (key, value) in &prepared.facts {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            member.engine.insert(key.clone(), value);
        }
    }
    Ok(())
}
