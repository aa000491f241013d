//! The gate of Jobs: complete, not merely begun.

use serde_json::Value;

use super::reading::Condition;
use super::{Gate, View, pods};

/// Code of the problem of a Job that has failed. It stands in journals.
pub const JOB_FAILED: &str = "job-failed";

/// Complete; a Job that only has begun is not ready.
pub(super) fn job(view: &View<'_>) -> Gate {
    if let Some(gate) = job_ended(view) {
        return gate;
    }
    if view.live.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Gate::Open;
    }
    let done = view.number("/status/succeeded").unwrap_or(0);
    let wanted = view.number("/spec/completions").unwrap_or(1);
    let counts = format!("{done} of {wanted} pods have completed");
    pods::trouble(view, &counts)
        .unwrap_or_else(|| view.closed("job-running", &counts, "it completes"))
}

/// Open for a Job that is complete, failed for one that has failed, nothing for one that has not ended.
pub fn job_ended(view: &View<'_>) -> Option<Gate> {
    let told = |kind: &str| view.condition(kind).filter(Condition::is_true);
    // `FailureTarget` comes first: it has failed and its last pods are being ended.
    if let Some(failed) = told("Failed").or_else(|| told("FailureTarget")) {
        return Some(view.failed(
            JOB_FAILED,
            &format!("it failed: {}", failed.words()),
            "look at its pods' logs, mend the cause, delete the Job, then run the command again",
        ));
    }
    told("Complete").map(|_| Gate::Open)
}
