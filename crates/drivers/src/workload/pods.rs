//! The running pod of a workload, and commands in it.

use std::collections::BTreeMap;

use refloat_core::driver::{Class, ExecRequest, ListRequest, Problem, Query, Seen, Task};
use refloat_core::inventory::Resource;
use serde_json::Value;

fn pod_list(task: &Task<'_>) -> ListRequest {
    ListRequest {
        resource: Resource::namespaced("v1", "Pod", "pods"),
        namespace: task.claim.thing.namespace.clone(),
        labels: BTreeMap::new(),
    }
}

/// The pods of the claim's namespace.
pub(crate) fn pods(task: &Task<'_>) -> Query {
    Query::List(pod_list(task))
}

pub(crate) fn setting<'a>(task: &'a Task<'_>, key: &str) -> &'a str {
    task.claim.settings.get(key).map_or("", String::as_str)
}

/// False when the protection forbids holds.
pub(crate) fn may_hold(task: &Task<'_>) -> bool {
    task.input("holds") != Some("never")
}

/// Longest time for which writers may be made to wait, when the plan says so.
pub(crate) fn hold_seconds_max(task: &Task<'_>) -> Option<u32> {
    let limit = task.inputs.get("hold_seconds_max")?.as_u64()?;
    u32::try_from(limit).ok()
}

/// What is said of a member that would have to be held and may not.
pub(crate) const HOLDS_FORBIDDEN: &str =
    "holds are forbidden by the protection (`capture.holds: never`)";

/// `shop/db`: the member's name.
pub(crate) fn id(task: &Task<'_>) -> String {
    format!(
        "{}/{}",
        task.claim.thing.namespace.as_deref().unwrap_or_default(),
        task.claim.thing.name
    )
}

/// True when the pod belongs to the workload: by owner for a StatefulSet, by the ReplicaSet's name for a Deployment.
fn owned(task: &Task<'_>, pod: &Value) -> bool {
    let thing = &task.claim.thing;
    pod.pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|owner| {
            let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
            let name = text("name");
            match text("kind") {
                "ReplicaSet" => {
                    thing.kind == "Deployment"
                        && name
                            .rsplit_once('-')
                            .is_some_and(|(prefix, _)| prefix == thing.name)
                }
                kind => kind == thing.kind && name == thing.name,
            }
        })
}

/// Name of the running pod of the workload.
pub(crate) fn running_pod(task: &Task<'_>, seen: &Seen) -> Result<String, Problem> {
    let pod = running_pod_object(task, seen)?;
    let name = pod.pointer("/metadata/name").and_then(Value::as_str);
    Ok(name.unwrap_or_default().to_owned())
}

/// All running pods of the workload.
pub(crate) fn running_pods<'s>(task: &Task<'_>, seen: &'s Seen) -> Result<Vec<&'s Value>, Problem> {
    let runs = |pod: &&Value| {
        pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running")
            && pod.pointer("/metadata/deletionTimestamp").is_none()
            && container_runs(pod, setting(task, "container"))
    };
    let all = seen.list(&pod_list(task))?.iter();
    Ok(all.filter(|pod| owned(task, pod)).filter(runs).collect())
}

/// Why servers of one workload cannot be taken together, when several of its pods run: their volumes would be cut at
/// different moments, and a standby may come back ahead of its primary.
pub(crate) fn several_servers(task: &Task<'_>, seen: &Seen) -> Result<Option<String>, Problem> {
    let count = running_pods(task, seen)?.len();
    Ok((count > 1).then(|| {
        format!("{count} servers of it run, and one hold covers only one: a copy of a standby may be newer than its primary's")
    }))
}

/// The running pod of the workload.
pub(crate) fn running_pod_object<'s>(
    task: &Task<'_>,
    seen: &'s Seen,
) -> Result<&'s Value, Problem> {
    if let Some(pod) = running_pods(task, seen)?.first() {
        return Ok(pod);
    }
    let all = seen.list(&pod_list(task))?;
    let pods: Vec<&'s Value> = all.iter().filter(|pod| owned(task, pod)).collect();
    let wanted = setting(task, "container");
    if let Some(names) = pods.first().map(|pod| containers(pod))
        && !names.contains(&wanted)
    {
        return Err(Problem::stuck(
            "container-missing",
            format!("{}: its pod has no container `{wanted}`", id(task)),
            format!(
                "name the one of the server (`engines[].settings.container`): {}",
                names.join(", ")
            ),
        ));
    }
    let phase = pods
        .first()
        .and_then(|pod| pod.pointer("/status/phase")?.as_str())
        .unwrap_or("none");
    Err(Problem::of(
        Class::Wait,
        "pod-not-running",
        format!("{}: no running pod (phase {phase})", id(task)),
        "look at the pod with `kubectl describe pod`",
    ))
}

/// Names of a pod's containers.
fn containers(pod: &Value) -> Vec<&str> {
    pod.pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("name")?.as_str())
        .collect()
}

fn container_runs(pod: &Value, container: &str) -> bool {
    pod.pointer("/status/containerStatuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|status| {
            status.get("name").and_then(Value::as_str) == Some(container)
                && status.pointer("/state/running").is_some()
        })
}

/// A command in the server's container.
pub(crate) fn command(task: &Task<'_>, pod: &str, words: &[&str], input: &str) -> ExecRequest {
    ExecRequest {
        namespace: task.claim.thing.namespace.clone().unwrap_or_default(),
        pod: pod.to_owned(),
        container: Some(setting(task, "container").to_owned()),
        command: words.iter().map(|&word| word.to_owned()).collect(),
        input: input.to_owned(),
        limit_seconds: 120,
    }
}

pub(crate) fn first_line(text: &str) -> &str {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("nothing")
}
