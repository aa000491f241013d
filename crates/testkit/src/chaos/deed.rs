//! Kinds of what an engine does, as far as mishaps and the coverage table tell them apart.

use std::fmt;

use refloat_core::driver::Effect;
use refloat_core::run::RunKind;

/// A kind of effect, or an entry of the journal that announces none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Creates what runs pods.
    CreateWorkload,
    /// Creates a PersistentVolumeClaim.
    CreateClaim,
    /// Creates a VolumeSnapshot.
    CreateSnapshot,
    /// Creates a VolumeSnapshotContent.
    CreateContent,
    /// Creates a mover's Job.
    CreateJob,
    /// Creates a Namespace.
    CreateNamespace,
    /// Creates anything else.
    CreateOther,
    /// Changes an object.
    Patch,
    /// Deletes an object.
    Delete,
    /// Runs a command.
    Exec,
    /// Gives movers access to the vault.
    GrantVault,
    /// Holds, cuts, proves, lets go.
    Capture,
    /// Stores the objects.
    StoreObjects,
    /// Signs the point.
    Seal,
    /// A journal entry without an intent: began, done, stuck, failing, ended, what must be released.
    Note,
    /// A rollback deletes an object.
    Remove,
}

impl Deed {
    /// All kinds, in the order of the table.
    pub const ALL: [Self; 16] = [
        Self::CreateWorkload,
        Self::CreateClaim,
        Self::CreateSnapshot,
        Self::CreateContent,
        Self::CreateJob,
        Self::CreateNamespace,
        Self::CreateOther,
        Self::Patch,
        Self::Delete,
        Self::Exec,
        Self::GrantVault,
        Self::Capture,
        Self::StoreObjects,
        Self::Seal,
        Self::Note,
        Self::Remove,
    ];

    /// The kind of an effect.
    pub fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Create { resource, .. } => Self::creation_of(&resource.kind),
            Effect::Patch { .. } => Self::Patch,
            Effect::Delete { .. } => Self::Delete,
            Effect::Exec { .. } => Self::Exec,
            Effect::GrantVault { .. } => Self::GrantVault,
            Effect::Capture(_) => Self::Capture,
            Effect::StoreObjects => Self::StoreObjects,
            Effect::Keep(_) => Self::Note,
            Effect::Seal(_) => Self::Seal,
        }
    }

    fn creation_of(kind: &str) -> Self {
        match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" | "CronJob" => Self::CreateWorkload,
            "PersistentVolumeClaim" => Self::CreateClaim,
            "VolumeSnapshot" => Self::CreateSnapshot,
            "VolumeSnapshotContent" => Self::CreateContent,
            "Job" => Self::CreateJob,
            "Namespace" => Self::CreateNamespace,
            _ => Self::CreateOther,
        }
    }

    /// The kind of an effect by its line in the journal.
    pub fn of_line(line: &str) -> Self {
        let mut words = line.split(' ');
        match words.next().unwrap_or_default() {
            "create" if line.ends_with("(vault access)") => Self::GrantVault,
            "create" => Self::creation_of(words.next().unwrap_or_default()),
            "patch" => Self::Patch,
            "delete" => Self::Delete,
            "run" => Self::Exec,
            "store" => Self::StoreObjects,
            "seal" => Self::Seal,
            "keep" => Self::Note,
            _ => Self::Capture,
        }
    }

    /// The same deed in a run of this kind.
    pub(super) fn within(self, kind: RunKind) -> Self {
        match (self, kind) {
            (Self::Delete, RunKind::Rollback) => Self::Remove,
            (deed, _) => deed,
        }
    }

    /// True for what the API server creates.
    pub fn is_creation(self) -> bool {
        matches!(
            self,
            Self::CreateWorkload
                | Self::CreateClaim
                | Self::CreateSnapshot
                | Self::CreateContent
                | Self::CreateJob
                | Self::CreateNamespace
                | Self::CreateOther
                | Self::GrantVault
        )
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::CreateWorkload => "create workload",
            Self::CreateClaim => "create claim",
            Self::CreateSnapshot => "create snapshot",
            Self::CreateContent => "create content",
            Self::CreateJob => "create job",
            Self::CreateNamespace => "create namespace",
            Self::CreateOther => "create other",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Exec => "exec",
            Self::GrantVault => "grant vault",
            Self::Capture => "capture",
            Self::StoreObjects => "store objects",
            Self::Seal => "seal",
            Self::Note => "other entry",
            Self::Remove => "roll back",
        })
    }
}
