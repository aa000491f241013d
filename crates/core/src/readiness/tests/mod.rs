//! Gates as tables: what was seen, how long it was waited for, and what the gate says.

mod cluster;
mod custom;
mod events;
mod families;
mod hostile;
mod leaders;
mod pods;
mod samples;
mod steady;
mod storage;
mod traffic;
mod webhooks;
mod workloads;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Clock, Duty, Gate, Told, View, assess, look};
use crate::driver::{Answer, Class, ListRequest, ObjectRef, Problem, Query, Seen};
use crate::inventory::Resource;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// A time so many seconds ago.
fn ago(seconds: i64) -> String {
    (now() - SignedDuration::from_secs(seconds)).to_string()
}

fn waited(seconds: i64) -> Clock {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Clock {
        now: now(),
        waited: Duration::from_secs(seconds),
    }
}

/// An object that is judged, and all around it.
struct Scene {
    resource: Resource,
    live: Value,
    told: Told,
    duty: Option<Duty>,
    seen: Seen,
    clock: Clock,
}

impl Scene {
    fn of(group_version: &str, kind: &str, live: Value) -> Self {
        Self {
            resource: Resource::namespaced(group_version, kind, "plural"),
            live,
            told: Told::default(),
            duty: None,
            seen: Seen::default(),
            clock: waited(0),
        }
    }

    fn after(mut self, seconds: i64) -> Self {
        self.clock = waited(seconds);
        self
    }

    fn told(mut self, told: Told) -> Self {
        self.told = told;
        self
    }

    fn list(mut self, resource: Resource, labels: &[(&str, &str)], items: Vec<Value>) -> Self {
        let namespace = resource.namespaced.then(|| "shop".to_owned());
        let request = ListRequest {
            resource,
            namespace,
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        };
        self.seen.insert(Query::List(request), Answer::List(items));
        self
    }

    fn pods(self, pods: Vec<Value>) -> Self {
        self.list(
            Resource::namespaced("v1", "Pod", "pods"),
            &[("app", "db")],
            pods,
        )
    }

    fn events(self, events: Vec<Value>) -> Self {
        self.list(Resource::namespaced("v1", "Event", "events"), &[], events)
    }

    fn nodes(self, drivers: &[&str]) -> Self {
        let drivers: Vec<Value> = drivers.iter().map(|one| json!({ "name": one })).collect();
        let node = json!({ "metadata": { "name": "n" }, "spec": { "drivers": drivers } });
        let resource = Resource::cluster("storage.k8s.io/v1", "CSINode", "csinodes");
        self.list(resource, &[], vec![node])
    }

    fn object(mut self, object: ObjectRef, answer: Option<Value>) -> Self {
        self.seen
            .insert(Query::Object(object), Answer::Object(answer));
        self
    }

    /// The API server does not answer this question, or may not.
    fn refused(mut self, query: Query, (class, code): (Class, &str)) -> Self {
        let problem = Problem::of(class, code, "not now", "ask again");
        self.seen.insert(query, Answer::Refused(problem));
        self
    }

    fn view(&self) -> View<'_> {
        View {
            resource: &self.resource,
            live: &self.live,
            told: &self.told,
            seen: &self.seen,
            clock: self.clock,
            duty: self.duty.as_ref(),
        }
    }

    fn gate(&self) -> Gate {
        assess(&self.view())
    }

    /// `open`, `assumed code`, `closed code`, `failing code seconds`, `failed code`. What is told to a person is never empty and one line.
    fn says(&self) -> String {
        let line = |words: &str| {
            assert!(!words.is_empty() && !words.contains('\n'), "{words:?}");
        };
        match self.gate() {
            Gate::Open => "open".to_owned(),
            Gate::Assumed(why) => format!("assumed {}", why.code),
            Gate::Closed(why) => {
                line(&why.message);
                line(&why.takes);
                match &why.failing {
                    Some(failing) => {
                        line(&failing.problem.hint);
                        format!("failing {} {}", failing.problem.code, failing.seconds)
                    }
                    None => format!("closed {}", why.code),
                }
            }
            Gate::Failed(problem) => {
                line(&problem.message);
                line(&problem.hint);
                format!("failed {}", problem.code)
            }
        }
    }

    fn message(&self) -> String {
        match self.gate() {
            Gate::Open => String::new(),
            Gate::Assumed(why) | Gate::Closed(why) => format!("{} / {}", why.message, why.takes),
            Gate::Failed(problem) => format!("{} / {}", problem.message, problem.hint),
        }
    }

    /// What it says within the first 20 s of the wait, and then. What is `forbidden` may pass: an API server that has just started
    /// refuses all that it has not read the rights of yet.
    fn says_then(mut self) -> [String; 2] {
        let mut says = |seconds| {
            self.clock = waited(seconds);
            self.says()
        };
        assert_eq!(says(0), says(19));
        [says(19), says(20)]
    }

    fn asks(&self) -> Vec<Query> {
        look(&self.view())
    }
}

/// What was not answered for now, and what nobody may read.
const AWAY: (Class, &str) = (Class::Retry, "unreachable");
const DENIED: (Class, &str) = (Class::Stuck, "forbidden");
/// What a gate says of the latter within the first 20 s of the wait, and then.
const DENIED_SAYS: [&str; 2] = ["closed forbidden", "assumed forbidden"];

/// What the engine makes of it when it was shown at every look for so long: it counts for signs that tell no time.
fn shown_for(says: &str, seconds: i64) -> String {
    let Some((code, budget)) = says
        .strip_prefix("failing ")
        .and_then(|rest| rest.split_once(' '))
    else {
        return says.to_owned();
    };
    if seconds >= budget.parse().unwrap() {
        format!("failed {code}")
    } else {
        "closed not-ready".to_owned()
    }
}

/// Conditions with a message, told about no generation.
fn conditions(pairs: &[(&str, &str)]) -> Value {
    let all: Vec<Value> = pairs
        .iter()
        .map(|(kind, status)| json!({ "type": kind, "status": status, "message": "why" }))
        .collect();
    json!({ "metadata": { "name": "x" }, "status": { "conditions": all } })
}

/// A workload of one replica.
fn workload(status: &Value) -> Value {
    json!({
        "metadata": { "name": "db", "namespace": "shop", "generation": 2, "uid": "u-db" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "db" } } },
        "status": status,
    })
}

/// The status of a workload whose one replica is there.
fn rolled_out() -> Value {
    json!({
        "observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
        "availableReplicas": 1, "currentRevision": "a", "updateRevision": "a",
        "desiredNumberScheduled": 1, "numberAvailable": 1, "updatedNumberScheduled": 1,
    })
}

/// A pod with one container in this state.
fn pod(container: &Value) -> Value {
    let mut container = container.clone();
    container["name"] = json!("c");
    json!({
        "metadata": { "name": "db-0", "namespace": "shop", "uid": "u-db-0" },
        "status": { "containerStatuses": [container] },
    })
}

fn event(object: (&str, &str, &str), told: (&str, &str, &str), seconds_ago: i64) -> Value {
    let (kind, name, uid) = object;
    let (severity, reason, message) = told;
    json!({
        "involvedObject": { "kind": kind, "name": name, "uid": uid },
        "type": severity, "reason": reason, "message": message,
        "firstTimestamp": ago(seconds_ago), "lastTimestamp": ago(seconds_ago),
    })
}
