//! What the user wants of a backup.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::point::{Mode, Required};
use crate::inventory::ThingId;
use crate::names::{ProtectionName, RunId, SiteName};

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
    /// Longest time for which writers may be made to wait.
    pub hold_seconds_max: u32,
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
