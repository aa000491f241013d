//! Removing what a backup or a recovery made on the way: mover, claims, the second snapshot, then the first one.
//!
//! Exactly one content is flipped to Delete, and only one that our own VolumeSnapshot made: a handle that we did not
//! create is never deleted.

use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::{
    Effect, ObjectRef, Outcome, Patch, Precondition, Problem, Propagation, Query, Seen, Task,
    Verdict, Why,
};
use serde_json::{Value, json};

use super::backup::content;
use super::nudge::nudge;
use super::policy;
use super::types::{self, text};

/// A recovery leaves a job and, when it was given up, a filled claim; it never made a snapshot.
fn of_recovery(task: &Task<'_>) -> bool {
    task.input("direction") == Some("restore")
}

/// The volume that was filled and whose hand-over has not come to its end: only then the recovery was given up.
fn left_between(task: &Task<'_>) -> Option<ObjectRef> {
    let is_handed_over = task.prior_fact("claim").is_some();
    let volume = task.prior_fact("volume").and_then(Value::as_str);
    volume.filter(|_| !is_handed_over).map(types::volume)
}

/// What is done to that volume before the mover's claim goes.
fn let_go(task: &Task<'_>, seen: &Seen) -> Result<Option<Effect>, Problem> {
    let Some(object) = left_between(task) else {
        return Ok(None);
    };
    let Some(volume) = seen.object(&object)? else {
        return Ok(None);
    };
    let target = seen.object(&types::claim(task))?;
    Ok(policy::let_go(task, &object, volume, target))
}

pub(super) fn look(task: &Task<'_>) -> Vec<Query> {
    if of_recovery(task) {
        let mut objects = vec![types::mover_job(task), types::mover_claim(task)];
        if let Some(volume) = left_between(task) {
            objects.extend([volume, types::claim(task)]);
        }
        return objects.into_iter().map(Query::Object).collect();
    }
    vec![
        Query::Object(types::mover_job(task)),
        Query::Object(types::mover_claim(task)),
        Query::Object(types::exposed_snapshot(task)),
        Query::Object(types::exposed_content(task)),
        Query::Object(types::snapshot(task)),
        Query::List(types::contents()),
    ]
}

fn delete(object: ObjectRef, live: &Value) -> Verdict {
    Verdict::Act(vec![Effect::Delete {
        object,
        precondition: Precondition::same_uid(live),
        propagation: Propagation::Background,
    }])
}

/// How long a controller may take to let go before it is nudged.
const NUDGE_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// Set by the snapshot controller when it sees a VolumeSnapshot go; without it the snapshotter never lets go of a bound
/// content. A snapshot that goes before the controller has looked leaves it unset for ever (external-snapshotter 8.4,
/// `shouldDelete`; seen on the testbed), so we set it ourselves.
const ANNOTATION_SNAPSHOT_GOING: &str =
    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted";

/// Deletes an object; a content is told first that its snapshot is gone.
fn remove(object: ObjectRef, live: &Value, now: Timestamp) -> Verdict {
    let told = live
        .pointer("/metadata/annotations")
        .is_some_and(|all| all.get(ANNOTATION_SNAPSHOT_GOING).is_some());
    if object.resource.kind == "VolumeSnapshotContent" && !told {
        return Verdict::Act(vec![Effect::Patch {
            object,
            patch: Patch::Merge(json!({
                "metadata": { "annotations": { ANNOTATION_SNAPSHOT_GOING: "yes" } },
            })),
            precondition: Precondition::same_uid(live),
            subresource: None,
        }]);
    }
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return going(&object, live, now);
    }
    delete(object, live)
}

/// Removes an object of this run, or waits while it goes; `None` once it is gone.
fn end_of(
    object: ObjectRef,
    task: &Task<'_>,
    seen: &Seen,
    now: Timestamp,
) -> Result<Option<Verdict>, Problem> {
    let Some(live) = seen.object(&object)? else {
        return Ok(None);
    };
    if !types::is_of_run(live, task) {
        return Err(Problem::stuck(
            "not-ours",
            format!("{} is in the way and was not made by this run", object.id()),
            "look who made it, and remove it if it is of no use",
        ));
    }
    Ok(Some(remove(object, live, now)))
}

/// Deletes in turn; `Wait` while something is going away.
pub(super) fn decide(task: &Task<'_>, seen: &Seen, now: Timestamp) -> Result<Verdict, Problem> {
    if of_recovery(task) {
        return of_mover(task, seen, now);
    }
    let in_order = [
        types::mover_job(task),
        types::mover_claim(task),
        types::exposed_snapshot(task),
        types::exposed_content(task),
    ];
    for object in in_order {
        if let Some(verdict) = end_of(object, task, seen, now)? {
            return Ok(verdict);
        }
    }
    let snapshot_object = types::snapshot(task);
    let snapshot = seen.object(&snapshot_object)?;
    if let Some(content) = content(task, seen.list(&types::contents())?) {
        return Ok(reap_content(snapshot_object, snapshot, content, now));
    }
    match snapshot {
        Some(live) => Ok(remove(snapshot_object, live, now)),
        None => Ok(Verdict::Done(Outcome::default())),
    }
}

/// After a recovery its mover goes, and what it has filled and never handed over.
fn of_mover(task: &Task<'_>, seen: &Seen, now: Timestamp) -> Result<Verdict, Problem> {
    if let Some(verdict) = end_of(types::mover_job(task), task, seen, now)? {
        return Ok(verdict);
    }
    if let Some(patch) = let_go(task, seen)? {
        return Ok(Verdict::Act(vec![patch]));
    }
    let gone = end_of(types::mover_claim(task), task, seen, now)?;
    Ok(gone.unwrap_or_else(|| Verdict::Done(Outcome::default())))
}

/// What is going away is waited for, and touched now and then: a controller that was busy with it when the deletion came
/// may not look again before its resync of many minutes (csi-snapshotter 8.4 with a cut of 30 s, seen on the testbed).
fn going(object: &ObjectRef, live: &Value, now: Timestamp) -> Verdict {
    let is_snapshot = matches!(
        object.resource.kind.as_str(),
        "VolumeSnapshot" | "VolumeSnapshotContent"
    );
    let since = "/metadata/deletionTimestamp";
    if is_snapshot && let Some(verdict) = nudge(object, live, since, NUDGE_AFTER, now) {
        return verdict;
    }
    Verdict::Wait(Why::new(
        "being-deleted",
        format!("{} is being deleted", object.id()),
    ))
}

/// The content that our snapshot made: flipped to Delete, then both go.
fn reap_content(
    snapshot: ObjectRef,
    live: Option<&Value>,
    content: &Value,
    now: Timestamp,
) -> Verdict {
    let name = text(content, "/metadata/name").unwrap_or_default();
    let object = ObjectRef::cluster(types::content_resource(), name);
    if text(content, "/spec/deletionPolicy") != Some("Delete") {
        return Verdict::Act(vec![Effect::Patch {
            object,
            patch: Patch::Merge(json!({ "spec": { "deletionPolicy": "Delete" } })),
            precondition: Precondition::same_uid(content),
            subresource: None,
        }]);
    }
    match live {
        // Both are going: the content is what may be stuck.
        Some(live) if live.pointer("/metadata/deletionTimestamp").is_some() => {
            if content.pointer("/metadata/deletionTimestamp").is_some() {
                going(&object, content, now)
            } else {
                going(&snapshot, live, now)
            }
        }
        Some(live) => delete(snapshot, live),
        None => remove(object, content, now),
    }
}
