//! What has come to its end: Jobs, Pods and what operators do once, which would do their work once more if they were written again.
//! Called by `scope`.

use std::time::Duration;

use jiff::Timestamp;

use super::Thing;
use crate::driver::Seen;
use crate::json::Json;
use crate::names::{ANNOTATION_STATUS, STATUS_RESTORE};
use crate::readiness::{
    Clock, Gate, Told, View, assess, is_done_once, keeps_status_apart, makes_for_others,
};

/// Why a thing that has ended is not carried; `None` for what has not.
pub(super) fn ended(thing: &Thing) -> Option<&'static str> {
    if thing.is("", "Pod") {
        let over = matches!(thing.text("/status/phase"), Some("Succeeded" | "Failed"));
        return over.then_some("a Pod that has ended");
    }
    if is_done_once(&thing.resource) {
        let over = !keeps_status(thing) && says_ended(thing);
        return over.then_some("it had ended: it would be done again");
    }
    if !thing.is("batch", "Job") {
        return None;
    }
    let told = |kinds: &[&str]| {
        thing.list("/status/conditions").iter().any(|condition| {
            let text = |key: &str| condition.get(key).and_then(Json::as_str);
            text("status") == Some("True") && text("type").is_some_and(|kind| kinds.contains(&kind))
        })
    };
    // A Job that failed has no completion time. What comes before either end is told while its last pods are being ended.
    if told(&["Failed", "FailureTarget"]) {
        return Some("a Job that has failed: it would run again");
    }
    let finished = thing
        .at("/status/completionTime")
        .is_some_and(|at| !at.is_null());
    (finished || told(&["Complete", "SuccessCriteriaMet"]))
        .then_some("a Job that is finished: it would run again")
}

/// True for what has ended: it is not written again, and nobody makes it anew.
pub(crate) fn has_ended(thing: &Thing) -> bool {
    ended(thing).is_some()
}

/// Kinds, beside Pods, by which a workflow does its own work (argoproj/argo-workflows, `pkg/apis/workflow/v1alpha1`). Others share its group.
const OF_WORKFLOWS: &[&str] = &[
    "Workflow",
    "WorkflowTaskSet",
    "WorkflowTaskResult",
    "WorkflowArtifactGCTask",
];

/// True for what was made for others by an owner that has ended: it comes back without that owner, because nobody makes it again.
/// Pods and kinds by which the owner did its work go with it.
pub(super) fn outlives(thing: &Thing, owner: &Thing) -> bool {
    makes_for_others(&owner.resource)
        && !thing.is("", "Pod")
        && !(thing.resource.group == owner.resource.group
            && OF_WORKFLOWS.contains(&thing.resource.kind.as_str()))
        && owner.text("/metadata/deletionTimestamp").is_none()
        && ended(owner).is_some()
}

/// With its status it knows that it has ended; without, where none can be written, it would begin again.
fn keeps_status(thing: &Thing) -> bool {
    thing.annotation(ANNOTATION_STATUS) == Some(STATUS_RESTORE)
        && keeps_status_apart(&thing.resource)
}

/// Its own status says that it is done, or that it has failed for good.
fn says_ended(thing: &Thing) -> bool {
    let gate = assess(&View {
        resource: &thing.resource,
        live: &thing.object.to_value(),
        told: &Told::default(),
        seen: &Seen::default(),
        clock: Clock {
            now: Timestamp::UNIX_EPOCH,
            waited: Duration::ZERO,
        },
        duty: None,
    });
    match gate {
        Gate::Open | Gate::Failed(_) => true,
        Gate::Closed(_) | Gate::Assumed(_) => false,
    }
}
