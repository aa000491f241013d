//! Which way a probe is asked now, and what its answer means for the one who waits. Exec first, a pod second: also when exec was refused
//! for want of the Secret.
//!
//! A probe pod is gone before the answer counts and before the next try, so what it said is remembered in the step's own effects.

use jiff::{SignedDuration, Timestamp};

use super::answer::{Cause, ProbeAnswer};
use super::exec::{self, Asked};
use super::pod::{self, Existing, Heard, Kept, kept, namespace, words};
use super::policy::{self, End, Port, Who};
use super::target::{self, Target, is_ready, pod_port, text};
use super::{Ask, ProbeTask, Way, check};
use crate::driver::{ListRequest, ObjectRef, Outcome, Problem, Query, Seen, Verdict, Why};
use crate::inventory::Resource;
use crate::names::SYSTEM_NAMESPACE;
use crate::recovery::{system_namespace_decide, system_namespace_look};

/// Seconds between the end of a try by a pod and the next one.
const PAUSE_SECONDS: i64 = 3;
/// Seconds after a pod that the cluster refused.
const REFUSED_PAUSE_SECONDS: i64 = 10;
/// A no that no waiting mends counts once it was heard so often, one after the other.
const TIMES_MAX: u32 = 3;

/// What must be read before [`decide`].
pub fn look(task: &ProbeTask<'_>) -> Vec<Query> {
    if check(task.probe).is_err() {
        return Vec::new();
    }
    let mut queries = target::look(task);
    if task.probe.way != Way::Exec {
        queries.push(Query::Object(pod::object(task)));
        if namespace(task) == SYSTEM_NAMESPACE {
            queries.extend(system_namespace_look());
        }
    }
    queries
}

/// What to do now. `Done` when the answer is yes (facts: `way`, `said`, `milliseconds`, `at`); `Wait` with the reason when it is no,
/// and while it is being asked; `Stuck` when the probe cannot be asked, or a no that no waiting mends was heard several times.
///
/// Its effects are creating and deleting the probe pod, and [`Effect::Keep`](crate::driver::Effect::Keep): what the pod said, for
/// `ran` of the next turn.
pub fn decide(task: &ProbeTask<'_>, seen: &Seen, now: Timestamp) -> Verdict {
    let decided = check(task.probe).and_then(|()| try_decide(task, seen, now));
    decided.unwrap_or_else(Verdict::from)
}

fn try_decide(task: &ProbeTask<'_>, seen: &Seen, now: Timestamp) -> Result<Verdict, Problem> {
    let target = target::target(task, seen)?;
    let by_pod = task.probe.way != Way::Exec;
    if by_pod && let Some(pod) = seen.object(&pod::object(task))? {
        return Ok(match pod::existing(task, pod, now) {
            Existing::Asking(why) => Verdict::Wait(why),
            Existing::Over(effects) => Verdict::Act(effects),
        });
    }
    if let Some(kept) = kept(task).filter(|_| by_pod) {
        return Ok(by_kept(task, &target, &kept, seen, now));
    }
    if let Some(why) = nobody_to_ask(task, &target) {
        return Ok(Verdict::Wait(why));
    }
    if task.probe.way != Way::Pod
        && let Target::Service { service, pods, .. } = &target
        && let Some(pod) = pods.first()
    {
        match exec::ask(task, service, pod, seen) {
            Asked::Unread(queries) => return Ok(Verdict::Look(queries)),
            Asked::Answered(answer) if is_anothers(task, &answer) => {}
            Asked::Answered(answer) => return Ok(by_exec(task, answer, now)),
            Asked::Running(problem) => return Err(problem),
            Asked::NoClient => {}
        }
    }
    if !by_pod {
        return Err(no_client(task, &target));
    }
    Ok(ask_by_pod(task, &target, seen))
}

/// Whether a client in a container was refused where a pod may not be: only the pod has the Secret, and a client may be in a container
/// without a server (a proxy's).
fn is_anothers(task: &ProbeTask<'_>, answer: &ProbeAnswer) -> bool {
    let refused = matches!(
        answer,
        ProbeAnswer::No {
            cause: Cause::Unauthorized | Cause::Refused,
            ..
        }
    );
    refused && task.probe.way == Way::Any && task.probe.credentials.is_some()
}

/// Starts a try.
fn ask_by_pod(task: &ProbeTask<'_>, target: &Target<'_>, seen: &Seen) -> Verdict {
    if namespace(task) == SYSTEM_NAMESPACE {
        match system_namespace_decide(seen) {
            Verdict::Done(_) => {}
            other => return other,
        }
    }
    Verdict::Act(vec![pod::create(task, target)])
}

fn done(way: &str, said: &str, milliseconds: u64, at: Timestamp) -> Verdict {
    Verdict::Done(
        Outcome::default()
            .with("way", way)
            .with("said", said)
            .with("milliseconds", milliseconds)
            .with("at", at.to_string()),
    )
}

fn by_exec(task: &ProbeTask<'_>, answer: ProbeAnswer, now: Timestamp) -> Verdict {
    match answer {
        ProbeAnswer::Yes { said, milliseconds } => done("exec", &said, milliseconds, now),
        ProbeAnswer::No { cause, said, .. } => Verdict::Wait(super::words::why(task, cause, &said)),
    }
}

/// A Service that is not there, or with no pod that runs: no question is needed to know the answer.
fn nobody_to_ask(task: &ProbeTask<'_>, target: &Target<'_>) -> Option<Why> {
    if matches!(task.probe.ask, Ask::Dns { .. }) {
        return None;
    }
    let what = words(task.probe);
    match target {
        Target::Missing(place) => Some(
            Why::new(
                "probe-no-service",
                format!(
                    "{what}: there is no Service {}/{}",
                    place.namespace, place.service
                ),
            )
            .taking("the Service, or a correct host in the probe"),
        ),
        Target::Service {
            place,
            selects: true,
            pods,
            ..
        } if pods.is_empty() => Some(
            Why::new(
                "probe-no-pod",
                format!(
                    "{what}: no pod of Service {}/{} runs",
                    place.namespace, place.service
                ),
            )
            .taking("a running pod that the Service selects"),
        ),
        Target::Service { .. } | Target::Elsewhere => None,
    }
}

fn no_client(task: &ProbeTask<'_>, target: &Target<'_>) -> Problem {
    let what = words(task.probe);
    let message = match target {
        Target::Elsewhere => {
            format!("{what}: it is no Service of this cluster, and no container of it can be asked")
        }
        Target::Missing(_) | Target::Service { .. } => {
            format!(
                "{what}: no container of its pods has the client (`psql`, `mariadb` or `mysql`, `valkey-cli` or `redis-cli`) and `sh`"
            )
        }
    };
    Problem::stuck(
        "probe-no-client",
        message,
        "let the probe be asked by a pod (`way: any` or `pod`)",
    )
}

/// The last try is over and its pod is gone.
fn by_kept(
    task: &ProbeTask<'_>,
    target: &Target<'_>,
    kept: &Kept,
    seen: &Seen,
    now: Timestamp,
) -> Verdict {
    let why = match &kept.heard {
        Heard::Answer(ProbeAnswer::Yes { said, milliseconds }) => {
            return done("pod", said, *milliseconds, kept.at);
        }
        Heard::Answer(ProbeAnswer::No { cause, said, .. }) => {
            match blocked(task, target, kept, *cause, seen) {
                Ok(Some(why)) => why,
                Ok(None) => super::words::why(task, *cause, said),
                Err(queries) => return Verdict::Look(queries),
            }
        }
        Heard::Nothing(problem) => of_problem(problem),
        Heard::Refused(problem) => of_problem(&refusal(task, problem)),
    };
    if kept.times >= TIMES_MAX
        && let Some(failing) = &why.failing
    {
        return Verdict::Stuck(failing.problem.clone());
    }
    let pause = match &kept.heard {
        Heard::Refused(_) => REFUSED_PAUSE_SECONDS,
        Heard::Answer(_) | Heard::Nothing(_) => PAUSE_SECONDS,
    };
    let since = now.duration_since(kept.at);
    // A clock that was set back does not hold up the next try.
    let rests = since >= SignedDuration::ZERO && since < SignedDuration::from_secs(pause);
    if rests {
        // How often it was heard decides here, not for how long it is shown.
        return Verdict::Wait(Why {
            failing: None,
            ..why
        });
    }
    if let Some(why) = nobody_to_ask(task, target) {
        return Verdict::Wait(why);
    }
    ask_by_pod(task, target, seen)
}

fn of_problem(problem: &Problem) -> Why {
    Why::new(&problem.code, problem.message.clone())
        .taking(problem.hint.clone())
        .failing(problem.clone(), super::words::FAILING_SECONDS)
}

/// The cluster refuses the probe pod: by quota, by a policy of admission, for want of rights.
fn refusal(task: &ProbeTask<'_>, problem: &Problem) -> Problem {
    let what = words(task.probe);
    let place = namespace(task);
    let hint = match problem.code.as_str() {
        "quota-exceeded" => format!(
            "make room for one small pod (20m CPU, 32Mi) in the ResourceQuota of namespace {place}, or let the probe be asked from another namespace (`from`)"
        ),
        "admission-denied" => format!(
            "see the labels `pod-security.kubernetes.io/*` of namespace {place} and the policies of this cluster: the probe pod keeps to `restricted`"
        ),
        _ => problem.hint.clone(),
    };
    Problem::stuck(
        "probe-pod-refused",
        format!(
            "{what}: the cluster refuses a probe pod in namespace {place}: {}",
            problem.message
        ),
        hint,
    )
}

fn policy_list(namespace: &str) -> ListRequest {
    ListRequest {
        resource: Resource::namespaced("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        namespace: Some(namespace.to_owned()),
        labels: std::collections::BTreeMap::new(),
    }
}

fn namespace_object(name: &str) -> ObjectRef {
    ObjectRef::cluster(Resource::cluster("v1", "Namespace", "namespaces"), name)
}

/// Whether network policies explain that nothing came back from a server that is ready; what must be read to know.
fn blocked(
    task: &ProbeTask<'_>,
    target: &Target<'_>,
    kept: &Kept,
    cause: Cause,
    seen: &Seen,
) -> Result<Option<Why>, Vec<Query>> {
    let from = namespace(task);
    let server = match (cause, target) {
        (
            Cause::TimedOut,
            Target::Service {
                service,
                pods,
                place,
                ..
            },
        ) => {
            let Some(pod) = pods.first().filter(|pod| is_ready(pod)) else {
                return Ok(None);
            };
            Some((*service, *pod, place.namespace.as_str()))
        }
        (Cause::TimedOut | Cause::NameUnasked, _) => None,
        _ => return Ok(None),
    };
    let unread = unread_policies(from, server.map(|(_, _, namespace)| namespace), seen);
    if !unread.is_empty() {
        return Err(unread);
    }
    let labels_of = |name: &str| {
        let object = seen.object(&namespace_object(name)).ok().flatten();
        object.and_then(|object| object.pointer("/metadata/labels"))
    };
    let policies = |namespace: &str| seen.list(&policy_list(namespace)).unwrap_or_default();
    let own = serde_json::json!({ "labels": pod::labels(task.run) });
    let client = End {
        namespace: from,
        namespace_labels: labels_of(from),
        who: Who::Pod(&own),
        address: kept.address,
    };
    let asked = task.probe.port().unwrap_or_default();
    let (there, port) = match server {
        Some((service, pod, place)) => (
            End {
                namespace: place,
                namespace_labels: labels_of(place),
                who: pod.get("metadata").map_or(Who::Unknown, Who::Pod),
                address: text(pod, "/status/podIP").and_then(|text| text.parse().ok()),
            },
            Port {
                number: pod_port(service, pod, asked),
                protocol: "TCP",
                pod: Some(pod),
            },
        ),
        None => elsewhere(task, cause, asked),
    };
    let names = policy::not_let_in(policies(there.namespace), there, client, port);
    if !names.is_empty() {
        return Ok(Some(by_policy(task, there.namespace, &names, "let in")));
    }
    let names = policy::not_let_out(policies(from), client, there, port);
    Ok((!names.is_empty()).then(|| by_policy(task, from, &names, "let out")))
}

fn unread_policies(from: &str, to: Option<&str>, seen: &Seen) -> Vec<Query> {
    let mut namespaces = vec![from];
    namespaces.extend(to.filter(|&to| to != from));
    namespaces
        .iter()
        .flat_map(|&one| {
            [
                Query::List(policy_list(one)),
                Query::Object(namespace_object(one)),
            ]
        })
        .filter(|query| !seen.has(query))
        .collect()
}

/// The other end when it is no pod that is known: the name servers, or somebody outside.
fn elsewhere<'v>(task: &ProbeTask<'_>, cause: Cause, port: u16) -> (End<'v>, Port<'v>) {
    let asks_names = cause == Cause::NameUnasked;
    let end = End {
        namespace: "",
        namespace_labels: None,
        who: if asks_names {
            Who::Unknown
        } else {
            Who::Outside
        },
        address: task.probe.host.parse().ok().filter(|_| !asks_names),
    };
    let port = Port {
        number: if asks_names { 53 } else { port },
        protocol: if asks_names { "UDP" } else { "TCP" },
        pod: None,
    };
    (end, port)
}

fn by_policy(task: &ProbeTask<'_>, namespace: &str, names: &[String], how: &str) -> Why {
    let source = super::pod::namespace(task);
    let verb = if names.len() == 1 { "does" } else { "do" };
    Why::new(
        "probe-blocked-by-policy",
        format!(
            "{}: blocked by policy: NetworkPolicy {} of namespace {namespace} {verb} not {how} the probe pod of namespace {source}, and nothing came back",
            words(task.probe),
            names.join(", ")
        ),
    )
    .taking(format!(
        "a NetworkPolicy that lets pods with the label `app.kubernetes.io/managed-by: refloat` of namespace {source} through, or a probe from a namespace that may (`from`)"
    ))
}
