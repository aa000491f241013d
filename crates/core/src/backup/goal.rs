//! What the user wants of a backup.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::gates::WantedGate;
use super::point::{Mode, Required};
use crate::inventory::{Thing, ThingId};
use crate::names::{
    ANNOTATION_FREEZE, ANNOTATION_HOLD, ANNOTATION_HOLD_CONTAINER, ANNOTATION_THAW, ProtectionName,
    RunId, SiteName,
};

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
    /// Whether databases may be held.
    pub holds: Holds,
    /// Commands of the user's own by which workloads are held.
    pub hooks: Vec<Hook>,
    /// Gates of the user's own.
    pub gates: Vec<WantedGate>,
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

/// Whether databases may be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// Where a consistent copy needs it.
    #[default]
    WhenNeeded,
    /// Never.
    Never,
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

/// How the user wants one workload to be held: the same words as the annotations that it may carry itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Kind of the workload: `StatefulSet`, `Deployment`.
    pub kind: String,
    /// Name of the workload.
    pub name: String,
    /// Namespace; any when `None`.
    pub namespace: Option<String>,
    /// Annotations by name: `refloat.io/hold-command` and the like.
    pub annotations: BTreeMap<String, String>,
}

impl Hook {
    /// True when it is about this thing.
    pub fn is_about(&self, thing: &Thing) -> bool {
        thing.resource.kind == self.kind
            && thing.name() == self.name
            && (self.namespace.is_none() || self.namespace.as_deref() == thing.namespace())
    }

    /// The thing with these annotations instead of its own ones about being held.
    #[must_use]
    pub fn on(&self, thing: &Thing) -> Thing {
        let mut hooked = thing.clone();
        hooked.edit(|object| {
            for place in ["/metadata", "/spec/template/metadata"] {
                let own = object.pointer_mut(place);
                let own = own.and_then(|metadata| metadata.get_mut("annotations"));
                if let Some(own) = own.and_then(Value::as_object_mut) {
                    own.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
                }
            }
            for (name, value) in &self.annotations {
                object["metadata"]["annotations"][name.as_str()] = Value::from(value.clone());
            }
        });
        hooked
    }
}

/// Annotations by which a workload says how it is held.
const ANNOTATIONS: [&str; 4] = [
    ANNOTATION_HOLD,
    ANNOTATION_FREEZE,
    ANNOTATION_THAW,
    ANNOTATION_HOLD_CONTAINER,
];
