//! What the journal says. A format: fields are only ever added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RunPlan;
use crate::driver::{Outcome, Problem};

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
#[serde(rename_all = "kebab-case", tag = "record")]
pub enum Record {
    /// The run exists, with this plan.
    Started {
        /// When.
        at: Timestamp,
        /// What it will do.
        plan: Box<RunPlan>,
    },
    /// Another engine, or the same one after a restart, goes on.
    Resumed {
        /// When.
        at: Timestamp,
        /// Why: `resume`, `clean-up`.
        why: String,
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
    /// Nothing follows.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        end: End,
    },
}
