//! What has come to its end: Jobs and Pods that would do their work once more if they were written again. Called by `scope`.

use crate::json::Json;

use super::Thing;

/// Why a thing that has ended is not carried; `None` for what has not.
pub(super) fn ended(thing: &Thing) -> Option<&'static str> {
    if thing.is("", "Pod") {
        let over = matches!(thing.text("/status/phase"), Some("Succeeded" | "Failed"));
        return over.then_some("a Pod that has ended");
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
