//! Gates that users write: a condition in CEL, a command, a question to a service; in the protection, or as annotations of an object.
//!
//! Pure. `words` reads what was written, `plan` makes steps of it, `gating` looks and decides, `cel` is the language. Called by `backup`
//! (what is stored in the point), by `plan` and by `run`.

pub(crate) mod cel;
mod gating;
#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use gating::GateTask;
pub use gating::Gating;

use crate::inventory::{Thing, ThingId};
use crate::probe::Probe;

/// Seconds for which a gate is waited for, unless said otherwise.
pub const GATE_SECONDS: u32 = 600;
/// The longest limit of a gate, in seconds: a day.
pub const GATE_SECONDS_MAX: u32 = 86_400;
/// Annotations by which an object says its own gates, with the kind of each.
const ANNOTATIONS: &[(&str, &str)] = &[
    ("refloat.io/gate-cel", "cel"),
    ("refloat.io/gate-exec", "exec"),
    ("refloat.io/gate-http", "http"),
    ("refloat.io/gate-sql", "sql"),
    ("refloat.io/gate-tcp", "tcp"),
    ("refloat.io/gate-grpc", "grpc"),
    ("refloat.io/gate-dns", "dns"),
    ("refloat.io/gate-redis", "redis"),
];
/// Annotation: the limit of the object's own gates, in seconds.
const ANNOTATION_SECONDS: &str = "refloat.io/gate-seconds-max";

/// A gate as a user wrote it, of one object: what a point stores. Kept in the user's words, so that a point whose gate another version of
/// Refloat cannot read is recovered without that gate, and not lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserGate {
    /// `orders-readable`; for one of an annotation `Deployment/shop/web/cel`. Unique in a point.
    pub name: String,
    /// What it is about.
    pub of: ThingId,
    /// It is waited for at most so long.
    #[serde(default = "gate_seconds")]
    pub seconds_max: u32,
    /// One kind with its words: `{"cel": "object.status.ready"}`.
    pub check: Value,
}

fn gate_seconds() -> u32 {
    GATE_SECONDS
}

/// What is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A condition over the object, in CEL.
    Cel(String),
    /// A command in one of its ready pods, which says yes by exit code 0.
    Exec(ExecCheck),
    /// A question to a service.
    Probe(Box<Probe>),
    /// Nothing: the user goes on without it.
    Skipped,
}

/// A command in a ready pod of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecCheck {
    /// Container; the pod's default one when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Program and arguments. It reads and changes nothing: it may be run often.
    pub command: Vec<String>,
    /// One try takes at most this many seconds, 1 to 60.
    #[serde(default = "exec_seconds", rename = "trySeconds")]
    pub try_seconds: u32,
}

fn exec_seconds() -> u32 {
    10
}

/// Kinds whose pods are found, so that a command can be run in one. Of a Job none runs when its gate is asked: it must be complete first.
const RUNS_PODS: &[(&str, &str)] = &[
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("", "Pod"),
];

impl UserGate {
    /// Reads it: what is checked, or what is wrong with it, for a person.
    pub fn check(&self) -> Result<Check, String> {
        if !(1..=GATE_SECONDS_MAX).contains(&self.seconds_max) {
            return Err(format!(
                "its limit is {} s: it is at least 1, and at most {GATE_SECONDS_MAX}",
                self.seconds_max
            ));
        }
        let check = words::check(&self.check)?;
        match &check {
            Check::Exec(_)
                if !RUNS_PODS
                    .iter()
                    .any(|(group, kind)| self.of.is(group, kind)) =>
            {
                let why = if self.of.is("batch", "Job") {
                    "ends all of its own before its gates are asked"
                } else {
                    "has none"
                };
                Err(format!(
                    "`exec` runs in a pod, and {} {why}: name a Deployment, StatefulSet, DaemonSet, ReplicaSet or Pod in `of`",
                    self.of
                ))
            }
            Check::Probe(probe) if self.of.namespace.is_none() && !probe.host.contains('.') => {
                Err(format!(
                    "{} is in no namespace, so `{}` must be named with its own: `{}.NAMESPACE`",
                    self.of, probe.host, probe.host
                ))
            }
            Check::Cel(_) | Check::Exec(_) | Check::Probe(_) | Check::Skipped => Ok(check),
        }
    }
}

/// The annotations by which an object says a gate of its own.
pub fn annotations() -> impl Iterator<Item = &'static str> {
    ANNOTATIONS.iter().map(|(annotation, _)| *annotation)
}

/// The gates that an object says by its own annotations, read or not: what it says wrongly has a `check` that cannot be read.
pub fn annotated(thing: &Thing) -> Vec<UserGate> {
    let id = thing.id();
    let seconds = thing.annotation(ANNOTATION_SECONDS);
    // A limit that is no number is one that no gate may have.
    let seconds_max = seconds.map_or(GATE_SECONDS, |text| text.trim().parse().unwrap_or(0));
    ANNOTATIONS
        .iter()
        .filter_map(|(annotation, kind)| Some((*kind, thing.annotation(annotation)?)))
        .map(|(kind, text)| UserGate {
            name: annotated_name(&id, kind),
            of: id.clone(),
            seconds_max,
            check: Value::Object(Map::from_iter([(kind.to_owned(), spoken(kind, text))])),
        })
        .collect()
}

/// The annotation that a gate of that name comes from; `None` for one of the protection.
pub fn annotation_of(name: &str) -> Option<&'static str> {
    let (_, kind) = name.rsplit_once('/')?;
    let found = ANNOTATIONS.iter().find(|(_, one)| *one == kind)?;
    Some(found.0)
}

/// `Deployment/shop/web/cel`, `Cache.shop.example.com/shop/sessions/cel`: no name that a protection may give.
fn annotated_name(id: &ThingId, kind: &str) -> String {
    let group = if id.group.contains('.') {
        format!(".{}", id.group)
    } else {
        String::new()
    };
    let namespace = id
        .namespace
        .as_ref()
        .map_or_else(String::new, |namespace| format!("{namespace}/"));
    format!("{}{group}/{namespace}{}/{kind}", id.kind, id.name)
}

/// The words of an annotation: CEL as it is, `exec` a list of words or a whole one, all others a map, in JSON.
fn spoken(kind: &str, text: &str) -> Value {
    if kind == "cel" {
        return Value::from(text);
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(words)) if kind == "exec" => json!({ "command": words }),
        Ok(value) => value,
        // Refused as what it is when it is read.
        Err(_) => Value::from(text),
    }
}
