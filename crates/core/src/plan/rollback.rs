//! What of a recovery is taken away again, and in which order: only what it created, dependents before what they need. From the
//! recovery's plan, its journal and a look at the objects to a run plan that can be printed; changes nothing. Called by `rollback`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::owners::made;
use crate::driver::{ObjectRef, Outcome, Problem, Query, Seen};
use crate::inventory::{Resource, Thing, ThingId};
use crate::names::{ANNOTATION_RECOVERY, ANNOTATION_UPDATED, RunId, SiteName};
pub use crate::recovery::Data;
use crate::recovery::{Origin, Removing, Retaining, contents, is_changed, volume_of};
use crate::run::{Edge, Needs, Phase, Progress, RunKind, RunPlan, Step, Work};

/// How long one object may take to go.
const GONE_SECONDS: u32 = 600;
/// So many are named.
const NAMED_MAX: usize = 8;

/// What to do with objects that somebody has changed since they were recovered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Changed {
    /// Refuse, and name them.
    #[default]
    Refuse,
    /// Remove them too.
    Remove,
}

/// What the user wants of a rollback.
#[derive(Debug, Clone)]
pub struct RollbackGoal {
    /// This rollback.
    pub run: RunId,
    /// Where it runs.
    pub site: SiteName,
    /// Objects changed since.
    pub changed: Changed,
    /// Data of volumes.
    pub data: Data,
}

/// A planned rollback.
#[derive(Debug, Clone)]
pub struct RolledBack {
    /// Its steps: one for each object, dependents first.
    pub plan: RunPlan,
    /// What the recovery wrote or kept and did not create, and why it stays.
    pub untouched: Vec<(ThingId, String)>,
    /// What was changed since and goes all the same.
    pub changed: Vec<ThingId>,
}

/// What must be read before a rollback of this recovery can be planned.
pub fn rollback_look(recovery: &RunPlan) -> Vec<Query> {
    let objects = recovery.steps.iter().filter_map(made);
    objects.map(Query::Object).collect()
}

/// Plans the rollback of a recovery, or says what stands against it. `seen` answers [`rollback_look`]; `served` are the kinds of this
/// cluster.
pub fn rollback(
    recovery: &RunPlan,
    progress: &Progress,
    seen: &Seen,
    served: &[Resource],
    goal: &RollbackGoal,
) -> Result<RolledBack, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut removals: BTreeMap<&str, Removing> = BTreeMap::new();
    let mut untouched = Vec::new();
    let mut changed = Vec::new();
    for step in &recovery.steps {
        let Some(object) = made(step) else {
            continue;
        };
        let live = match seen.object(&object) {
            Ok(Some(live)) => live,
            Ok(None) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let uid = match ours(recovery, step, progress, live) {
            Ok(uid) => uid,
            Err(None) => continue,
            Err(Some(why)) => {
                untouched.push((object.id(), why));
                continue;
            }
        };
        if let Work::Write(writing) = &step.work
            && is_changed(live, &writing.object.to_value())
        {
            changed.push(object.id());
        }
        removals.insert(
            &step.id,
            removing(recovery, object, &uid, live, served, goal),
        );
    }
    if goal.changed == Changed::Refuse && !changed.is_empty() {
        problems.push(changed_since(&changed));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(RolledBack {
        plan: RunPlan {
            kind: RunKind::Rollback,
            run: goal.run.clone(),
            protection: recovery.protection.clone(),
            site: goal.site.clone(),
            point: recovery.point.clone(),
            mover_image: recovery.mover_image.clone(),
            steps: keeping(recovery, &removals, in_reverse(recovery, &removals)),
        },
        untouched,
        changed,
    })
}

/// Uid of a live object that the recovery created; else why it stays, nothing when it never came to it.
fn ours(
    recovery: &RunPlan,
    step: &Step,
    progress: &Progress,
    live: &Value,
) -> Result<String, Option<String>> {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    let annotation = |key: &str| {
        let all = live.pointer("/metadata/annotations");
        all.and_then(|all| all.get(key)?.as_str())
    };
    let outcome = progress.outcome(&step.id);
    let deeds = progress.deeds(&step.id);
    let is_write = matches!(step.work, Work::Write(_));
    if outcome.is_none() && !progress.was_intended(&step.id) {
        return Err(None);
    }
    let origin = outcome.and_then(|outcome| outcome.text(Origin::FACT));
    let stays = |origin: Origin| origin.as_str();
    match origin {
        Some(origin) if origin == stays(Origin::Updated) => {
            return Err(Some("it was there before: updated, not created".to_owned()));
        }
        Some(origin) if origin == stays(Origin::Unchanged) || origin == stays(Origin::Skipped) => {
            return Err(Some(
                "it was there before and was left as it was".to_owned(),
            ));
        }
        Some(_) | None => {}
    }
    let run = Some(recovery.run.as_str());
    if annotation(ANNOTATION_UPDATED) == run && annotation(ANNOTATION_RECOVERY) != run {
        return Err(Some("it was there before: updated, not created".to_owned()));
    }
    if annotation(ANNOTATION_RECOVERY) != run || is_write && outcome.is_none() && !deeds.creates() {
        return Err(Some("this recovery did not create it".to_owned()));
    }
    let known = outcome
        .and_then(|outcome| outcome.text("uid"))
        .or(deeds.created());
    let uid = text("/metadata/uid").unwrap_or_default();
    match known {
        Some(known) if known != uid => Err(Some("somebody has created it again since".to_owned())),
        Some(_) | None => Ok(uid.to_owned()),
    }
}

fn removing(
    recovery: &RunPlan,
    object: ObjectRef,
    uid: &str,
    live: &Value,
    served: &[Resource],
    goal: &RollbackGoal,
) -> Removing {
    let is_claim = object.id().is("", "PersistentVolumeClaim");
    let data = is_claim.then_some(goal.data);
    let keeps = volume_of(live).filter(|_| data == Some(Data::Keep));
    let thing = Thing::new(object.resource.clone(), live.clone());
    Removing {
        object,
        uid: uid.to_owned(),
        recovery: recovery.run.clone(),
        keeps,
        data,
        inside: thing.map_or_else(Vec::new, |thing| contents(&thing, served)),
    }
}

/// Before anything else the volumes that are kept are told to stay: a claim may have an owner by then, and go with it.
fn keeping(
    recovery: &RunPlan,
    removals: &BTreeMap<&str, Removing>,
    mut steps: Vec<Step>,
) -> Vec<Step> {
    const KEEP: &str = "keep the volumes of claims";
    let mut retaining = Retaining {
        volumes: Vec::new(),
        claims: Vec::new(),
        recovery: recovery.run.clone(),
    };
    for removing in removals.values() {
        if removing.data != Some(Data::Keep) {
            continue;
        }
        let uid = removing.uid.clone();
        match &removing.keeps {
            Some(volume) => retaining.volumes.push((volume.clone(), uid)),
            None => retaining.claims.push((removing.object.clone(), uid)),
        }
    }
    if retaining.volumes.is_empty() && retaining.claims.is_empty() {
        return steps;
    }
    for step in steps.iter_mut().filter(|step| step.needs.is_empty()) {
        let evidence = "a claim goes with its owner, and its volume with it";
        step.needs.insert(Edge::new(KEEP, "VOLUMES_STAY", evidence));
    }
    let keep = Step {
        id: KEEP.to_owned(),
        phase: Phase::Storage,
        title: KEEP.to_owned(),
        needs: Needs::default(),
        work: Work::Retain(retaining),
        limit_seconds: GONE_SECONDS,
        cleanup: false,
    };
    steps.insert(0, keep);
    steps
}

fn remove_step(id: &str) -> String {
    format!("remove {id}")
}

/// The recovery's order backwards: an object goes when everything that waited for it, also by steps that leave nothing, is gone.
fn in_reverse(recovery: &RunPlan, removals: &BTreeMap<&str, Removing>) -> Vec<Step> {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for step in &recovery.steps {
        for edge in &step.needs {
            dependents.entry(&edge.on).or_default().push(&step.id);
        }
    }
    // What must be gone before a step counts as undone.
    let mut before: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut steps = Vec::new();
    for step in recovery.steps.iter().rev() {
        let mut on: BTreeSet<String> = BTreeSet::new();
        for dependent in dependents.get(step.id.as_str()).into_iter().flatten() {
            on.extend(before.get(dependent).into_iter().flatten().cloned());
        }
        let Some(removing) = removals.get(step.id.as_str()) else {
            before.insert(&step.id, on);
            continue;
        };
        let id = removing.object.id();
        let needs = on.iter().map(|on| {
            Edge::new(
                on,
                "DEPENDENTS_GO_FIRST",
                "the recovery wrote the one after the other",
            )
        });
        let name = remove_step(&id.to_string());
        steps.push(Step {
            id: name.clone(),
            phase: step.phase,
            title: name.clone(),
            needs: needs.collect(),
            work: Work::Remove(removing.clone()),
            limit_seconds: GONE_SECONDS,
            cleanup: false,
        });
        before.insert(&step.id, BTreeSet::from([name]));
    }
    steps
}

fn changed_since(changed: &[ThingId]) -> Problem {
    let named: Vec<String> = changed
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let more = match changed.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Problem::stuck(
        "changed-since",
        format!(
            "{} recovered objects were changed since: {}{more}",
            changed.len(),
            named.join(", ")
        ),
        "look at them; to remove them all the same give `--changed-too`",
    )
}

/// What a rollback that has ended left where it was, and why: from the outcomes of its steps.
pub fn left_behind(plan: &RunPlan, progress: &Progress) -> Vec<(String, String)> {
    let left = plan.steps.iter().filter_map(|step| {
        let outcome: &Outcome = progress.outcome(&step.id)?;
        let Work::Remove(removing) = &step.work else {
            return None;
        };
        Some((
            removing.object.id().to_string(),
            outcome.text("left")?.to_owned(),
        ))
    });
    left.collect()
}
