//! What a mover pod is told, what it says, and its container.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Direction;
use crate::driver::Problem;
use crate::names::RunId;

/// What a mover is told, in [`ORDER_VARIABLE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoverOrder {
    /// Which way.
    pub direction: Direction,
    /// Where the volume is mounted in the pod.
    pub path: String,
    /// Which protection.
    pub protection: String,
    /// Which run.
    pub run: String,
    /// Where it runs.
    pub site: String,
    /// Which part.
    pub part: String,
    /// For a restore: snapshot in the repository.
    pub snapshot: Option<String>,
    /// For a restore: the tree that the signed point names.
    pub tree: Option<String>,
    /// For a restore: what is changed in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// What is changed in a restored volume before it counts as restored. Paths are relative to the volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A file is written, in place of one that is there.
    Write {
        /// Where.
        path: String,
        /// Its whole content.
        text: String,
    },
    /// A file goes, if it is there.
    Remove {
        /// Which.
        path: String,
    },
    /// Of the files in a directory that are named by as many hexadecimal digits as this one, those that sort after it go.
    RemoveAfter {
        /// Which directory.
        directory: String,
        /// The last one that stays.
        name: String,
    },
    /// A file must be there and hold something.
    Require {
        /// Which.
        path: String,
    },
}

/// What a mover says at its end, as JSON in the termination message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoverReport {
    /// It is done.
    Done {
        /// Snapshot in the repository.
        snapshot: String,
        /// Tree of that snapshot.
        tree: String,
        /// Files moved.
        files: u64,
        /// Bytes in them.
        bytes: u64,
        /// Bytes new to the repository (backup) or written (restore).
        bytes_added: u64,
        /// Milliseconds that it took.
        milliseconds: u64,
        /// Edits made: an older mover that makes none says 0.
        #[serde(default)]
        edits: u64,
    },
    /// It failed; nothing counts.
    Failed(Problem),
}

/// A progress line of a mover's log, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoverProgress {
    /// Bytes so far.
    pub bytes_done: u64,
    /// Bytes in all, when known.
    pub bytes_total: Option<u64>,
    /// Milliseconds so far.
    pub milliseconds: u64,
}

/// Environment variable that carries the [`MoverOrder`].
pub const ORDER_VARIABLE: &str = "REFLOAT_ORDER";
/// Where the run's Secret is mounted in a mover pod.
pub const VAULT_MOUNT: &str = "/vault";
/// Where the volume is mounted in a mover pod.
pub const VOLUME_MOUNT: &str = "/volume";

/// Name of the Secret by which the movers of a run reach the vault.
pub fn vault_secret_name(run: &RunId) -> String {
    format!("refloat-{run}-vault")
}

/// The mover's container. It reads and writes files of every owner, so it is root; it has no other privilege.
pub(super) fn container(image: &str, order: &str, read_only: bool) -> Value {
    json!({
        "name": "mover",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/refloat", "mover", "run"],
        "env": [{ "name": ORDER_VARIABLE, "value": order }],
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
        },
        "resources": {
            "requests": { "cpu": "100m", "memory": "128Mi" },
            "limits": { "memory": "512Mi" },
        },
        "volumeMounts": [
            { "name": "volume", "mountPath": VOLUME_MOUNT, "readOnly": read_only },
            { "name": "vault", "mountPath": VAULT_MOUNT, "readOnly": true },
            { "name": "scratch", "mountPath": "/tmp" },
        ],
    })
}
