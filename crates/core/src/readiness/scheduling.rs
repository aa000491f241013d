//! Pods that find no node: what may pass by itself, and what never does.

use serde_json::Value;

use super::events::{self, trouble};
use super::reading::{Condition, list, one_line, text};
use super::{Gate, View};

/// Seconds after which no node is taken to come that fits.
const NO_NODE_SECONDS: u32 = 60;
/// Seconds after which no room is taken to become free.
const NO_ROOM_SECONDS: u32 = 180;

/// Why the scheduler refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// A claim is not bound, or not there yet: its own gate tells more.
    Volume,
    /// There are nodes that would do, and they are full or not ready.
    NoRoom,
    /// No node may take it.
    NoNode,
    /// Words that are not known: never taken for hopeless.
    Unknown,
}

/// Reads the scheduler's words, `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) …. preemption: …`.
fn refusal(message: &str) -> Refusal {
    let words = message.split("preemption:").next().unwrap_or_default();
    let says = |all: &[&str]| all.iter().any(|one| words.contains(one));
    if says(&[
        "ersistentvolumeclaim",
        "ersistentVolumeClaim",
        "volumes to bind",
        "to bind",
    ]) {
        Refusal::Volume
    } else if says(&[
        "Insufficient",
        "Too many pods",
        "free ports",
        "volume count",
        "no nodes available",
        "unschedulable",
        "node.kubernetes.io/",
        "node.cloudprovider.kubernetes.io/",
        // These two depend on where other pods run.
        "anti-affinity",
        "topology spread",
        "pod affinity",
    ]) {
        Refusal::NoRoom
    } else if says(&[
        "node affinity",
        "node selector",
        "untolerated taint",
        "didn't match",
    ]) {
        Refusal::NoNode
    } else {
        Refusal::Unknown
    }
}

/// Warnings about the claims that a pod mounts.
fn claims_say(view: &View<'_>, pod: &Value) -> Option<String> {
    list(pod, "/spec/volumes").iter().find_map(|volume| {
        let claim = text(volume, "/persistentVolumeClaim/claimName")?;
        let found = events::about(view, "PersistentVolumeClaim", claim, None);
        let warning = trouble(&found)?;
        Some(format!("claim {claim}: {}", warning.words()))
    })
}

/// A pod that the scheduler has not placed.
pub(super) fn unscheduled(
    view: &View<'_>,
    pod: &Value,
    name: &str,
    refused: &Condition<'_>,
) -> Gate {
    let words = one_line(refused.message);
    let mut what = format!("pod {name} finds no node: {words}");
    if refused.reason == "SchedulingGated" {
        return Gate::closed(
            "pod-gated",
            format!("pod {name} is held back by its scheduling gates"),
            "whoever set the gates removes them",
        );
    }
    let found = events::about(view, "Pod", name, text(pod, "/metadata/uid"));
    // An autoscaler that makes a node needs minutes.
    if found.iter().any(|one| one.reason == "TriggeredScaleUp") {
        return Gate::closed(
            "pod-unschedulable",
            format!("{what}; the cluster is being scaled up"),
            "the new node is ready",
        );
    }
    let refusal = refusal(refused.message);
    let (limit, takes) = match refusal {
        Refusal::Volume => (None, "its claims can be bound"),
        Refusal::NoRoom => (Some(NO_ROOM_SECONDS), "room on a node that may take it"),
        Refusal::NoNode => (
            Some(NO_NODE_SECONDS),
            "a node that its affinity, selector and tolerations allow",
        ),
        Refusal::Unknown => (None, "a node that may take it"),
    };
    if refusal == Refusal::Volume
        && let Some(claim) = claims_say(view, pod)
    {
        what = format!("{what}; {claim}");
    }
    let lasts = limit.is_some_and(|limit| view.clock.has_lasted(refused.since, limit));
    // Without its events nobody knows of an autoscaler: a closed gate has them read.
    if lasts && events::are_asked(view) {
        return Gate::failed(
            "pod-unschedulable",
            what,
            "add a node that fits, make room, or change what the pod asks for; then run the same command again",
        );
    }
    Gate::closed("pod-unschedulable", what, takes)
}
