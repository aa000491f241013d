//! What the journal says. A format: fields are only ever added.

mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Evidence, Phase, RunPlan};
use crate::driver::{Outcome, Problem};

/// A quiesce that may outlive its session, and how to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MustRelease {
    /// `shop/files`: the member that may be held.
    pub member: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Container in it.
    pub container: String,
    /// What undoes it; doing it twice is as doing it once.
    pub command: Vec<String>,
    /// It undoes itself after this time.
    pub deadline_seconds: u32,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Everything is done.
    Completed,
    /// It failed and cleaned up behind itself.
    Failed,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record", remote = "Self")]
pub enum Record {
    /// The run exists, with this plan.
    Started {
        /// When.
        at: Timestamp,
        /// What it will do.
        plan: Arc<RunPlan>,
        /// What was said of a recovery's source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// Another engine, or the same one after a restart, goes on.
    Resumed {
        /// When.
        at: Timestamp,
        /// Why: `resume`, `clean-up`.
        why: String,
        /// What was said of a recovery's source now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// A step's edges were open.
    Began {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
    },
    /// These effects follow; written before them.
    Intent {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
        /// What will be done, a line each; never bodies, never secrets.
        effects: Vec<String>,
    },
    /// Something is about to be held that may outlive its session; written before it.
    MustRelease {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
        /// What may be held.
        sessions: Vec<MustRelease>,
    },
    /// What holds brought, by member; durable before anything that is only of use with it.
    Kept {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
        /// What the engines said on their sessions, by member.
        facts: BTreeMap<String, BTreeMap<String, Value>>,
    },
    /// A step has created its object, which is still waited for.
    Created {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
        /// Uid of the object.
        uid: String,
    },
    /// A step is done.
    Done {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
        /// What it achieved.
        outcome: Outcome,
    },
    /// A step needs a person.
    Stuck {
        /// When.
        at: Timestamp,
        /// Which step.
        step: String,
        /// Why.
        problem: Problem,
    },
    /// The run is being given up: only clean-up steps follow.
    Failing {
        /// When.
        at: Timestamp,
        /// Why.
        problem: Problem,
    },
    /// A person wants a recovery to pause after a phase, or to go on to its end. A Refloat that does not know pauses does not read
    /// such a journal: it would go past one.
    Until {
        /// When.
        at: Timestamp,
        /// After which phase; `None` for the end.
        phase: Option<Phase>,
    },
    /// Everything up to a phase is done; nothing is done until the run is resumed.
    Paused {
        /// When.
        at: Timestamp,
        /// After which phase.
        phase: Phase,
        /// Steps that count as not done from here on: they are done again when it goes on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        again: Vec<String>,
    },
    /// Nothing follows.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        end: End,
    },
}
