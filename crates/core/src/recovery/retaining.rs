//! Volumes that a rollback keeps are told to stay before anything goes: a claim that has an owner goes with it, and its volume with
//! the claim.
//!
//! Which ones these are is `plan::rollback`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::driver::{
    Effect, ObjectRef, Outcome, Patch, Precondition, Problem, Query, Seen, Verdict,
};
use crate::names::RunId;

/// Remembers, on a volume that a rollback keeps, the recovery that had filled it.
const ANNOTATION_KEPT: &str = "refloat.io/kept-of";

/// Volumes to keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retaining {
    /// Each, with the uid of the claim that it is bound to.
    pub volumes: Vec<(ObjectRef, String)>,
    /// The recovery that filled them.
    pub recovery: RunId,
}

impl Retaining {
    /// Reads the volumes.
    pub fn look(&self) -> Vec<Query> {
        let volumes = self.volumes.iter();
        volumes.map(|(one, _)| Query::Object(one.clone())).collect()
    }

    /// Tells each to stay.
    pub fn decide(&self, seen: &Seen) -> Verdict {
        let effects: Result<Vec<Option<Effect>>, Problem> = self
            .volumes
            .iter()
            .map(|(volume, claim)| retain(volume, claim, &self.recovery, seen))
            .collect();
        match effects.map(|all| all.into_iter().flatten().collect::<Vec<_>>()) {
            Err(problem) => problem.into(),
            Ok(effects) if effects.is_empty() => Verdict::Done(Outcome::default()),
            Ok(effects) => Verdict::Act(effects),
        }
    }
}

/// Before its claim goes, the volume is told to stay.
pub(super) fn retain(
    object: &ObjectRef,
    claim_uid: &str,
    recovery: &RunId,
    seen: &Seen,
) -> Result<Option<Effect>, Problem> {
    let Some(volume) = seen.object(object)? else {
        return Ok(None);
    };
    let text = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str);
    let is_of_claim = text("/spec/claimRef/uid") == Some(claim_uid);
    if !is_of_claim || text("/spec/persistentVolumeReclaimPolicy") == Some("Retain") {
        return Ok(None);
    }
    Ok(Some(Effect::Patch {
        object: object.clone(),
        patch: Patch::Merge(json!({
            "metadata": { "annotations": { ANNOTATION_KEPT: recovery.as_str() } },
            "spec": { "persistentVolumeReclaimPolicy": "Retain" },
        })),
        precondition: Precondition::as_read(volume),
        subresource: None,
    }))
}
