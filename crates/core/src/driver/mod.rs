//! The trait that each driver implements, and the values that pass between a driver and the engine.
//!
//! Drivers are pure: they say what must be read ([`Query`]), get the answers ([`Seen`]) and say what to do
//! ([`Verdict`]). Only the world performs anything.

mod achieved;
mod effect;
mod object_ref;
mod query;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use achieved::Achieved;
pub use effect::{Effect, Effected, FieldOwner, Patch, Precondition, Propagation, Repeat};
pub use object_ref::ObjectRef;
pub use query::{
    Answer, COMMAND_RUNNING, ExecAnswer, ExecRequest, ListRequest, LogRequest, Query,
    REHEARSAL_RUNNING, RehearsalRequest, Seen,
};

use crate::inventory::{Inventory, Thing, ThingId};
use crate::names::RunId;

/// One driver: facts, claims, and the pure look→decide pair.
///
/// # Expected flow
/// `claim` once per thing while planning; then, for each task, `look` → the world reads → `decide`, again and again
/// until the verdict is `Done` or `Stuck`.
///
/// # Guarantees
/// `decide` is pure, total and idempotent: it works out the step from what exists, so a restart needs nothing special.
///
/// # Assumptions
/// `seen` answers every query of `look`, and those of a preceding `Verdict::Look` of the same turn.
///
/// # Caveats
/// At most [`LOOK_ROUNDS_MAX`] rounds of `Look` per turn.
pub trait Driver: Send + Sync {
    /// What the driver is and needs.
    fn facts(&self) -> &'static Facts;
    /// Whether this thing is the driver's, and what it depends on.
    fn claim(&self, thing: &Thing, inventory: &Inventory) -> Option<Claim>;
    /// What must be read before deciding.
    fn look(&self, task: &Task<'_>) -> Vec<Query>;
    /// What to do now.
    fn decide(&self, task: &Task<'_>, seen: &Seen, now: Timestamp) -> Verdict;
}

/// Rounds of `Verdict::Look` that one turn of one step may take.
pub const LOOK_ROUNDS_MAX: usize = 4;

/// What a driver is: the source of its page in the docs and of the permissions that Refloat asks for.
#[derive(Debug)]
pub struct Facts {
    /// `postgresql`.
    pub id: &'static str,
    /// One line: what it protects.
    pub summary: &'static str,
    /// What kind of things it claims.
    pub role: Role,
    /// Versions that were tested.
    pub versions: &'static str,
    /// Permissions that its queries and effects need.
    pub permissions: &'static [Permission],
}

/// One rule of RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// API group.
    pub group: &'static str,
    /// `pods/exec`.
    pub resource: &'static str,
    /// `get`, `list`, …
    pub verbs: &'static [&'static str],
}

/// What a claimed thing is to the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A volume: bytes that are cut and moved.
    Volume,
    /// A database: recovered in phase 5.
    Database,
    /// A queue: recovered in phase 6.
    Queue,
}

/// A driver's word that a thing is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Id of the driver.
    pub driver: String,
    /// What the thing is.
    pub role: Role,
    /// The claimed thing: a workload for an engine, a PersistentVolumeClaim for a volume.
    pub thing: ThingId,
    /// PersistentVolumeClaims that hold its data.
    pub volumes: Vec<ThingId>,
    /// What the driver found out and needs again (container, user, …).
    pub settings: BTreeMap<String, String>,
    /// What a person should know about this claim.
    pub notes: Vec<String>,
}

/// What is to be done with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Can it be captured, and in which mode? Changes nothing.
    Check,
    /// Bring an engine to a known state; cut a volume.
    Capture,
    /// Make a cut readable for a mover in the system namespace.
    Expose,
    /// Remove everything of ours that `Capture`, `Expose` or `Restore` made beside the result.
    Reap,
    /// What must be changed in an engine's copied files before it may start on them. Reads and changes nothing.
    Amend,
    /// Put a volume back: outcome is a bound claim in the target namespace.
    Restore,
    /// Is the engine really ready?
    Ready,
}

/// A unit of work: one operation on one claim.
#[derive(Debug, Clone)]
pub struct Task<'a> {
    /// What is to be done.
    pub op: Op,
    /// The run that does it.
    pub run: &'a RunId,
    /// Id of the step, unique in the run.
    pub step: &'a str,
    /// The claim that it is done to.
    pub claim: &'a Claim,
    /// Inputs of the plan: what the planner knows and the driver needs.
    pub inputs: &'a BTreeMap<String, Value>,
    /// Outcomes of the steps that this one needs, by step id.
    pub prior: &'a BTreeMap<String, Outcome>,
    /// What the last `Effect::Exec` of this step said, in this process: facts `code`, `stdout`, `stderr`.
    pub ran: Option<&'a Outcome>,
}

impl Task<'_> {
    /// A text input of the plan.
    pub fn input(&self, key: &str) -> Option<&str> {
        self.inputs.get(key)?.as_str()
    }

    /// The first prior outcome that has this fact.
    pub fn prior_fact(&self, key: &str) -> Option<&Value> {
        self.prior
            .values()
            .find_map(|outcome| outcome.facts.get(key))
    }
}

/// What a step achieved, by field; recorded in the journal and given to the steps that need it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Facts by name.
    pub facts: Achieved,
}

impl Outcome {
    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(key, value.into());
        self
    }

    /// A text fact.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.facts.get(key)?.as_str()
    }

    /// A number fact.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.facts.get(key)?.as_u64()
    }
}

/// A driver's decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// More must be read first.
    Look(Vec<Query>),
    /// Perform these, then ask again.
    Act(Vec<Effect>),
    /// Nothing to do but wait.
    Wait(Why),
    /// The operation is complete.
    Done(Outcome),
    /// A person must act.
    Stuck(Problem),
}

/// What is waited for, and why it is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// Stable code: `waiting-for-cut`.
    pub code: String,
    /// One line for a person.
    pub message: String,
    /// What it would take, for a person: `all 3 replicas are ready`. Empty when the message says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub takes: String,
    /// It shows a failure that may pass, and needs a person when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Box<Failing>>,
}

/// A failure that is one only when it stays: operators come back from some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// What it is then.
    pub problem: Problem,
    /// For so many seconds it must have been shown at every look.
    pub seconds: u32,
}

impl Why {
    /// A reason to wait.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            takes: String::new(),
            failing: None,
        }
    }

    /// The same, with what it would take.
    #[must_use]
    pub fn taking(mut self, takes: impl Into<String>) -> Self {
        self.takes = takes.into();
        self
    }

    /// The same, as a failure if it stays so.
    #[must_use]
    pub fn failing(mut self, problem: Problem, seconds: u32) -> Self {
        self.failing = Some(Box::new(Failing { problem, seconds }));
        self
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// What is to be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It will come by itself.
    Wait,
    /// Try again with back-off.
    Retry,
    /// A person must act.
    Stuck,
    /// Our fault.
    Bug,
}

/// A failure as a value: what, where, why and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Stable code: `snapshot-class-missing`.
    pub code: String,
    /// What is to be done about it.
    pub class: Class,
    /// The thing's name and the cause.
    pub message: String,
    /// The next step for a person.
    pub hint: String,
}

impl Problem {
    /// A problem that only a person can solve.
    pub fn stuck(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::of(Class::Stuck, code, message, hint)
    }

    /// A problem of this class.
    pub fn of(
        class: Class,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            class,
            message: message.into(),
            hint: hint.into(),
        }
    }
}
