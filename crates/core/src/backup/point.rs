//! A recovery point as the engine sees it: what was taken, how, and when. The vault stores it in its own format.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::ThingId;
use crate::names::{ProtectionName, RunId, SiteName};
use crate::readiness::user::UserGate;

/// How consistent a member's copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Like after a power cut, nothing more is known.
    Crash,
    /// One volume, a driver known to cut atomically, an engine with crash recovery and its safety settings on.
    AtomicVolume,
    /// A group of volumes cut at one moment.
    Group,
    /// A quiesce was held across all cuts and proven afterwards.
    Held,
    /// The engine's own backup.
    EngineNative,
}

impl Mode {
    /// `atomic-volume`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::AtomicVolume => "atomic-volume",
            Self::Group => "group",
            Self::Held => "held",
            Self::EngineNative => "engine-native",
        }
    }

    /// Whether the application itself can be recovered from such a copy by design.
    pub fn is_application_consistent(self) -> bool {
        !matches!(self, Self::Crash)
    }
}

/// One volume's copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `shop/data-db-0`: namespace and name of the PersistentVolumeClaim.
    pub id: String,
    /// Refloat's driver that took it and hands it over: `csi-snapshot`.
    pub driver: String,
    /// The PersistentVolumeClaim as read.
    pub claim: Value,
    /// Its StorageClass.
    pub storage_class: String,
    /// CSI driver that held it.
    pub csi_driver: String,
    /// Capacity as a Kubernetes quantity.
    pub capacity: String,
    /// When it was cut.
    pub cut: Timestamp,
    /// Handle of the snapshot at the source's storage.
    pub snapshot_handle: String,
    /// Snapshot in the repository.
    pub snapshot: String,
    /// Tree of that snapshot: binds all content.
    pub tree: String,
    /// Files in it.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes that were new to the repository.
    pub bytes_added: u64,
}

/// A quiesce that was kept across the cuts and proven afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// When it held, by the engine's clock.
    pub since: Timestamp,
    /// When the statement that lets go was issued.
    pub released: Timestamp,
    /// How it was proven that it held all the time.
    pub proof: String,
    /// Whether writers waited meanwhile.
    pub freezes: bool,
}

/// Times of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureTimes {
    /// From the last hold that held to the last release issued, in milliseconds; 0 without holds.
    pub held_milliseconds: u64,
    /// From the first freezing hold that held to the last one, in milliseconds.
    pub barrier_milliseconds: u64,
    /// Of the cuts before the proof the slowest one, from being asked for to being seen, in milliseconds.
    pub slowest_cut_milliseconds: u64,
    /// True when all members are recovered to one moment.
    pub aligned: bool,
}

/// A claimed workload, or a volume that no engine claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// `shop/db`.
    pub name: String,
    /// Driver that took it: `postgresql`, `csi-snapshot`.
    pub driver: String,
    /// The claimed thing.
    pub thing: ThingId,
    /// How it was taken.
    pub mode: Mode,
    /// What was checked for that mode, a line each.
    pub evidence: Vec<String>,
    /// What the engine said of itself: version, system identifier, timeline, LSN …
    pub engine: BTreeMap<String, String>,
    /// Settings of the claim (container, user, …).
    pub settings: BTreeMap<String, String>,
    /// Ids of its parts.
    pub parts: Vec<String>,
    /// The quiesce under which it was taken, for mode `held`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// A cluster-scoped thing that must exist at the other site and is never written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Required {
    /// Which thing.
    pub thing: ThingId,
    /// Who needs it: object and field.
    pub why: String,
}

/// Something true that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code: `volume-unprotected`.
    pub code: String,
    /// Which thing.
    pub thing: String,
    /// One line.
    pub message: String,
}

/// The stored objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObjects {
    /// Snapshot in the repository.
    pub snapshot: String,
    /// Tree of that snapshot.
    pub tree: String,
    /// How many.
    pub count: u64,
    /// When they were listed.
    pub listed: Timestamp,
}

/// Everything that a point says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointContent {
    /// Which protection.
    pub protection: ProtectionName,
    /// Where it was made.
    pub site: SiteName,
    /// Which run made it.
    pub run: RunId,
    /// Protected namespaces.
    pub namespaces: Vec<String>,
    /// The protection as the user gave it.
    pub spec: Value,
    /// Version of the source's API server.
    pub kubernetes_version: String,
    /// Uid of the source's `kube-system` namespace: identity of the cluster.
    pub cluster_uid: String,
    /// Architectures of the source's nodes, `amd64`; empty in points of before they were noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// When the run began.
    pub began: Timestamp,
    /// Members.
    pub members: Vec<Member>,
    /// Parts.
    pub parts: Vec<Part>,
    /// Times of the capture; `None` in points of before captures were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureTimes>,
    /// The objects, once stored.
    pub objects: Option<StoredObjects>,
    /// What the target must have.
    pub required: Vec<Required>,
    /// Cluster-scoped things that the point owns and carries.
    pub owned: Vec<ThingId>,
    /// What the user should know.
    pub findings: Vec<Finding>,
    /// The protection's own gates, each of one object. Those that objects say by annotation are read from the objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<UserGate>,
}

impl PointContent {
    /// The moment to which everything can be recovered: the earliest cut.
    pub fn earliest_cut(&self) -> Option<Timestamp> {
        self.parts.iter().map(|part| part.cut).min()
    }

    /// The weakest mode of its members.
    pub fn weakest_mode(&self) -> Option<Mode> {
        self.members.iter().map(|member| member.mode).min()
    }
}
