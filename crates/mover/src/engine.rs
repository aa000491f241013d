//! The port: what a mover can do, as data and one trait.
//!
//! Must not hold anything of an implementation. The job and, in the engine's process, the steps that
//! save and read objects call it.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::PartError;

/// What moves bytes between a place of files and the repository.
///
/// # Expected flow
/// `initialise` once per vault; then `save_*` per part; whoever seals the point signs the part's snapshot and
/// tree; `verify`, `restore_tree` and `read_objects` take these signed values back.
///
/// # Guarantees
/// A `Saved` names a snapshot whose every file was read to its end without an error. After any error no
/// snapshot of that call exists that counts. What is restored or read hashes to the signed tree.
///
/// # Assumptions
/// A source does not change while it is read (it is a snapshot). One writer restores into a target.
///
/// # Caveats
/// All methods block; packs uploaded before a failure stay and are reused by the next try.
pub trait MoverEngine: Send + Sync {
    /// Makes the repository if it is not there, and checks that our key opens it.
    fn initialise(&self) -> Result<(), PartError>;

    /// Saves a directory tree as one part.
    fn save_tree(
        &self,
        request: &SaveRequest,
        source: &Path,
        control: &Control,
    ) -> Result<Saved, PartError>;

    /// Saves small files given in memory, ordered by path, as one part.
    fn save_objects(
        &self,
        request: &SaveRequest,
        objects: ObjectFiles,
        control: &Control,
    ) -> Result<Saved, PartError>;

    /// Restores a saved directory tree into an empty directory.
    fn restore_tree(
        &self,
        reference: &PartReference,
        edits: &[Edit],
        target: &Path,
        control: &Control,
    ) -> Result<Restored, PartError>;

    /// Reads files saved by [`MoverEngine::save_objects`] back, one after the other in the order in which they were saved, until
    /// `take` breaks off.
    fn read_objects(
        &self,
        reference: &PartReference,
        limits: &ObjectLimits,
        control: &Control,
        take: &mut dyn FnMut(ObjectFile) -> ControlFlow<()>,
    ) -> Result<(), PartError>;

    /// Checks that a part can be restored.
    fn verify(
        &self,
        reference: &PartReference,
        read: ReadData,
        control: &Control,
    ) -> Result<Verified, PartError>;
}

/// What a part is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Labels {
    /// The site that saves.
    pub site: String,
    /// The protection that the part belongs to.
    pub protection: String,
    /// The run (and so the point) that the part belongs to.
    pub run: String,
    /// The part's own name; the same volume has the same name in each point.
    pub part: String,
}

/// How a part is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveRequest {
    /// What the part is called.
    pub labels: Labels,
    /// When the source was cut; becomes the snapshot's time.
    pub time: Timestamp,
}

/// A file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFile {
    /// Relative path with `/` between its names.
    pub path: String,
    /// The whole content.
    pub content: Bytes,
}

/// Files in memory, each made when it is its turn: all of them at once may be too many.
pub type ObjectFiles = Box<dyn Iterator<Item = ObjectFile> + Send>;

/// How much a part holds: regular files and symbolic links, and the bytes in the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Regular files and symbolic links.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// A part that was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// The snapshot's id: 64 hexadecimal digits.
    pub snapshot_id: String,
    /// The tree's id, a digest over everything in the part: 64 hexadecimal digits.
    pub tree_id: String,
    /// What the part holds.
    pub amount: Amount,
    /// Bytes written to the repository for it, compressed.
    pub bytes_added: u64,
    /// Files that were read; the others were unchanged since the part before.
    pub files_read: u64,
    /// Sockets, pipes and devices that were left out.
    pub special_files_skipped: u64,
    /// How long it took.
    pub duration: Duration,
}

/// A saved part as a signed manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartReference {
    /// The part's name, for messages.
    pub part: String,
    /// The snapshot's id.
    pub snapshot_id: String,
    /// The tree that the snapshot must have.
    pub tree_id: String,
    /// What the part must hold, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

/// What is changed in a restored tree before it counts as restored. Paths are relative, with `/` between names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
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

impl std::fmt::Display for Edit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write { path, .. } => write!(formatter, "write {path}"),
            Self::Remove { path } => write!(formatter, "remove {path}"),
            Self::RemoveAfter { directory, name } => {
                write!(formatter, "remove what follows {name} in {directory}")
            }
            Self::Require { path } => write!(formatter, "find {path}"),
        }
    }
}

/// A part that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What was written.
    pub amount: Amount,
    /// Directories made.
    pub directories: u64,
    /// Special files in the part that were not made.
    pub special_files_skipped: u64,
    /// Owners and extended attributes that the target or our rights do not allow.
    pub attributes_skipped: u64,
    /// Edits made.
    #[serde(default)]
    pub edits: u64,
    /// Whether an earlier, unfinished restore was wiped first.
    pub restarted: bool,
    /// How long it took.
    pub duration: Duration,
}

/// What may be read back at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLimits {
    /// Files.
    pub files_max: u64,
    /// Bytes of all files together.
    pub bytes_max: u64,
    /// Bytes of one file: as much is in memory at once.
    pub file_bytes_max: u64,
    /// Directories above a file.
    pub depth_max: usize,
}

impl Default for ObjectLimits {
    fn default() -> Self {
        Self {
            files_max: 500_000,
            bytes_max: 1 << 30,
            // A file ends once it has a few megabytes, with an object that etcd still takes.
            file_bytes_max: 32 << 20,
            depth_max: 16,
        }
    }
}

/// How much a verification reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadData {
    /// Trees are read; of the content only the existence and size of its packs are checked.
    Metadata,
    /// Everything is read, decrypted and hashed.
    Full,
}

/// A part that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// What the part holds.
    pub amount: Amount,
    /// Different pieces of content.
    pub blobs: u64,
    /// Packs that hold them.
    pub packs: u64,
    /// Bytes of content that were read and hashed.
    pub bytes_read: u64,
    /// How long it took.
    pub duration: Duration,
}
