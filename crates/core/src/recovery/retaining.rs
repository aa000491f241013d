//! What becomes of the volumes of claims that a rollback removes. Those that it keeps are told to stay before anything goes: a claim that
//! has an owner goes with it, and its volume with the claim.
//!
//! Which ones these are is `plan::rollback`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::driver::{
    Effect, ObjectRef, Outcome, Patch, Precondition, Problem, Query, Seen, Verdict,
};
use crate::inventory::Resource;
use crate::names::{ANNOTATION_RECLAIM_POLICY, RunId};

/// Remembers, on a volume that a rollback keeps, the recovery that had filled it.
const ANNOTATION_KEPT: &str = "refloat.io/kept-of";

/// What becomes of the data in recovered volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// The claims go, the volumes stay (`Retain`).
    #[default]
    Keep,
    /// Volumes go with their claims, as their reclaim policy says.
    Remove,
}

/// Volumes to keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retaining {
    /// Each, with the uid of the claim that it is bound to.
    pub volumes: Vec<(ObjectRef, String)>,
    /// Claims that had no volume when this was planned, each with its uid: those that they have by now stay as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<(ObjectRef, String)>,
    /// The recovery that filled them.
    pub recovery: RunId,
}

impl Retaining {
    /// Reads the volumes, and the claims that had none.
    pub fn look(&self) -> Vec<Query> {
        let both = self.volumes.iter().chain(&self.claims);
        both.map(|(one, _)| Query::Object(one.clone())).collect()
    }

    /// Tells each to stay.
    pub fn decide(&self, seen: &Seen) -> Verdict {
        self.try_decide(seen).unwrap_or_else(Verdict::from)
    }

    fn try_decide(&self, seen: &Seen) -> Result<Verdict, Problem> {
        let since = self.bound_since(seen)?;
        let unread: Vec<Query> = since
            .iter()
            .map(|(volume, _)| Query::Object(volume.clone()))
            .filter(|query| !seen.has(query))
            .collect();
        if !unread.is_empty() {
            return Ok(Verdict::Look(unread));
        }
        let mut effects = Vec::new();
        for (volume, claim) in self.volumes.iter().chain(&since) {
            effects.extend(retain(volume, claim, &self.recovery, seen)?);
        }
        if !effects.is_empty() {
            return Ok(Verdict::Act(effects));
        }
        let names: Vec<&str> = since.iter().map(|(one, _)| one.name.as_str()).collect();
        let outcome = Outcome::default();
        Ok(Verdict::Done(if names.is_empty() {
            outcome
        } else {
            outcome.with("kept", names.join(", "))
        }))
    }

    /// The volumes to which these claims have been bound since this was planned.
    fn bound_since(&self, seen: &Seen) -> Result<Vec<(ObjectRef, String)>, Problem> {
        let mut volumes = Vec::new();
        for (claim, uid) in &self.claims {
            let Some(live) = seen.object(claim)? else {
                continue;
            };
            let is_it = live.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid);
            if let Some(volume) = volume_of(live).filter(|_| is_it) {
                volumes.push((volume, uid.clone()));
            }
        }
        Ok(volumes)
    }
}

/// The volume that a claim names.
pub(crate) fn volume_of(claim: &Value) -> Option<ObjectRef> {
    let name = claim.pointer("/spec/volumeName")?.as_str()?;
    let volumes = Resource::cluster("v1", "PersistentVolume", "persistentvolumes");
    Some(ObjectRef::cluster(volumes, name))
}

/// Before its claim goes, the volume is told to stay.
pub(super) fn retain(
    object: &ObjectRef,
    claim_uid: &str,
    recovery: &RunId,
    seen: &Seen,
) -> Result<Option<Effect>, Problem> {
    let volume = seen.object(object)?;
    let volume = volume.filter(|volume| is_of_claim(volume, claim_uid) && !stays(volume));
    Ok(volume.map(|volume| {
        let patch = json!({
            "metadata": { "annotations": { ANNOTATION_KEPT: recovery.as_str() } },
            "spec": { "persistentVolumeReclaimPolicy": "Retain" },
        });
        patched(object, volume, patch)
    }))
}

/// Before its claim goes, a volume whose hand-over never came to its end gets the reclaim policy back that it remembers: it goes too.
pub(super) fn put_back(
    object: &ObjectRef,
    claim_uid: &str,
    seen: &Seen,
) -> Result<Option<Effect>, Problem> {
    let volume = seen.object(object)?;
    Ok(volume.and_then(|volume| {
        let annotations = volume.pointer("/metadata/annotations")?;
        let policy = annotations.get(ANNOTATION_RECLAIM_POLICY)?.as_str()?;
        let patch = json!({
            "metadata": { "annotations": { ANNOTATION_RECLAIM_POLICY: null } },
            "spec": { "persistentVolumeReclaimPolicy": policy },
        });
        is_of_claim(volume, claim_uid).then(|| patched(object, volume, patch))
    }))
}

fn is_of_claim(volume: &Value, claim_uid: &str) -> bool {
    volume.pointer("/spec/claimRef/uid").and_then(Value::as_str) == Some(claim_uid)
}

fn stays(volume: &Value) -> bool {
    let policy = volume.pointer("/spec/persistentVolumeReclaimPolicy");
    policy.and_then(Value::as_str) == Some("Retain")
}

fn patched(object: &ObjectRef, volume: &Value, patch: Value) -> Effect {
    Effect::Patch {
        object: object.clone(),
        patch: Patch::Merge(patch),
        precondition: Precondition::as_read(volume),
        subresource: None,
    }
}
