//! Handing a filled volume over from Refloat's namespace to its own: each step from what exists, so that a kill between any
//! two loses nothing.
//!
//! Retain (re-read to confirm) → delete the mover's job (a pod protects its claim even when it has ended: seen on 1.34) →
//! delete the filled claim → point the volume at its new claim → create that claim → wait
//! until bound → put the reclaim policy back. The binder may sleep 15 s on a lost race; touching the claim wakes it.

use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::{
    Effect, FieldOwner, ObjectRef, Outcome, Patch, Precondition, Problem, Propagation, Query, Seen,
    Task, Verdict, Why,
};
use refloat_core::json::Json;
use refloat_core::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY, SYSTEM_NAMESPACE};
use refloat_core::planted::{self, Bug};
use refloat_core::recovery::digest;
use serde_json::{Value, json};

use super::nudge::nudge;
use super::policy;
use super::types::{self, text};

/// How long the binder may take before it is nudged.
const NUDGE_AFTER: SignedDuration = SignedDuration::from_secs(1);

fn volume_name<'a>(task: &'a Task<'_>) -> Result<&'a str, Problem> {
    task.prior_fact("volume")
        .and_then(Value::as_str)
        .ok_or_else(|| {
            Problem::stuck(
                "fill-missing",
                format!("{}: no filled volume is known", types::part(task)),
                begin_anew(task),
            )
        })
}

/// The journal says that the volume is filled: the same run never fills it again.
fn begin_anew(task: &Task<'_>) -> String {
    format!(
        "take back what this recovery has made, `refloat rollback --run {}`, then recover anew: the volume is filled once more",
        task.run
    )
}

pub(super) fn look(task: &Task<'_>) -> Vec<Query> {
    let mut queries = vec![
        Query::Object(types::mover_job(task)),
        Query::Object(types::mover_claim(task)),
        Query::Object(types::claim(task)),
    ];
    if let Ok(name) = volume_name(task) {
        queries.push(Query::Object(types::volume(name)));
    }
    queries
}

pub(super) fn decide(task: &Task<'_>, seen: &Seen, now: Timestamp) -> Result<Verdict, Problem> {
    let name = volume_name(task)?;
    let object = types::volume(name);
    let volume = seen.object(&object)?.ok_or_else(|| {
        Problem::stuck(
            "volume-gone",
            format!("{}: PersistentVolume {name} is gone", types::part(task)),
            begin_anew(task),
        )
    })?;
    let target = seen.object(&types::claim(task))?;
    if let Some(target) = target {
        if target.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(Verdict::Wait(
                Why::new(
                    "claim-going",
                    format!(
                        "{}: the claim that was there is being deleted",
                        types::part(task)
                    ),
                )
                .taking("it is gone: no pod uses it, and whoever holds it lets it go"),
            ));
        }
        refuse_foreign(task, target)?;
        if text(target, "/status/phase") == Some("Bound") {
            return Ok(finish(task, &object, volume, target));
        }
    }
    let stays = text(volume, "/spec/persistentVolumeReclaimPolicy") == Some("Retain");
    if !stays && !planted::is(Bug::ClaimBeforeRetain) {
        return Ok(Verdict::Act(vec![policy::retain(object, volume)]));
    }
    if let Some(verdict) = end_of_mover(task, seen)? {
        return Ok(verdict);
    }
    if text(volume, "/spec/claimRef/namespace") == Some(SYSTEM_NAMESPACE) {
        return Ok(point_at_target(task, object, volume));
    }
    if names_another(volume, target) {
        return Ok(released(task, object, volume));
    }
    match target {
        None => create_target(task, name),
        Some(target) => Ok(wait_bound(task, target, now)),
    }
}

/// The mover goes, then its claim; `None` once both are gone.
fn end_of_mover(task: &Task<'_>, seen: &Seen) -> Result<Option<Verdict>, Problem> {
    let waits = [
        ("mover-going", "the mover is being removed"),
        ("claim-releasing", "the filled claim is being released"),
    ];
    let both = [types::mover_job(task), types::mover_claim(task)];
    for (object, (code, what)) in both.into_iter().zip(waits) {
        let Some(live) = seen.object(&object)? else {
            continue;
        };
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            let why = Why::new(code, format!("{}: {what}", types::part(task)));
            return Ok(Some(Verdict::Wait(why)));
        }
        return Ok(Some(Verdict::Act(vec![Effect::Delete {
            object,
            precondition: Precondition::same_uid(live),
            propagation: Propagation::Background,
        }])));
    }
    Ok(None)
}

/// The volume names, by its uid, another claim than the one that is there: it was bound to one that somebody has deleted since, and is
/// never bound to one of the same name.
fn names_another(volume: &Value, target: Option<&Value>) -> bool {
    let uid = text(volume, "/spec/claimRef/uid");
    let uid_of_target = target.and_then(|target| text(target, "/metadata/uid"));
    uid.is_some() && uid != uid_of_target
}

/// Once the cluster itself says that the claim is gone, the volume is pointed at its successor.
fn released(task: &Task<'_>, object: ObjectRef, volume: &Value) -> Verdict {
    if text(volume, "/status/phase") == Some("Released") {
        return point_at_target(task, object, volume);
    }
    Verdict::Wait(Why::new(
        "volume-releasing",
        format!(
            "{}: the claim that was bound is gone, and its volume is being released",
            types::part(task)
        ),
    ))
}

fn refuse_foreign(task: &Task<'_>, target: &Value) -> Result<(), Problem> {
    let recovery = target
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(ANNOTATION_RECOVERY))
        .and_then(Value::as_str);
    if recovery == Some(task.run.as_str()) {
        return Ok(());
    }
    Err(Problem::stuck(
        "already-exists",
        format!(
            "{} is already there and was not made by this recovery",
            task.claim.thing
        ),
        "remove it, or recover into another namespace: its data would be shadowed",
    ))
}

fn point_at_target(task: &Task<'_>, object: ObjectRef, volume: &Value) -> Verdict {
    Verdict::Act(vec![Effect::Patch {
        object,
        patch: Patch::Merge(json!({
            "spec": {
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": task.claim.thing.namespace,
                    "name": task.claim.thing.name,
                    "uid": null,
                    "resourceVersion": null,
                },
            },
        })),
        precondition: Precondition::as_read(volume),
        subresource: None,
    }])
}

fn create_target(task: &Task<'_>, volume: &str) -> Result<Verdict, Problem> {
    let object = types::claim(task);
    let mut claim = task.inputs.get("claim").cloned().ok_or_else(|| {
        Problem::stuck(
            "claim-missing",
            format!("{}: the plan carries no claim", types::part(task)),
            "make the plan anew",
        )
    })?;
    // Of what the plan carries, as for every object: which volume it is, is known only now.
    let digest = digest(&Json::from(claim.clone()));
    claim["metadata"]["annotations"][ANNOTATION_DIGEST] = json!(digest);
    claim["spec"]["volumeName"] = json!(volume);
    claim["metadata"]["annotations"][ANNOTATION_RECOVERY] = json!(task.run.as_str());
    Ok(Verdict::Act(vec![Effect::Create {
        resource: object.resource,
        object: claim,
        owner: FieldOwner::refloat(),
    }]))
}

fn wait_bound(task: &Task<'_>, target: &Value, now: Timestamp) -> Verdict {
    let since = "/metadata/creationTimestamp";
    nudge(&types::claim(task), target, since, NUDGE_AFTER, now).unwrap_or_else(|| {
        Verdict::Wait(Why::new(
            "claim-binding",
            format!("{}: waits to be bound", task.claim.thing),
        ))
    })
}

fn finish(task: &Task<'_>, object: &ObjectRef, volume: &Value, claim: &Value) -> Verdict {
    match policy::put_back(object, volume) {
        Some(patch) => Verdict::Act(vec![patch]),
        None => Verdict::Done(
            Outcome::default()
                .with("volume", object.name.as_str())
                .with("claim", types::part(task))
                .with("uid", text(claim, "/metadata/uid").unwrap_or_default()),
        ),
    }
}
