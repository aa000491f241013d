//! What a person must know beside the plan's own steps: what is at the target already, what stands
//! against the recovery. Called by `plan` and `recover`, which know point, target and goal.

use std::collections::BTreeSet;

use serde::Serialize;

use super::estimate::Moves;
use crate::driver::{Op, Problem};
use crate::inventory::{Inventory, Thing, ThingId};
use crate::lookup::Known;
use crate::plan::adopted::is_made_by_cluster;
use crate::plan::{Goal, Planned};
use crate::recovery::{Existing, holds_others};
use crate::run::Work;

/// What stands beside a plan when it is shown.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// What is at the target already.
    pub conflicts: Vec<Conflict>,
    /// Everything that stands against the recovery.
    pub problems: Vec<Problem>,
    /// How fast the backup moved its volumes.
    pub moves: Moves,
    /// Under this key contents of Secrets are compared without being shown. Empty: they cannot be compared.
    pub seal_key: Vec<u8>,
}

/// A thing that is at the target already.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// What becomes of it.
    pub fate: Fate,
    /// Which thing.
    pub thing: ThingId,
}

/// What becomes of a thing that is at the target already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The point has it too, and the recovery stops there: `--existing fail`.
    Stops,
    /// The point has it too, and it is kept as it is at the target: `--existing skip`.
    Kept,
    /// The point has it too, and it gets what the point holds: `--existing update`.
    Updated,
    /// The point has it too, and it is deleted and created anew: `--existing replace`.
    Replaced,
    /// The point does not have it, and its namespace is to be empty: `--existing fail`.
    InTheWay,
    /// The point does not have it, and it is not touched.
    LeftAlone,
}

impl Fate {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Stops => "in the point too: the recovery stops (`--existing fail`)",
            Self::Kept => "in the point too: kept as it is at the target (`--existing skip`)",
            Self::Updated => "in the point too: it gets what the point holds",
            Self::Replaced => "in the point too: deleted and created anew (`--existing replace`)",
            Self::InTheWay => "not in the point: its namespace must be empty (`--existing fail`)",
            Self::LeftAlone => "not in the point: left alone",
        }
    }
}

impl Around {
    /// What stands beside this plan.
    pub fn of(planned: &Planned, target: &Inventory, goal: &Goal, problems: Vec<Problem>) -> Self {
        Self {
            conflicts: conflicts(planned, target, goal.existing),
            problems,
            ..Self::default()
        }
    }
}

/// What a plan makes, and where.
struct Made {
    written: Known<ThingId>,
    /// Made by the cluster itself, and taken as it is.
    adopted: Known<ThingId>,
    namespaces: BTreeSet<String>,
}

fn made(planned: &Planned) -> Made {
    let (mut written, mut adopted) = (Vec::new(), Vec::new());
    for step in &planned.plan.steps {
        match &step.work {
            Work::Write(writing) => {
                let id = writing.target().id();
                // A claim that is kept with its data is taken as it is, too, but it is the point's.
                if writing.adopt && is_made_by_cluster(&id) {
                    adopted.push(id);
                } else {
                    written.push(id);
                }
            }
            Work::Driver {
                op: Op::Restore,
                claim,
                ..
            } => written.push(claim.thing.clone()),
            Work::Driver { .. }
            | Work::Capture(_)
            | Work::Release { .. }
            | Work::SystemNamespace
            | Work::VaultAccess
            | Work::VaultAccessEnd
            | Work::Fill(_)
            | Work::Gate(_)
            | Work::Remove(_)
            | Work::Link(_)
            | Work::Retain(_)
            | Work::StoreObjects
            | Work::Seal { .. } => {}
        }
    }
    let namespaces: BTreeSet<&str> = written
        .iter()
        .filter_map(|id| id.namespace.as_deref())
        .collect();
    Made {
        namespaces: namespaces.into_iter().map(str::to_owned).collect(),
        written: Known::of(written),
        adopted: Known::of(adopted),
    }
}

fn conflicts(planned: &Planned, target: &Inventory, existing: Existing) -> Vec<Conflict> {
    let made = made(planned);
    let others = match existing {
        Existing::Fail => Fate::InTheWay,
        Existing::Skip | Existing::Update | Existing::Replace => Fate::LeftAlone,
    };
    let ours = |thing: &Thing| match existing {
        Existing::Fail => Fate::Stops,
        Existing::Skip => Fate::Kept,
        Existing::Replace if !holds_others(&thing.resource) => Fate::Replaced,
        Existing::Update | Existing::Replace => Fate::Updated,
    };
    let uids: Known<&str> = Known::of(target.iter().map(Thing::uid));
    let mut found = Vec::new();
    for thing in target.iter() {
        let id = thing.id();
        if made.written.has(&id) {
            found.push(Conflict {
                fate: ours(thing),
                thing: id,
            });
            continue;
        }
        let inside = thing
            .namespace()
            .is_some_and(|namespace| made.namespaces.contains(namespace));
        // What an owner made goes with its owner, and is no decision of a person.
        let has_owner = thing
            .list("/metadata/ownerReferences")
            .iter()
            .filter_map(|owner| owner.get("uid")?.as_str())
            .any(|uid| uids.has(uid));
        if inside && !has_owner && !made.adopted.has(&id) && !is_made_by_cluster(&id) {
            found.push(Conflict {
                fate: others,
                thing: id,
            });
        }
    }
    found.sort();
    found
}
