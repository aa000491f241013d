//! Gates of what runs pods: rolled out as far as its controller has seen, with the pods' own reasons when not.

use serde_json::Value;

use super::events::{self, trouble};
use super::reading::{Condition, is_stale, number, one_line, text};
use super::{Gate, View, leaders, pods};
use crate::planted::{self, Bug};

/// Seconds for which a workload must have been ready whose containers have been started more than once: without a readiness
/// probe a container that dies at once is ready each time.
const STEADY_SECONDS: u32 = 10;
/// Seconds after which a quota that is used up is taken for one that stays so.
const QUOTA_SECONDS: u32 = 60;

fn wanted(view: &View<'_>) -> u64 {
    view.number("/spec/replicas").unwrap_or(1)
}

fn status(view: &View<'_>, field: &str) -> u64 {
    number(view.live, &format!("/status/{field}")).unwrap_or(0)
}

fn unseen(view: &View<'_>) -> Option<Gate> {
    let observed = view.number("/status/observedGeneration").is_some();
    (!observed || is_stale(view.live)).then(|| view.unobserved())
}

/// Why pods are refused when they are to be created; `None` when the refusal may pass.
fn refused(view: &View<'_>, message: &str) -> Option<Gate> {
    let message_line = one_line(message);
    if message.contains("exceeded quota") && view.clock.is_past(QUOTA_SECONDS) {
        return Some(view.failed(
            "quota-exceeded",
            &format!("no pod can be created: {message_line}"),
            "raise or remove the ResourceQuota of the namespace, then run the same command again",
        ));
    }
    message.contains("violates PodSecurity").then(|| {
        view.failed(
            "pod-refused",
            &format!("no pod can be created: {message_line}"),
            "let the namespace's label `pod-security.kubernetes.io/enforce` allow it, then run the same command again",
        )
    })
}

/// The newest refusal to create its pods: Deployments and ReplicaSets tell it themselves, the others by events.
fn refusal<'a>(view: &View<'a>) -> Option<&'a str> {
    let told = view
        .condition("ReplicaFailure")
        .filter(Condition::is_true)
        .map(|one| one.message);
    told.or_else(|| {
        trouble(&events::own(view))
            .filter(|one| one.reason == "FailedCreate")
            .map(|one| one.message)
    })
}

/// Not there yet: a pod's own reason is worth more than a count.
fn not_yet(view: &View<'_>, counts: &str, takes: &str) -> Gate {
    let refusal = refusal(view);
    if let Some(gate) = refusal.and_then(|message| refused(view, message)) {
        return gate;
    }
    if let Some(gate) = pods::trouble(view, counts) {
        return gate;
    }
    match refusal {
        Some(message) => view.closed(
            "pod-not-created",
            &format!("{counts}; a pod is refused: {}", one_line(message)),
            "what refuses the pod lets it pass",
        ),
        None => view.closed("rolling-out", counts, takes),
    }
}

/// All replicas are there. If their containers had to be started again, they must have stayed for a while.
fn steady(view: &View<'_>) -> Gate {
    if let Some(gate) = pods::unread(view) {
        return gate;
    }
    match pods::restarted(view) {
        Some(restarted) if !view.clock.has_lasted(restarted.ready_since, STEADY_SECONDS) => view
            .closed(
                "not-steady",
                &format!(
                    "it is ready, after {} restarts of pod {}",
                    restarted.restarts, restarted.pod
                ),
                &format!("it stays ready for {STEADY_SECONDS} s"),
            ),
        Some(_) | None => Gate::Open,
    }
}

pub(super) fn deployment(view: &View<'_>) -> Gate {
    if planted::is(Bug::GateIgnoresReadiness) {
        return Gate::Open;
    }
    let wanted = wanted(view);
    if view.live.pointer("/spec/paused") == Some(&Value::Bool(true)) && wanted > 0 {
        // A paused Deployment that is new gets no ReplicaSet (`sync` of its controller).
        if status(view, "replicas") == 0 {
            return view.failed(
                "rollout-paused",
                "it is paused, so its controller makes no pods",
                "resume it with `kubectl rollout resume`, then run the same command again",
            );
        }
    }
    if let Some(gate) = unseen(view) {
        return gate;
    }
    let updated = status(view, "updatedReplicas");
    let available = status(view, "availableReplicas");
    let all = status(view, "replicas");
    if updated >= wanted && available >= wanted && all == updated {
        return match steady(view) {
            Gate::Open => leaders::led(view),
            Gate::Assumed(why) => match leaders::led(view) {
                Gate::Open => Gate::Assumed(why),
                gate => gate,
            },
            gate => gate,
        };
    }
    let counts = format!("{available} of {wanted} available, {updated} updated");
    let takes = format!("all {wanted} replicas are available and of the newest template");
    let gate = not_yet(view, &counts, &takes);
    match view.condition("Progressing").filter(Condition::is_false) {
        Some(progressing) if !matches!(gate, Gate::Failed(_)) => view.failed(
            "rollout-failed",
            &format!("{counts}; {}", progressing.words()),
            "look at its pods with `kubectl describe pod`, mend the cause, then run the command again",
        ),
        Some(_) | None => gate,
    }
}

/// Whether the pods are of the newest revision. With `OnDelete` the controller replaces none, so they are asked themselves.
fn is_updated(view: &View<'_>, wanted: u64) -> bool {
    let newest = view.text("/status/updateRevision");
    if view.text("/status/currentRevision") == newest || wanted == 0 {
        return true;
    }
    if view.text("/spec/updateStrategy/type") == Some("OnDelete") {
        return pods::of(view).iter().all(|pod| {
            text(*pod, "/metadata/labels/controller-revision-hash")
                .is_none_or(|one| Some(one) == newest)
        });
    }
    let kept = view.number("/spec/updateStrategy/rollingUpdate/partition");
    kept.is_some_and(|kept| {
        kept > 0 && status(view, "updatedReplicas") >= wanted.saturating_sub(kept)
    })
}

pub(super) fn stateful_set(view: &View<'_>) -> Gate {
    if let Some(gate) = unseen(view) {
        return gate;
    }
    let wanted = wanted(view);
    let settles = view
        .number("/spec/minReadySeconds")
        .is_some_and(|least| least > 0);
    let (field, word) = if settles {
        ("availableReplicas", "available")
    } else {
        ("readyReplicas", "ready")
    };
    let ready = status(view, field);
    let counts = format!("{ready} of {wanted} {word}");
    let takes = format!("all {wanted} replicas are {word} and of the newest revision");
    if ready < wanted {
        return not_yet(view, &counts, &takes);
    }
    if is_updated(view, wanted) {
        return steady(view);
    }
    not_yet(
        view,
        &format!("{counts}, not all of the newest revision"),
        &takes,
    )
}

pub(super) fn daemon_set(view: &View<'_>) -> Gate {
    if let Some(gate) = unseen(view) {
        return gate;
    }
    let wanted = status(view, "desiredNumberScheduled");
    let ready = status(view, "numberAvailable");
    let by_hand = view.text("/spec/updateStrategy/type") == Some("OnDelete");
    let updated = status(view, "updatedNumberScheduled");
    if ready >= wanted && (updated >= wanted || by_hand) {
        return steady(view);
    }
    let takes = format!("a pod is available on each of {wanted} nodes");
    not_yet(
        view,
        &format!("{ready} of {wanted} available, {updated} updated"),
        &takes,
    )
}

pub(super) fn replica_set(view: &View<'_>) -> Gate {
    if let Some(gate) = unseen(view) {
        return gate;
    }
    let (wanted, ready) = (wanted(view), status(view, "readyReplicas"));
    if ready >= wanted {
        return steady(view);
    }
    let takes = format!("all {wanted} replicas are ready");
    not_yet(view, &format!("{ready} of {wanted} ready"), &takes)
}
