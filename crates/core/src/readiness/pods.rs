//! What pods say about why a workload is not ready, and which of it never passes by itself.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Gate, condition, name, text};
use crate::driver::{ListRequest, Problem, Query, Seen};
use crate::inventory::Resource;

/// Restarts after which a crash loop is no longer taken for a slow start.
const RESTARTS_MAX: u64 = 8;

fn request(live: &Value) -> Option<ListRequest> {
    let labels = live.pointer("/spec/selector/matchLabels")?.as_object()?;
    let labels: BTreeMap<String, String> = labels
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    Some(ListRequest {
        resource: Resource::namespaced("v1", "Pod", "pods"),
        namespace: text(live, "/metadata/namespace").map(str::to_owned),
        labels,
    })
}

/// The pods of a workload.
pub(super) fn look(live: &Value) -> Option<Query> {
    request(live).map(Query::List)
}

/// The first trouble among a workload's pods.
pub(super) fn trouble(live: &Value, seen: &Seen) -> Option<Gate> {
    let pods = seen.list(&request(live)?).ok()?;
    let gates: Vec<Gate> = pods.iter().filter_map(of_pod).collect();
    gates
        .iter()
        .find(|gate| matches!(gate, Gate::Failed(_)))
        .or_else(|| gates.first())
        .cloned()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| pod.pointer(pointer)?.as_array())
        .flatten()
}

fn of_pod(pod: &Value) -> Option<Gate> {
    let pod_name = text(pod, "/metadata/name").unwrap_or_default();
    if let Some(("False", message)) = condition(pod, "PodScheduled") {
        return Some(Gate::closed(
            "pod-unschedulable",
            format!("pod {pod_name} finds no node: {message}"),
        ));
    }
    for container in containers(pod) {
        let Some(reason) = text(container, "/state/waiting/reason") else {
            continue;
        };
        let message = text(container, "/state/waiting/message").unwrap_or_default();
        let restarts = container
            .get("restartCount")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let container = text(container, "/name").unwrap_or_default();
        let what = format!("pod {pod_name}, container {container}: {reason}: {message}");
        let hopeless = match reason {
            "ErrImageNeverPull" | "InvalidImageName" | "ImagePullBackOff" => Some((
                "image-unavailable",
                "make the image available to this cluster, or map its registry",
            )),
            "CreateContainerConfigError" => {
                return Some(Gate::closed("container-configuration", what));
            }
            "CrashLoopBackOff" if restarts >= RESTARTS_MAX => Some((
                "crash-loop",
                "look at the container's log with `kubectl logs --previous`",
            )),
            _ => None,
        };
        return Some(match hopeless {
            Some((code, hint)) => Gate::Failed(Problem::stuck(code, what, hint)),
            None => Gate::closed("container-waiting", what),
        });
    }
    None
}

/// A pod of nobody's: ready, or ended well.
pub(super) fn pod(resource: &Resource, live: &Value) -> Gate {
    if text(live, "/status/phase") == Some("Succeeded")
        || matches!(condition(live, "Ready"), Some(("True", _)))
    {
        return Gate::Open;
    }
    if text(live, "/status/phase") == Some("Failed") {
        return Gate::Failed(Problem::stuck(
            "pod-failed",
            format!("{} has failed", name(resource, live)),
            "look at its log with `kubectl logs`",
        ));
    }
    of_pod(live).unwrap_or_else(|| {
        Gate::closed(
            "pod-not-ready",
            format!("{} is not ready", name(resource, live)),
        )
    })
}
