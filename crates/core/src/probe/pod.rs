//! The second way: a pod that asks once, says what it heard in its termination message, and is deleted.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{ProbeAnswer, one_line};
use super::target::{Target, list, text};
use super::{Ask, Probe, ProbeTask};
use crate::driver::{
    Class, Effect, FieldOwner, ObjectRef, Outcome, Precondition, Problem, Propagation, Why,
};
use crate::inventory::Resource;
use crate::names::{LABEL_RUN, LABEL_STEP, RunId, SYSTEM_NAMESPACE, part_object_name};

/// Environment variable that carries the [`Probe`], as JSON.
pub const ORDER_VARIABLE: &str = "REFLOAT_PROBE";
/// Environment variable of the password, from the Secret.
pub const PASSWORD_VARIABLE: &str = "REFLOAT_PROBE_PASSWORD";
/// Environment variable of the user, from the Secret.
pub const USER_VARIABLE: &str = "REFLOAT_PROBE_USER";
/// Value of the label `refloat.io/step` of every probe pod.
pub const STEP_LABEL: &str = "probe";

const ANNOTATION_ATTEMPT: &str = "refloat.io/attempt";
const CONTAINER: &str = "probe";
/// Fact of a kept outcome.
const FACT: &str = "probe";
/// Seconds that a pod may take to get its image and start, beyond those of the try.
const START_SECONDS: u32 = 90;

/// What the last try brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Heard {
    /// The pod said this.
    Answer(ProbeAnswer),
    /// The pod never said anything.
    Nothing(Problem),
    /// The cluster refused the pod.
    Refused(Problem),
}

/// What is remembered of the last try after its pod is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) heard: Heard,
    pub(super) at: Timestamp,
    /// How often the same was heard, one after the other.
    pub(super) times: u32,
    /// The pod's own address, against which network policies are read.
    pub(super) address: Option<IpAddr>,
}

impl Heard {
    fn kind(&self) -> String {
        match self {
            Self::Answer(ProbeAnswer::Yes { .. }) => "yes".to_owned(),
            Self::Answer(ProbeAnswer::No { cause, .. }) => format!("{cause:?}"),
            Self::Nothing(problem) | Self::Refused(problem) => problem.code.clone(),
        }
    }
}

/// What is remembered of the last try.
pub(super) fn kept(task: &ProbeTask<'_>) -> Option<Kept> {
    kept_in(task.ran)
}

/// What was heard last that was no yes; nothing before the first try is over.
pub fn last_no(ran: Option<&Outcome>) -> Option<String> {
    match kept_in(ran)?.heard {
        Heard::Answer(ProbeAnswer::Yes { .. }) => None,
        Heard::Answer(ProbeAnswer::No { said, .. }) => Some(said),
        Heard::Nothing(problem) | Heard::Refused(problem) => Some(problem.message),
    }
}

fn kept_in(ran: Option<&Outcome>) -> Option<Kept> {
    serde_json::from_value(ran?.facts.get(FACT)?.clone()).ok()
}

fn keep(before: Option<&Kept>, heard: Heard, address: Option<IpAddr>, at: Timestamp) -> Outcome {
    let times = before.map_or(1, |before| {
        if before.heard.kind() == heard.kind() {
            before.times.saturating_add(1)
        } else {
            1
        }
    });
    let kept = Kept {
        heard,
        at,
        times,
        address,
    };
    Outcome::default().with(FACT, json!(kept))
}

/// For the loop: when the cluster refuses a probe pod, the step remembers it and tries again, instead of ending there. `None` for
/// every other effect, and for what trying again answers.
pub fn refused(
    effect: &Effect,
    problem: &Problem,
    before: Option<&Outcome>,
    at: Timestamp,
) -> Option<Outcome> {
    let Effect::Create { object, .. } = effect else {
        return None;
    };
    let is_probe = super::target::label(object, LABEL_STEP) == Some(STEP_LABEL);
    (is_probe && problem.class == Class::Stuck).then(|| {
        let before = kept_in(before);
        keep(before.as_ref(), Heard::Refused(problem.clone()), None, at)
    })
}

/// Namespace in which the pod runs.
pub(super) fn namespace<'t>(task: &ProbeTask<'t>) -> &'t str {
    if task.probe.credentials.is_some() {
        return task.namespace;
    }
    task.probe.from.as_deref().unwrap_or(SYSTEM_NAMESPACE)
}

/// The probe pod of a task, whether it is there or not.
pub fn object(task: &ProbeTask<'_>) -> ObjectRef {
    let resource = Resource::namespaced("v1", "Pod", "pods");
    let name = part_object_name(task.run, &format!("probe {}", task.step));
    ObjectRef::namespaced(resource, namespace(task), &name)
}

/// Labels of a probe pod, by which network policies see it.
pub(super) fn labels(run: &RunId) -> Value {
    json!({
        LABEL_RUN: run.as_str(),
        LABEL_STEP: STEP_LABEL,
        "app.kubernetes.io/managed-by": "refloat",
    })
}

/// Creates the pod. It runs under the strictest of the pod security standards, so that no namespace refuses it for that.
pub(super) fn create(task: &ProbeTask<'_>, target: &Target<'_>) -> Effect {
    let probe = task.probe;
    let order = Probe {
        host: target.host(task),
        ..probe.clone()
    };
    let order = serde_json::to_string(&order).expect("a probe is plain data");
    let mut env = vec![json!({ "name": ORDER_VARIABLE, "value": order })];
    if let Some(credentials) = &probe.credentials {
        let from =
            |key: &str| json!({ "secretKeyRef": { "name": credentials.secret, "key": key } });
        env.push(
            json!({ "name": PASSWORD_VARIABLE, "valueFrom": from(&credentials.password_key) }),
        );
        if let Some(key) = &credentials.user_key {
            env.push(json!({ "name": USER_VARIABLE, "valueFrom": from(key) }));
        }
    }
    let object = object(task);
    Effect::Create {
        resource: object.resource.clone(),
        object: json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": object.name,
                "namespace": object.namespace,
                "labels": labels(task.run),
                "annotations": {
                    ANNOTATION_ATTEMPT: task.attempt.to_string(),
                    "refloat.io/probe": words(probe),
                    // A mesh would add a container that never ends, and answer in the server's place.
                    "sidecar.istio.io/inject": "false",
                    "linkerd.io/inject": "disabled",
                },
            },
            "spec": spec(task, &env),
        }),
        owner: FieldOwner::refloat(),
    }
}

fn spec(task: &ProbeTask<'_>, env: &[Value]) -> Value {
    json!({
        "restartPolicy": "Never",
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "activeDeadlineSeconds": task.probe.try_seconds + START_SECONDS,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": CONTAINER,
            "image": task.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/bin/refloat", "probe", "once"],
            "env": env,
            "terminationMessagePolicy": "File",
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
            // Limits too: a quota may ask for them.
            "resources": {
                "requests": { "cpu": "20m", "memory": "32Mi" },
                "limits": { "cpu": "500m", "memory": "128Mi" },
            },
        }],
    })
}

/// `PostgreSQL db:5432`.
pub(super) fn words(probe: &Probe) -> String {
    let host = &probe.host;
    match (&probe.ask, probe.port()) {
        (Ask::Dns { .. }, _) | (_, None) => format!("{} {host}", probe.ask.protocol()),
        (_, Some(port)) if host.contains(':') => {
            format!("{} [{host}]:{port}", probe.ask.protocol())
        }
        (_, Some(port)) => format!("{} {host}:{port}", probe.ask.protocol()),
    }
}

/// What is to be done about a pod that is there.
#[derive(Debug, PartialEq)]
pub(super) enum Existing {
    /// It has not said anything yet.
    Asking(Why),
    /// It goes, and this is remembered.
    Over(Vec<Effect>),
}

/// Reads the pod: its word counts only if this engine made it.
pub(super) fn existing(task: &ProbeTask<'_>, pod: &Value, now: Timestamp) -> Existing {
    let waits = |code: &str, message: String| {
        let takes = "a kubelet that starts the probe pod, and removes it";
        Existing::Asking(Why::new(code, message).taking(takes))
    };
    let what = words(task.probe);
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return waits("probe-going", format!("{what}: the probe pod is going"));
    }
    let delete = Effect::Delete {
        object: object(task),
        precondition: Precondition::same_uid(pod),
        propagation: Propagation::Background,
    };
    let attempt = pod
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(ANNOTATION_ATTEMPT)?.as_str());
    if attempt != Some(&task.attempt.to_string()) {
        return Existing::Over(vec![delete]);
    }
    let over = |heard: Heard| {
        let address = text(pod, "/status/podIP").and_then(|text| text.parse().ok());
        let outcome = keep(kept(task).as_ref(), heard, address, now);
        Existing::Over(vec![delete.clone(), Effect::Keep(outcome)])
    };
    let status = list(pod, "/status/containerStatuses")
        .find(|status| text(status, "/name") == Some(CONTAINER));
    let ended = status.and_then(|status| status.pointer("/state/terminated"));
    let phase = text(pod, "/status/phase");
    if ended.is_some() || matches!(phase, Some("Failed" | "Succeeded")) {
        let message = ended.and_then(|ended| text(ended, "/message"));
        let answer = message.and_then(|message| serde_json::from_str(message).ok());
        return over(answer.map_or_else(
            || Heard::Nothing(no_word(task, pod, ended)),
            |answer: ProbeAnswer| Heard::Answer(answer.cleaned()),
        ));
    }
    let waiting = status.and_then(|status| status.pointer("/state/waiting"));
    let reason = waiting.and_then(|waiting| text(waiting, "/reason"));
    if let (Some(waiting), Some(reason)) = (waiting, reason)
        && let Some(problem) = hopeless(task, reason, text(waiting, "/message").unwrap_or_default())
    {
        return over(Heard::Nothing(problem));
    }
    let unscheduled = list(pod, "/status/conditions").find(|condition| {
        text(condition, "/type") == Some("PodScheduled")
            && text(condition, "/status") == Some("False")
    });
    if let Some(condition) = unscheduled {
        let why = one_line(text(condition, "/message").unwrap_or_default());
        return Existing::Asking(
            Why::new(
                "probe-pod-unscheduled",
                format!("{what}: the probe pod is not scheduled: {why}"),
            )
            .taking("a node that takes the probe pod"),
        );
    }
    waits("probe-asking", format!("{what}: a probe pod asks"))
}

fn no_word(task: &ProbeTask<'_>, pod: &Value, ended: Option<&Value>) -> Problem {
    let of_pod = text(pod, "/status/reason");
    let of_container = ended.and_then(|ended| text(ended, "/reason"));
    let reason = of_pod.or(of_container).unwrap_or("no reason given");
    Problem::stuck(
        "probe-pod-failed",
        format!(
            "{}: the probe pod ended without a word ({})",
            words(task.probe),
            one_line(reason)
        ),
        format!(
            "see the events of namespace {}; is {} an image of this refloat?",
            namespace(task),
            task.image
        ),
    )
}

/// What keeps a container from starting, for good.
fn hopeless(task: &ProbeTask<'_>, reason: &str, message: &str) -> Option<Problem> {
    let what = words(task.probe);
    let message = one_line(message);
    match reason {
        "ErrImageNeverPull" | "InvalidImageName" | "ImagePullBackOff" => Some(Problem::stuck(
            "probe-image",
            format!("{what}: the probe pod's image cannot be had: {reason}: {message}"),
            "give an image that this cluster can pull with `--mover-image`",
        )),
        "CreateContainerConfigError" => Some(Problem::stuck(
            "probe-credentials",
            format!("{what}: the probe pod does not get its Secret: {message}"),
            format!(
                "name a Secret of namespace {} and its keys",
                namespace(task)
            ),
        )),
        _ => None,
    }
}
