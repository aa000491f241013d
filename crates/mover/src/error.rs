//! What can go wrong with a part, each with a stable code and what to do next.
//!
//! Must not hold how errors are shown. Everything in this crate returns [`PartError`]; the engine and the CLI
//! print `code`, the message and `hint`.

use std::path::PathBuf;

use crate::key::KeyError;

/// Why a part was not saved, restored or verified.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// A file of the source cannot be read.
    #[error("the source cannot be read: {action} {}: {source}", path.display())]
    SourceRead {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file changed while it was read.
    #[error("the source changed while it was read: {}: {detail}", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// What was expected and what came.
        detail: String,
    },
    /// Less or more was stored than the source holds.
    #[error(
        "stored {stored_files} files with {stored_bytes} bytes, but the source holds {expected_files} files with {expected_bytes} bytes"
    )]
    Incomplete {
        /// Files in the source.
        expected_files: u64,
        /// Bytes in the source.
        expected_bytes: u64,
        /// Files stored or restored.
        stored_files: u64,
        /// Bytes stored or restored.
        stored_bytes: u64,
    },
    /// A path given for an object leaves its place or is not usable.
    #[error("the path {path:?} cannot be stored: {reason}")]
    ObjectPath {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// There is no repository where it should be.
    #[error("there is no repository at {location}")]
    RepositoryMissing {
        /// Where.
        location: String,
    },
    /// The key does not open the repository.
    #[error("the key does not open the repository at {location}")]
    WrongKey {
        /// Where.
        location: String,
    },
    /// The repository is written in a format that this version does not know.
    #[error(
        "the repository at {location} has format version {found}; this version knows up to {known}"
    )]
    NewerFormat {
        /// Where.
        location: String,
        /// Its version.
        found: u32,
        /// The newest that we know.
        known: u32,
    },
    /// The store did not do what was asked, also after retries.
    #[error("the store failed: {operation} {object}: {source}")]
    Store {
        /// What was asked.
        operation: &'static str,
        /// The object.
        object: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The store did not answer in time.
    #[error("the store did not answer within {seconds} s: {operation} {object}")]
    StoreTimeout {
        /// What was asked.
        operation: &'static str,
        /// The object.
        object: String,
        /// How long we waited.
        seconds: u64,
    },
    /// The part's snapshot is not in the repository.
    #[error("part {part}: its snapshot {snapshot} is missing from the repository")]
    SnapshotMissing {
        /// The part.
        part: String,
        /// The snapshot.
        snapshot: String,
    },
    /// The snapshot does not hold the tree that was signed.
    #[error("part {part}: snapshot {snapshot} holds tree {found}, but {expected} was signed")]
    TreeMismatch {
        /// The part.
        part: String,
        /// The snapshot.
        snapshot: String,
        /// The signed tree.
        expected: String,
        /// The tree in the snapshot.
        found: String,
    },
    /// A piece of content is in no index.
    #[error("part {part}: a piece of {} is missing from the repository (blob {blob})", path.display())]
    BlobMissing {
        /// The part.
        part: String,
        /// The file or directory.
        path: PathBuf,
        /// The piece.
        blob: String,
    },
    /// A pack is gone.
    #[error("part {part}: the pack {pack} is missing from the repository")]
    PackMissing {
        /// The part.
        part: String,
        /// The pack.
        pack: String,
    },
    /// A pack has not the size that it was written with.
    #[error("part {part}: the pack {pack} has {found} bytes instead of {expected}")]
    PackSize {
        /// The part.
        part: String,
        /// The pack.
        pack: String,
        /// Its size by the index.
        expected: u64,
        /// Its size in the store.
        found: u64,
    },
    /// A piece of content is not what was written.
    #[error("part {part}: the blob {blob} in pack {pack} is damaged: {reason}")]
    BlobDamaged {
        /// The part.
        part: String,
        /// The piece.
        blob: String,
        /// Its pack.
        pack: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A tree holds what no mover writes.
    #[error("part {part}: refused at {}: {reason}", path.display())]
    HostileTree {
        /// The part.
        part: String,
        /// Where in the tree.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// More than may be read.
    #[error("part {part}: more than {limit} {what}")]
    TooLarge {
        /// The part.
        part: String,
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The target of a restore already holds something.
    #[error("the target {} is not empty: it holds {found:?}", path.display())]
    TargetNotEmpty {
        /// The target.
        path: PathBuf,
        /// One thing that it holds.
        found: String,
    },
    /// A restored tree could not be prepared for the engine that starts on it.
    #[error("{part}: the restored files cannot be prepared: {edit}: {source}")]
    Edit {
        /// The part.
        part: String,
        /// What could not be done.
        edit: String,
        /// Why.
        source: std::io::Error,
    },
    /// The target of a restore cannot be written.
    #[error("the target cannot be written: {action} {}: {source}", path.display())]
    TargetWrite {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The key material cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The job's request cannot be carried out.
    #[error("the request is not usable: {reason}")]
    Request {
        /// Why.
        reason: String,
    },
    /// The repository library failed in a way that has no variant of its own.
    #[error("the repository failed while {step}: {}", source.display_log())]
    Repository {
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        source: Box<rustic_core::RusticError>,
    },
    /// The repository library panicked; our fault or its own.
    #[error("the repository library panicked while {step}: {message}")]
    Panicked {
        /// What was being done.
        step: &'static str,
        /// What it said.
        message: String,
    },
}

impl PartError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SourceRead { .. } => "mover-source-read",
            Self::SourceChanged { .. } => "mover-source-changed",
            Self::Incomplete { .. } => "mover-incomplete",
            Self::ObjectPath { .. } => "mover-object-path",
            Self::RepositoryMissing { .. } => "mover-repository-missing",
            Self::WrongKey { .. } => "mover-wrong-key",
            Self::NewerFormat { .. } => "mover-newer-format",
            Self::Store { source, .. } => match source {
                object_store::Error::NotFound { .. } => "mover-store-not-found",
                object_store::Error::PermissionDenied { .. } => "mover-store-denied",
                object_store::Error::Unauthenticated { .. } => "mover-store-credentials",
                _ => "mover-store-failed",
            },
            Self::StoreTimeout { .. } => "mover-store-timeout",
            Self::SnapshotMissing { .. } => "mover-snapshot-missing",
            Self::TreeMismatch { .. } => "mover-tree-mismatch",
            Self::BlobMissing { .. } => "mover-blob-missing",
            Self::PackMissing { .. } => "mover-pack-missing",
            Self::PackSize { .. } => "mover-pack-size",
            Self::BlobDamaged { .. } => "mover-blob-damaged",
            Self::HostileTree { .. } => "mover-hostile-tree",
            Self::TooLarge { .. } => "mover-too-large",
            Self::TargetNotEmpty { .. } => "mover-target-not-empty",
            Self::TargetWrite { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "mover-target-full"
                }
                _ => "mover-target-write",
            },
            Self::Edit { .. } => "mover-edit",
            Self::Cancelled => "mover-cancelled",
            Self::Key(_) => "mover-key",
            Self::Request { .. } => "mover-request",
            Self::Repository { .. } => "mover-repository",
            Self::Panicked { .. } => "mover-panicked",
        }
    }

    /// What a person does next.
    pub fn hint(&self) -> &'static str {
        match self.code() {
            "mover-source-read" => {
                "check the volume and its storage; the point does not count, nothing was lost"
            }
            "mover-source-changed" | "mover-incomplete" => {
                "the source must be a snapshot that nobody writes to; take the backup again"
            }
            "mover-object-path" => "report this with the object's name",
            "mover-repository-missing" => {
                "check bucket and prefix; a new vault is made by `refloat vault init`"
            }
            "mover-wrong-key" => "use the recovery key of this vault; check bucket and prefix",
            "mover-newer-format" => "use a newer version of Refloat",
            "mover-store-not-found" => "check that the bucket exists and that nothing was deleted",
            "mover-store-denied" => "give the credentials read and write on the vault's prefix",
            "mover-store-credentials" => "check the store's access key and secret key",
            "mover-store-failed" | "mover-store-timeout" => {
                "check the way to the store and run it again; what was uploaded is reused"
            }
            "mover-snapshot-missing"
            | "mover-blob-missing"
            | "mover-pack-missing"
            | "mover-pack-size"
            | "mover-blob-damaged" => {
                "this point cannot be fully restored from here: choose another point, or bring the object back from a copy of the bucket"
            }
            "mover-tree-mismatch" | "mover-hostile-tree" => {
                "the repository was tampered with or damaged: choose another point and look into who can write to the bucket"
            }
            "mover-too-large" => "raise the limit if the part is really meant to be this large",
            "mover-edit" => {
                "the copy lacks what its database needs to start: recover another point, and report this one"
            }
            "mover-target-not-empty" => "restore into a new, empty volume",
            "mover-target-full" => "use a larger volume",
            "mover-target-write" => "check the target volume, its mount and the mover's rights",
            "mover-cancelled" => "run it again to go on",
            "mover-key" | "mover-request" => "correct the request and run it again",
            _ => "run it again; if it fails again, report it with this message",
        }
    }

    /// Says whether running the same thing again may succeed without anyone acting.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.code(),
            "mover-store-failed" | "mover-store-timeout" | "mover-panicked"
        )
    }
}
