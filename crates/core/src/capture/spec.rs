//! What a capture is to do, as data: holds, cuts and limits. Drivers write it; nothing here acts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::driver::Claim;

/// By which line a command says that a statement is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// This very line.
    Line(String),
    /// Any line that is not empty.
    AnyLine,
}

impl Until {
    /// True when this line is the end of the answer.
    pub fn is_met_by(&self, line: &str) -> bool {
        match self {
            Self::Line(wanted) => line.trim_end() == wanted,
            Self::AnyLine => !line.trim().is_empty(),
        }
    }
}

/// Something said to a held session, and how its answer ends. Lines of the answer that are JSON objects are facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What it is for, for people: `start the backup`.
    pub title: String,
    /// What is written to the session; may be empty where the command speaks by itself.
    pub text: String,
    /// By what the answer ends.
    pub until: Until,
    /// An answer that takes longer ends the capture. The server's own limit for the statement is below it.
    pub limit_seconds: u32,
}

/// A statement that keeps a session awake, so that the server's deadline for silent sessions does not end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// What is written.
    pub text: String,
    /// By what its answer ends.
    pub until: Until,
    /// Between two of them, in milliseconds.
    pub every_milliseconds: u32,
    /// A session that has not answered one after this time is lost.
    pub late_milliseconds: u32,
    /// True when the command answers them while it is busy with something else, so that they never pause.
    #[serde(default)]
    pub concurrent: bool,
}

/// A command in a container whose input stays open: the session that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOrder {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Container in it.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What keeps it awake; `None` for a command that has its own deadline.
    pub beat: Option<Beat>,
    /// The session is closed after this time, whatever the engine does.
    pub seconds_max: u32,
}

/// How to undo from outside what a session may leave behind when it dies with its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Program and arguments, run in the same container. Doing it twice is as doing it once.
    pub command: Vec<String>,
    /// It undoes itself after this time.
    pub deadline_seconds: u32,
}

/// One quiesce: a session that holds it, from its opening to its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// `shop/db`: the member that is held.
    pub member: String,
    /// The session.
    pub session: SessionOrder,
    /// True when writers wait while it holds: such holds are opened last.
    pub freezes: bool,
    /// What opens it, in order.
    pub open: Vec<Statement>,
    /// What proves, on the same session, that it held across the cuts; the last of these lets writers go on.
    pub prove: Vec<Statement>,
    /// What proves, once the late parts are cut, that what they need was kept for them.
    #[serde(default)]
    pub prove_late: Vec<Statement>,
    /// How the proof is told in the point: `pg_backup_stop on the session that had started it`.
    pub proof: String,
    /// Parts that are cut after the proof, the session still being open.
    #[serde(default)]
    pub late_parts: Vec<String>,
    /// What outlives the session, if anything does.
    #[serde(default)]
    pub sticky: Option<Undo>,
}

/// One volume to cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// `shop/data-db-0`.
    pub part: String,
    /// The volume; its driver cuts it.
    pub claim: Claim,
    /// What the planner knows and the driver needs.
    pub inputs: BTreeMap<String, Value>,
}

/// Limits of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest wait for the cuts of one wave.
    pub cut_seconds_max: u32,
    /// Longest time for which a freezing hold may hold.
    pub hold_seconds_max: u32,
}

/// One capture: open all holds, cut, prove, cut what comes late, let go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// Sessions that hold.
    pub holds: Vec<Hold>,
    /// Volumes that are cut.
    pub cuts: Vec<Cut>,
    /// Limits.
    pub limits: Limits,
}

impl Capture {
    /// True when a hold wants this part cut after its proof.
    pub fn is_late(&self, part: &str) -> bool {
        self.holds
            .iter()
            .any(|hold| hold.late_parts.iter().any(|late| late == part))
    }
}
