//! Gates of what runs pods: rolled out as far as its controller has seen, with the pods' own reasons when not.

use serde_json::Value;

use super::{Gate, condition, is_stale, name, number, pods, text};
use crate::driver::{Problem, Seen};
use crate::inventory::Resource;
use crate::planted::{self, Bug};

fn wanted(live: &Value) -> u64 {
    number(live, "/spec/replicas").unwrap_or(1)
}

fn status(live: &Value, field: &str) -> u64 {
    number(live, &format!("/status/{field}")).unwrap_or(0)
}

/// Not there yet: a pod's own reason is worth more than a count.
fn not_yet(resource: &Resource, live: &Value, seen: &Seen, counts: &str) -> Gate {
    match pods::trouble(live, seen) {
        Some(Gate::Failed(problem)) => Gate::Failed(problem),
        Some(Gate::Closed(why)) => Gate::closed(
            &why.code,
            format!("{}: {}", name(resource, live), why.message),
        ),
        Some(Gate::Open) | None => {
            Gate::closed("rolling-out", format!("{}: {counts}", name(resource, live)))
        }
    }
}

fn unseen(resource: &Resource, live: &Value) -> Option<Gate> {
    let observed = number(live, "/status/observedGeneration").is_some();
    (!observed || is_stale(live)).then(|| {
        Gate::closed(
            "not-observed",
            format!(
                "{}: its controller has not seen it yet",
                name(resource, live)
            ),
        )
    })
}

pub(super) fn deployment(resource: &Resource, live: &Value, seen: &Seen) -> Gate {
    if planted::is(Bug::GateIgnoresReadiness) {
        return Gate::Open;
    }
    if let Some(gate) = unseen(resource, live) {
        return gate;
    }
    let wanted = wanted(live);
    let updated = status(live, "updatedReplicas");
    let available = status(live, "availableReplicas");
    let all = status(live, "replicas");
    if updated >= wanted && available >= wanted && all == updated {
        return Gate::Open;
    }
    if let Some(("False", message)) = condition(live, "Progressing") {
        return Gate::Failed(Problem::stuck(
            "rollout-failed",
            format!("{}: {message}", name(resource, live)),
            "look at its pods with `kubectl describe pod`, mend the cause, then run the command again",
        ));
    }
    let counts = format!("{available} of {wanted} available, {updated} updated");
    not_yet(resource, live, seen, &counts)
}

pub(super) fn stateful_set(resource: &Resource, live: &Value, seen: &Seen) -> Gate {
    if let Some(gate) = unseen(resource, live) {
        return gate;
    }
    let wanted = wanted(live);
    let ready = status(live, "readyReplicas");
    let same = text(live, "/status/currentRevision") == text(live, "/status/updateRevision");
    let by_hand = text(live, "/spec/updateStrategy/type") == Some("OnDelete");
    if ready >= wanted && (same || by_hand || wanted == 0) {
        return Gate::Open;
    }
    not_yet(resource, live, seen, &format!("{ready} of {wanted} ready"))
}

pub(super) fn daemon_set(resource: &Resource, live: &Value, seen: &Seen) -> Gate {
    if let Some(gate) = unseen(resource, live) {
        return gate;
    }
    let wanted = status(live, "desiredNumberScheduled");
    let ready = status(live, "numberAvailable");
    let updated = status(live, "updatedNumberScheduled");
    if ready >= wanted && updated >= wanted {
        return Gate::Open;
    }
    not_yet(
        resource,
        live,
        seen,
        &format!("{ready} of {wanted} available"),
    )
}

pub(super) fn replica_set(resource: &Resource, live: &Value, seen: &Seen) -> Gate {
    if let Some(gate) = unseen(resource, live) {
        return gate;
    }
    let (wanted, ready) = (wanted(live), status(live, "readyReplicas"));
    if ready >= wanted {
        return Gate::Open;
    }
    not_yet(resource, live, seen, &format!("{ready} of {wanted} ready"))
}

/// Complete; a Job that only has begun is not ready.
pub(super) fn job(resource: &Resource, live: &Value) -> Gate {
    if let Some(("True", message)) = condition(live, "Failed") {
        return Gate::Failed(Problem::stuck(
            "job-failed",
            format!("{} failed: {message}", name(resource, live)),
            "look at its pods' logs, mend the cause, delete the Job, then run the command again",
        ));
    }
    let suspended = live.pointer("/spec/suspend") == Some(&Value::Bool(true));
    if suspended || matches!(condition(live, "Complete"), Some(("True", _))) {
        return Gate::Open;
    }
    Gate::closed(
        "job-running",
        format!("{} has not completed", name(resource, live)),
    )
}
