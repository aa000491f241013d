//! What pods say about why a workload is not ready, and which of it never passes by itself.

use std::collections::BTreeMap;

use serde_json::Value;

use super::events::{self, trouble as newest_trouble};
use super::images::{self, Lack};
use super::reading::{Condition, condition, list, number, one_line, text};
use super::{Gate, View, scheduling};
use crate::driver::{ListRequest, Problem, Query, Why};
use crate::inventory::Resource;

/// Restarts after which a crash loop is no longer taken for a slow start, when it is waited for that long already.
const RESTARTS: u64 = 5;
const CRASH_SECONDS: u32 = 120;
/// Restarts after which it is not, however short the wait.
const RESTARTS_MAX: u64 = 8;
/// Restarts after which a program that cannot even be started is taken for one that never can.
const START_ATTEMPTS: u64 = 2;
/// Seconds within which a missing Secret or ConfigMap may still come.
const CONFIGURATION_SECONDS: u32 = 120;

fn request(view: &View<'_>) -> Option<ListRequest> {
    let selector = view.live.pointer("/spec/selector")?.as_object()?;
    let labels = view.live.pointer("/spec/selector/matchLabels");
    if labels.is_none() && !selector.contains_key("matchExpressions") {
        return None;
    }
    let labels: BTreeMap<String, String> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    Some(ListRequest {
        resource: Resource::namespaced("v1", "Pod", "pods"),
        namespace: Some(view.text("/metadata/namespace")?.to_owned()),
        labels,
    })
}

/// The pods of a workload.
pub(super) fn look(view: &View<'_>) -> Option<Query> {
    request(view).map(Query::List)
}

/// What stands in the way of who must know its pods: they were asked for in vain.
pub(super) fn unread(view: &View<'_>) -> Option<Gate> {
    let refused = look(view).and_then(|query| view.seen.refusal(&query));
    let gate = |problem| Gate::unread(view.clock, problem);
    refused.cloned().map(gate)
}

/// `matchExpressions` of a selector, which the list was not asked for.
fn is_selected(view: &View<'_>, pod: &Value) -> bool {
    let labels = pod.pointer("/metadata/labels");
    view.list("/spec/selector/matchExpressions")
        .iter()
        .all(|one| {
            let key = text(one, "/key").unwrap_or_default();
            let label = labels.and_then(|all| all.get(key)).and_then(Value::as_str);
            let among = label.is_some_and(|label| {
                list(one, "/values")
                    .iter()
                    .any(|value| value.as_str() == Some(label))
            });
            match text(one, "/operator").unwrap_or_default() {
                "In" => among,
                "NotIn" => !among,
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => true,
            }
        })
}

/// Made by another workload of the same kind, whose selector overlaps.
fn is_of_another(view: &View<'_>, pod: &Value) -> bool {
    let uid = view.text("/metadata/uid");
    list(pod, "/metadata/ownerReferences").iter().any(|owner| {
        owner.pointer("/controller") == Some(&Value::Bool(true))
            && text(owner, "/kind") == Some(&view.resource.kind)
            && text(owner, "/uid") != uid
    })
}

/// The pods of a workload that are not going away, of a Deployment those of its newest template; none when they were not read.
pub(super) fn of<'a>(view: &View<'a>) -> Vec<&'a Value> {
    let found = request(view).and_then(|request| view.seen.list(&request).ok());
    let found: Vec<&Value> = found
        .unwrap_or_default()
        .iter()
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
        .filter(|pod| !matches!(text(*pod, "/status/phase"), Some("Succeeded" | "Failed")))
        .filter(|pod| is_selected(view, pod) && !is_of_another(view, pod))
        .collect();
    if view.is("apps", "Deployment") {
        return of_newest_template(found);
    }
    found
}

fn template(pod: &Value) -> Option<&str> {
    text(pod, "/metadata/labels/pod-template-hash")
}

/// What ails a pod that is being replaced says nothing of those that replace it. An older template may get a pod anew, so the newest is
/// the one whose oldest pod is the youngest.
fn of_newest_template(mut pods: Vec<&Value>) -> Vec<&Value> {
    let mut since: BTreeMap<&str, &str> = BTreeMap::new();
    for pod in &pods {
        let made = text(*pod, "/metadata/creationTimestamp").unwrap_or_default();
        if let Some(template) = template(pod) {
            let first = since.entry(template).or_insert(made);
            *first = made.min(*first);
        }
    }
    let newest = since.values().max();
    pods.retain(|pod| template(pod).is_none_or(|one| since.get(one) == newest));
    pods
}

/// The worst trouble among a workload's pods, in a line that begins with its name and what is counted of it.
pub(super) fn trouble(view: &View<'_>, counts: &str) -> Option<Gate> {
    let line = |message: &str| format!("{}: {counts}; {message}", view.name());
    let pods = of(view);
    match worst(pods.iter().filter_map(|pod| of_pod(view, pod)))? {
        Gate::Failed(mut problem) => {
            problem.message = line(&problem.message);
            Some(Gate::Failed(problem))
        }
        Gate::Closed(mut why) => {
            why.message = line(&why.message);
            if let Some(failing) = &mut why.failing {
                failing.problem.message.clone_from(&why.message);
            }
            Some(Gate::Closed(why))
        }
        Gate::Open | Gate::Assumed(_) => None,
    }
}

/// What has failed for good, else what fails when it stays so (its time counts only while it is shown), else the first that waits.
fn worst(gates: impl Iterator<Item = Gate>) -> Option<Gate> {
    gates.min_by_key(|gate| match gate {
        Gate::Failed(_) => 0,
        Gate::Closed(why) if why.failing.is_some() => 1,
        Gate::Closed(_) | Gate::Open | Gate::Assumed(_) => 2,
    })
}

/// A pod whose containers were started more than once.
pub(super) struct Restarted<'a> {
    pub(super) pod: &'a str,
    pub(super) restarts: u64,
    /// When it became ready again.
    pub(super) ready_since: Option<&'a str>,
}

/// Of the pods that had restarts, the one that became ready last.
pub(super) fn restarted<'a>(view: &View<'a>) -> Option<Restarted<'a>> {
    of(view)
        .into_iter()
        .filter_map(|pod| {
            // Init containers are started again on purpose when a pod's node restarts; they do not serve.
            let restarts = list(pod, "/status/containerStatuses")
                .iter()
                .filter_map(|one| number(one, "/restartCount"))
                .max()
                .filter(|restarts| *restarts > 0)?;
            Some(Restarted {
                pod: text(pod, "/metadata/name").unwrap_or_default(),
                restarts,
                ready_since: condition(pod, "Ready").and_then(|one| one.since),
            })
        })
        .max_by_key(|one| one.ready_since)
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .flat_map(|pointer| list(pod, pointer))
}

/// How a container ended the last time: `; it ended with code 1 (Error)`.
fn last_end(container: &Value) -> String {
    let Some(ended) = container.pointer("/lastState/terminated") else {
        return String::new();
    };
    let reason = text(ended, "/reason").unwrap_or_default();
    let message = text(ended, "/message").unwrap_or_default();
    let code = ended.pointer("/exitCode").and_then(Value::as_i64);
    let code = code.map_or_else(String::new, |code| format!(" with code {code}"));
    one_line(&format!("; it ended{code} ({reason}) {message}"))
}

fn of_container(view: &View<'_>, pod_name: &str, container: &Value) -> Option<Gate> {
    let reason = text(container, "/state/waiting/reason")?;
    let message = text(container, "/state/waiting/message").unwrap_or_default();
    let restarts = number(container, "/restartCount").unwrap_or(0);
    let what = format!(
        "pod {pod_name}, container {}: {}{}",
        text(container, "/name").unwrap_or_default(),
        one_line(&format!("{reason}: {message}")),
        last_end(container)
    );
    let never_started = matches!(
        text(container, "/lastState/terminated/reason"),
        Some("StartError" | "ContainerCannotRun")
    );
    let crashed =
        restarts >= RESTARTS_MAX || (restarts >= RESTARTS && view.clock.is_past(CRASH_SECONDS));
    if let Some(lack) = images::lack(reason, message) {
        return Some(without_image(lack, what));
    }
    Some(match reason {
        "ImageInspectError" => Gate::closed("image-pulling", what, "the image can be pulled"),
        "CreateContainerConfigError" => {
            let code = "container-configuration";
            let problem = Problem::stuck(
                code,
                what.clone(),
                "create the Secret or ConfigMap that it names, then run the same command again",
            );
            let why = Why::new(code, what).taking("the Secret or ConfigMap that it names is there");
            Gate::Closed(why.failing(problem, CONFIGURATION_SECONDS))
        }
        "CrashLoopBackOff" | "RunContainerError" if never_started && restarts >= START_ATTEMPTS => {
            Gate::failed(
                "container-cannot-start",
                what,
                "mend the container's command, then run the same command again",
            )
        }
        "CrashLoopBackOff" if crashed => Gate::failed(
            "crash-loop",
            format!("{what}; {restarts} restarts"),
            "look at the container's log with `kubectl logs --previous`",
        ),
        "CrashLoopBackOff" => Gate::closed(
            "container-crashed",
            format!("{what}; {restarts} restarts"),
            "the container stays up: see `kubectl logs --previous`",
        ),
        _ => waiting(view, pod_name, what),
    })
}

/// A container whose image cannot be had.
fn without_image(lack: Lack, what: String) -> Gate {
    let problem = Problem::stuck(
        "image-unavailable",
        what.clone(),
        "make the image available to this cluster, or map its registry",
    );
    match lack {
        Lack::ForGood => Gate::Failed(problem),
        Lack::ForNow => {
            let why = Why::new("image-pulling", what).taking("the image can be pulled");
            Gate::Closed(why.failing(problem, images::PULL_SECONDS))
        }
    }
}

/// A container that is being made: what holds it up stands in the pod's events.
fn waiting(view: &View<'_>, pod_name: &str, what: String) -> Gate {
    let found = events::about(view, "Pod", pod_name, None);
    let what = match newest_trouble(&found) {
        Some(warning) => format!("{what}; {}", warning.words()),
        None => what,
    };
    Gate::closed("container-waiting", what, "the container starts")
}

fn of_pod(view: &View<'_>, pod: &Value) -> Option<Gate> {
    let name = text(pod, "/metadata/name").unwrap_or_default();
    if condition(pod, "Ready").is_some_and(|one| one.is_true()) {
        return None;
    }
    let scheduled = condition(pod, "PodScheduled");
    if let Some(refused) = scheduled.filter(Condition::is_false) {
        return Some(scheduling::unscheduled(view, pod, name, &refused));
    }
    if let Some(gate) = worst(containers(pod).filter_map(|one| of_container(view, name, one))) {
        return Some(gate);
    }
    let unready = condition(pod, "Ready").filter(Condition::is_false)?;
    let found = events::about(view, "Pod", name, text(pod, "/metadata/uid"));
    let words = match newest_trouble(&found) {
        Some(warning) => warning.words(),
        None => unready.words(),
    };
    Some(Gate::closed(
        "pod-not-ready",
        format!("pod {name}: {words}"),
        "its readiness probe succeeds",
    ))
}

/// A pod of nobody's: ready, or ended well.
pub(super) fn pod(view: &View<'_>) -> Gate {
    let phase = view.text("/status/phase");
    if phase == Some("Succeeded") || view.condition("Ready").is_some_and(|one| one.is_true()) {
        return Gate::Open;
    }
    if phase == Some("Failed") {
        let words = [view.text("/status/reason"), view.text("/status/message")];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        return view.failed(
            "pod-failed",
            &one_line(&format!("it has failed {}", words.join(": "))),
            "look at its log with `kubectl logs`",
        );
    }
    of_pod(view, view.live)
        .unwrap_or_else(|| view.closed("pod-not-ready", "it is not ready", "it is ready"))
}
