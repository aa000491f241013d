//! What a look at the target brings beside its inventory. Plain data: never in a plan, a journal or a digest.

use std::collections::BTreeSet;

use crate::driver::FieldOwner;
use crate::inventory::{Resource, ThingId};
use crate::json::Json;

/// Facts about the target. `None` is not known: what needs it is not judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// All CSINodes.
    pub csi_nodes: Option<Vec<Json>>,
    /// All CSIStorageCapacities.
    pub capacities: Option<Vec<Json>>,
    /// All pods of the cluster.
    pub pods: Option<Vec<Json>>,
    /// Services behind webhooks, by namespace and name, that have no ready address.
    pub silent_services: BTreeSet<(String, String)>,
    /// Things of the cluster that are named and that are not there.
    pub missing: BTreeSet<ThingId>,
    /// How far the API server's clock is ahead of this machine's, in milliseconds.
    pub clock_ahead_milliseconds: Option<i64>,
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// The object itself, where it is to be written.
    Object,
    /// The object in another namespace that exists: only what the server says of its fields counts.
    StandIn,
    /// A pod of the workload.
    Pod,
}

/// A write that the API server is to try without doing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// About which thing of the point.
    pub thing: ThingId,
    /// What is tried.
    pub trial: Trial,
    /// Kind of the object that is sent.
    pub resource: Resource,
    /// The object that is sent.
    pub object: Json,
    /// Under whose name.
    pub owner: FieldOwner,
}

/// A tried write and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    /// About which thing of the point.
    pub thing: ThingId,
    /// What was tried.
    pub trial: Trial,
    /// What the server said.
    pub said: Said,
}

/// The API server's answer to a tried write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It would be written.
    Accepted {
        /// `Warning` headers.
        warnings: Vec<String>,
    },
    /// It would not.
    Refused(Refusal),
    /// No answer came.
    Unanswered {
        /// For people.
        why: String,
        /// True when the same write may be answered a moment later.
        passes: bool,
    },
}

/// Who did not answer, and may do so a moment later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Away {
    /// The API server: it is restarted, or too busy.
    Server,
    /// What the API server needs itself, as it does not tell.
    Inside,
    /// A webhook of this name, or one that converts.
    Webhook(String),
}

/// A refusal as the API server words it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP code.
    pub code: u16,
    /// `Invalid`, `Forbidden` …
    pub reason: String,
    /// For people.
    pub message: String,
    /// Field and what is wrong with it.
    pub causes: Vec<(String, String)>,
}
