//! From an inventory to the steps of a backup: who is a member, and what follows what.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::members::Members;
use super::point::{Mode, PointContent, Required};
use crate::driver::{Claim, Driver, Problem};
use crate::inventory::{Inventory, Thing, ThingId};
use crate::names::{ProtectionName, RunId, SiteName};
use crate::run::RunPlan;

/// What the user wants of a backup.
#[derive(Debug, Clone)]
pub struct BackupGoal {
    /// Which protection.
    pub protection: ProtectionName,
    /// Where it runs.
    pub site: SiteName,
    /// This attempt.
    pub run: RunId,
    /// Protected namespaces.
    pub namespaces: Vec<String>,
    /// Weakest mode that is good enough.
    pub minimum_mode: Mode,
    /// What the user says about engines.
    pub overrides: Vec<EngineOverride>,
    /// Volumes that are left out on purpose, as `namespace/name`.
    pub excluded_volumes: BTreeSet<String>,
    /// VolumeSnapshotClass to use; `None` for the default one of the volume's driver.
    pub snapshot_class: Option<String>,
    /// Longest wait for a cut.
    pub cut_seconds_max: u32,
    /// Longest time for one volume's bytes.
    pub move_seconds_max: u32,
    /// Image of the movers.
    pub mover_image: String,
    /// The protection as the user gave it, for the point.
    pub spec: Value,
    /// When the run begins.
    pub began: Timestamp,
    /// Identity of the cluster.
    pub cluster_uid: String,
    /// Cluster-scoped things that the target must have.
    pub required: Vec<Required>,
    /// Cluster-scoped things that the point carries.
    pub owned: Vec<ThingId>,
}

/// Settings for one engine that replace what its driver found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOverride {
    /// Kind and name of the workload, namespace when it matters.
    pub kind: String,
    /// Name of the workload.
    pub name: String,
    /// Namespace; any when `None`.
    pub namespace: Option<String>,
    /// `container`, `user`, `database`.
    pub settings: BTreeMap<String, String>,
}

/// A planned backup.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its steps.
    pub plan: RunPlan,
    /// What is known of the point before it is made.
    pub draft: PointContent,
}

/// Every claim on the things of these namespaces: engines first, then volumes that a claim needs or nobody claims.
pub fn claims(
    inventory: &Inventory,
    namespaces: &[String],
    drivers: &[&'static dyn Driver],
) -> Vec<Claim> {
    let inside = |thing: &&Thing| {
        thing
            .namespace()
            .is_some_and(|namespace| namespaces.iter().any(|one| one == namespace))
    };
    inventory
        .iter()
        .filter(inside)
        .filter_map(|thing| {
            drivers
                .iter()
                .find_map(|driver| driver.claim(thing, inventory))
        })
        .collect()
}

/// Plans a backup, or says everything that stands against it.
pub fn plan(
    inventory: &Inventory,
    goal: &BackupGoal,
    drivers: &[&'static dyn Driver],
) -> Result<Planned, Vec<Problem>> {
    let mut problems = Vec::new();
    for namespace in &goal.namespaces {
        let id = ThingId::cluster("", "Namespace", namespace);
        if inventory.get(&id).is_none() {
            problems.push(Problem::stuck(
                "namespace-missing",
                format!("namespace `{namespace}` does not exist in this cluster"),
                "check the name and the kubeconfig context",
            ));
        }
    }
    for unread in &inventory.unread {
        let place = unread.namespace.as_deref().unwrap_or("all namespaces");
        problems.push(Problem::stuck(
            "inventory-incomplete",
            format!(
                "{} in {place} could not be read: {}",
                unread.resource.plural, unread.message
            ),
            "grant `get` and `list`, or repair the API: a point without these objects may not be recoverable",
        ));
    }
    let mut members = Members::find(inventory, goal, drivers, &mut problems);
    members.check_modes(goal, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let draft = members.draft(inventory, goal);
    let plan = members.steps(goal, &draft);
    Ok(Planned { plan, draft })
}
