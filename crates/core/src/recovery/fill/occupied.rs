//! A fresh claim to which the cluster has bound a volume that was there, with somebody's data on it: a binder takes any free volume
//! that fits before a new one is made. The mover refuses to write over it; these are the words for that.

use serde_json::Value;

use super::Filling;
use crate::driver::Problem;
use crate::names::{RunId, SYSTEM_NAMESPACE};

/// The mover's code for a target that is not empty.
const NOT_EMPTY: &str = "mover-target-not-empty";

impl Filling {
    /// Says which volume it is and how to keep it, when that is what the mover has met.
    pub(super) fn occupied(&self, run: &RunId, claim: Option<&Value>, problem: Problem) -> Problem {
        let volume = claim.and_then(|claim| claim.pointer("/spec/volumeName")?.as_str());
        let Some(volume) = volume.filter(|_| problem.code == NOT_EMPTY) else {
            return problem;
        };
        let place = format!("{SYSTEM_NAMESPACE}/{}", self.object_name(run));
        Problem::stuck(
            NOT_EMPTY,
            format!(
                "{}: the cluster gave claim {place} the free volume {volume}, on which something lies: {}",
                self.part, problem.message
            ),
            format!(
                "nothing was written to {volume}: set its `persistentVolumeReclaimPolicy` to Retain, delete Job and claim {place}, and run the same command again"
            ),
        )
    }
}
