//! `Protection`: what is protected and how.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::Gate;

/// How consistent a copy must be at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Like after a power cut, nothing more is known.
    Crash,
    /// One volume, a CSI driver known to cut atomically, an engine with crash recovery and its safety settings on.
    #[default]
    AtomicVolume,
    /// A quiesce was held across all cuts and proven afterwards.
    Held,
}

/// What is protected and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "refloat.io",
    version = "v1alpha1",
    kind = "Protection",
    namespaced,
    doc = "What is protected and how."
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProtectionSpec {
    /// Namespaces that belong together: they are copied, and come back, as one.
    #[schemars(length(min = 1, max = 100))]
    pub namespaces: Vec<String>,
    /// Weakest consistency that is good enough; a backup that cannot reach it fails.
    #[serde(default)]
    pub minimum_mode: Mode,
    /// What is left out on purpose.
    #[serde(default)]
    pub exclude: Exclude,
    /// Settings for database engines where the ones that Refloat finds out do not fit.
    #[serde(default)]
    pub engines: Vec<EngineSettings>,
    /// How volumes are cut.
    #[serde(default)]
    pub snapshot: Snapshot,
    /// How databases are held while their volumes are cut.
    #[serde(default)]
    pub capture: Capture,
    /// What must be true of objects, beyond what Refloat knows of their kinds, before what waits for them is recovered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub gates: Vec<Gate>,
    /// Longest time in seconds for moving one volume's bytes.
    #[serde(default = "move_seconds_max")]
    #[schemars(range(min = 1))]
    pub move_seconds_max: u32,
}

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclude {
    /// PersistentVolumeClaims whose data is not copied, as `NAMESPACE/NAME`.
    #[serde(default)]
    pub volumes: Vec<String>,
}

/// Settings for one database engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineSettings {
    /// Kind of its workload: `StatefulSet`, `Deployment`.
    pub kind: String,
    /// Name of its workload.
    pub name: String,
    /// Namespace of its workload; any protected one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The settings: `container`, `user`, `database`.
    pub settings: BTreeMap<String, String>,
}

/// How volumes are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// VolumeSnapshotClass; the default one of each volume's CSI driver when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Longest wait in seconds for a cut; past it the backup is given up and cleaned up.
    #[serde(default = "cut_seconds_max")]
    #[schemars(range(min = 1))]
    pub cut_seconds_max: u32,
}

/// Whether databases may be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// Where a consistent copy needs it.
    #[default]
    WhenNeeded,
    /// Never: what would need a hold is only of mode `crash`.
    Never,
}

/// How databases are held while their volumes are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capture {
    /// Whether databases may be held.
    #[serde(default)]
    pub holds: Holds,
    /// Longest time in seconds for which writers may be made to wait; past it they are let go and the backup fails.
    #[serde(default = "hold_seconds_max")]
    #[schemars(range(min = 1, max = 600))]
    pub hold_seconds_max: u32,
    /// Commands of your own by which workloads are held; a workload's annotations can say the same.
    #[serde(default)]
    pub hooks: Vec<Hook>,
}

/// How one workload is held: either `hold`, or `freeze` and `thaw`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// Kind of the workload: `StatefulSet`, `Deployment`.
    pub kind: String,
    /// Name of the workload.
    pub name: String,
    /// Namespace of the workload; any protected one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Container in which the commands run; the first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Program and arguments: prints a line when it holds, lets go at the end of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Vec<String>>,
    /// Program and arguments: freezes and ends. Undone by `thaw` at the latest five seconds after the engine was last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Vec<String>>,
    /// Program and arguments: undoes `freeze`; harmless when nothing is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thaw: Option<Vec<String>>,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            holds: Holds::default(),
            hold_seconds_max: hold_seconds_max(),
            hooks: Vec::new(),
        }
    }
}

fn hold_seconds_max() -> u32 {
    20
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            class: None,
            cut_seconds_max: cut_seconds_max(),
        }
    }
}

fn cut_seconds_max() -> u32 {
    120
}

fn move_seconds_max() -> u32 {
    86_400
}

impl ProtectionSpec {
    /// The protection of these namespaces with defaults for everything else.
    pub fn of(namespaces: Vec<String>) -> Self {
        Self {
            namespaces,
            minimum_mode: Mode::default(),
            exclude: Exclude::default(),
            engines: Vec::new(),
            snapshot: Snapshot::default(),
            capture: Capture::default(),
            gates: Vec::new(),
            move_seconds_max: move_seconds_max(),
        }
    }
}

/// The CustomResourceDefinition, as `deploy/crds` holds it.
pub fn definition() -> CustomResourceDefinition {
    Protection::crd()
}
