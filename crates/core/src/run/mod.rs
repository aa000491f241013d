//! A run: steps with edges, what is known of each, and the pure decision of what to do next.
//!
//! A backup and a recovery are both runs. `plan` and `backup` make the steps; `drive` performs them through the World.

mod advance;
mod deeds;
mod evidence;
mod frontier;
mod needs;
mod progress;
mod record;
mod report;
#[cfg(test)]
mod tests;
mod until;

use std::collections::BTreeMap;
use std::time::Duration;

use ecow::EcoString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use advance::{Decision, Moment, Workers, advance, eligible, first_queries};
pub use deeds::Deeds;
pub use evidence::{Evidence, said_last};
pub(crate) use frontier::Frontier;
pub use needs::Needs;
pub use progress::{Progress, StepState};
pub use record::{End, MustRelease, Record};
pub use report::{PhaseTime, Report, StepTime};
pub use until::{PAUSE_STEP, RECOVERY_PHASES, again, describe, drawn_in, left, passed, until};

use crate::capture::Capturing;
use crate::driver::{Claim, Op};
use crate::names::{ProtectionName, RunId, SiteName};
use crate::readiness::user::Gating;
use crate::recovery::{Filling, Linking, Removing, Retaining, Writing};

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Makes one recovery point.
    Backup,
    /// Puts one recovery point back.
    Restore,
    /// Takes away again what a recovery created.
    Rollback,
}

impl RunKind {
    /// Whether a failure is followed by the clean-up steps at once; a recovery waits for a person instead.
    pub fn cleans_up_on_failure(self) -> bool {
        match self {
            Self::Backup => true,
            Self::Restore | Self::Rollback => false,
        }
    }
}

/// Where a step sits. A label: edges are the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Backup: look and check.
    Check,
    /// Backup: cut.
    Capture,
    /// Backup: carry off-site.
    Move,
    /// Backup: sign.
    Seal,
    /// Recovery 0: evidence and preflight.
    Guard,
    /// Recovery 1: namespaces, accounts, rights, secrets, configuration.
    Namespaces,
    /// Recovery 2: custom resource definitions.
    Crds,
    /// Recovery 3: operators, webhooks.
    Operators,
    /// Recovery 4: volumes.
    Storage,
    /// Recovery 5: databases.
    Databases,
    /// Recovery 6: queues.
    Queues,
    /// Recovery 7: everything else.
    Applications,
    /// Recovery 8: what brings users in.
    Traffic,
    /// Both: remove what was only needed on the way.
    Clean,
}

impl Phase {
    /// `4 storage`, `capture`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Capture => "capture",
            Self::Move => "move",
            Self::Seal => "seal",
            Self::Guard => "0 guard",
            Self::Namespaces => "1 namespaces and RBAC",
            Self::Crds => "2 CRDs",
            Self::Operators => "3 operators",
            Self::Storage => "4 storage",
            Self::Databases => "5 databases",
            Self::Queues => "6 queues",
            Self::Applications => "7 applications",
            Self::Traffic => "8 traffic",
            Self::Clean => "clean up",
        }
    }
}

/// How sure a rule is of its edge. Of a cycle the weakest edge is left out, with a warning; one of certain edges alone is an error.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Concluded from a text: a host name in a value.
    Medium,
    /// What else could it mean: rights that only an operator has, a wait in an init container, an author's word.
    High,
    /// A typed reference, or part of how a recovery works.
    #[default]
    Certain,
}

impl Confidence {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands a reference to it"
    )]
    fn is_certain(&self) -> bool {
        matches!(self, Self::Certain)
    }
}

/// One step waits for another: by which rule, on what evidence, how surely. A plan has many, and few texts in them: each is kept
/// once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Id of the step that must be done first.
    pub on: EcoString,
    /// Name of the rule that drew the edge: `DATABASE_BEFORE_CLIENT`.
    pub rule: EcoString,
    /// Object and field that the rule saw.
    pub evidence: EcoString,
    /// How sure the rule is.
    #[serde(default, skip_serializing_if = "Confidence::is_certain")]
    pub confidence: Confidence,
}

impl Edge {
    /// An edge that is certain.
    pub fn new(
        on: impl Into<EcoString>,
        rule: impl Into<EcoString>,
        evidence: impl Into<EcoString>,
    ) -> Self {
        Self {
            on: on.into(),
            rule: rule.into(),
            evidence: evidence.into(),
            confidence: Confidence::Certain,
        }
    }

    /// The same, less sure.
    #[must_use]
    pub fn with(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "work")]
pub enum Work {
    /// A driver's operation.
    Driver {
        /// Which operation.
        op: Op,
        /// On which claim; its driver performs it.
        claim: Claim,
        /// What the planner knows and the driver needs.
        inputs: BTreeMap<String, Value>,
    },
    /// Holds, cuts, proves and lets go.
    Capture(Capturing),
    /// Undoes what a capture that did not end well may have left held.
    Release {
        /// The capture's step.
        capture: String,
        /// The member that may be held.
        member: String,
    },
    /// Makes sure that Refloat's namespace is there.
    SystemNamespace,
    /// Gives movers of this run access to the vault.
    VaultAccess,
    /// Takes that access away.
    VaultAccessEnd,
    /// Moves bytes with a mover pod, into the vault or out of it.
    Fill(Filling),
    /// Writes one object and waits until it is ready.
    Write(Writing),
    /// Takes one object away that a recovery created.
    Remove(Removing),
    /// Tells volumes to stay when their claims go.
    Retain(Retaining),
    /// Links one object to an owner again that this run does not write, or did not write after it.
    Link(Linking),
    /// Waits until a user's own gate is open.
    Gate(Gating),
    /// Reads the protection's objects and stores them.
    StoreObjects,
    /// Signs the point.
    Seal {
        /// Everything about the point that is known beforehand, as `backup::PointContent`.
        draft: Value,
    },
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in the run: `write StatefulSet.apps shop/db`.
    pub id: String,
    /// Where it sits.
    pub phase: Phase,
    /// What it does, for people.
    pub title: String,
    /// What must be done first.
    pub needs: Needs,
    /// What it does.
    pub work: Work,
    /// A wait longer than this ends in `Stuck`.
    pub limit_seconds: u32,
    /// It removes what was only needed on the way, and runs after a failure too.
    #[serde(default)]
    pub cleanup: bool,
}

impl Work {
    /// True for what changes nothing that stays: whatever it sets out to do is another try of the same question.
    pub fn only_asks(&self) -> bool {
        matches!(self, Self::Gate(_))
    }
}

impl Step {
    /// The limit of a wait.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.limit_seconds))
    }
}

/// Everything that one run will do: a value that can be printed, stored and compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// What for.
    pub kind: RunKind,
    /// Which run.
    pub run: RunId,
    /// Which protection.
    pub protection: ProtectionName,
    /// Where it acts.
    pub site: SiteName,
    /// The point that is restored; `None` for a backup.
    pub point: Option<String>,
    /// Container image of the movers.
    pub mover_image: String,
    /// Steps, in an order that respects all edges.
    pub steps: Vec<Step>,
}

impl RunPlan {
    /// The step with this id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// All steps by id, for who asks for many: [`RunPlan::step`] looks at each.
    pub fn by_id(&self) -> BTreeMap<&str, &Step> {
        self.steps
            .iter()
            .map(|step| (step.id.as_str(), step))
            .collect()
    }

    /// Digest of the plan without its run id: two plans of one point, target and goal are equal.
    pub fn digest(&self) -> String {
        let mut hashed = Hashed::default();
        let steps = (&self.kind, &self.protection, &self.point, &self.steps);
        serde_json::to_writer(&mut hashed, &steps).expect("a plan is plain data with text keys");
        hex::encode(hashed.0.finalize())
    }
}

/// Bytes that are digested as they come: the JSON of a big plan is never whole in memory.
#[derive(Default)]
struct Hashed(Sha256);

impl std::io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
