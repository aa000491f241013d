//! What may be done to the world: a short closed list. Every effect has a deterministic name or a precondition, so doing
//! it twice is safe.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ObjectRef;
use super::query::{ExecAnswer, ExecRequest};
use crate::capture::Capture;
use crate::inventory::{Resource, fold_answer};

/// Under whose name and by which operation an object is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOwner {
    /// `fieldManager`.
    pub manager: String,
    /// True for server-side apply, false for a plain create (operation `Update`).
    pub apply: bool,
}

impl FieldOwner {
    /// Refloat itself, by plain create.
    pub fn refloat() -> Self {
        Self {
            manager: crate::names::FIELD_MANAGER.to_owned(),
            apply: false,
        }
    }
}

/// What must hold for a write to happen; empty parts are not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// The object's uid.
    pub uid: Option<String>,
    /// The object's resourceVersion.
    pub resource_version: Option<String>,
}

impl Precondition {
    /// The object exactly as it was read.
    pub fn as_read(object: &Value) -> Self {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Self {
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
        }
    }

    /// This very object, in whatever version.
    pub fn same_uid(object: &Value) -> Self {
        Self {
            resource_version: None,
            ..Self::as_read(object)
        }
    }
}

/// What becomes of the objects that a deleted one owns: `propagationPolicy` of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// They go afterwards, by and by.
    Background,
    /// They go first; until then it is there, being deleted.
    Foreground,
}

impl Propagation {
    /// As the API server calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }
}

/// Body of a patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Patch {
    /// JSON merge patch (RFC 7386). Preconditions travel in `metadata`.
    Merge(Value),
    /// JSON patch (RFC 6902): a list of operations.
    Json(Value),
}

/// Whether a command may be given a second time when its reply was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repeat {
    /// Doing it twice is as doing it once.
    Safe,
    /// It may not be repeated: a lost reply ends in `Stuck`.
    Never,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// Creates an object that is believed absent. Answer: `Created`, or `Exists` with the live object.
    Create {
        /// Kind of the object.
        resource: Resource,
        /// The object; its metadata names it.
        object: Value,
        /// Under whose name.
        owner: FieldOwner,
    },
    /// Changes an object that exists. Answer: `Patched`.
    Patch {
        /// Which object.
        object: ObjectRef,
        /// How.
        patch: Patch,
        /// Only if.
        precondition: Precondition,
        /// `status`, or nothing.
        subresource: Option<String>,
    },
    /// Deletes an object. Answer: `Deleted`, also when it was not there.
    Delete {
        /// Which object.
        object: ObjectRef,
        /// Only if.
        precondition: Precondition,
        /// What becomes of what it owns.
        propagation: Propagation,
    },
    /// A command that changes something. Answer: `Ran`.
    Exec {
        /// The command.
        request: ExecRequest,
        /// Whether a lost reply may be answered by a second try.
        repeat: Repeat,
    },
    /// Creates the Secret by which movers of the run reach the vault; its content never passes through the engine.
    /// Answer: `Created` or `Exists`.
    GrantVault {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// Labels of the Secret.
        labels: std::collections::BTreeMap<String, String>,
    },
    /// One capture: hold, cut, prove, release. Answer: `Captured`.
    Capture(Box<Capture>),
    /// Reads the protection's namespaces and stores all objects in the repository. Answer: `Stored`.
    StoreObjects,
    /// Nothing in the world: what the step has seen and is about to remove, for its next decision in this process. Answer: `Kept`.
    Keep(super::Outcome),
    /// Writes the signed point. The body is the point as `backup::PointContent`. Answer: `Sealed`.
    Seal(Value),
}

impl Effect {
    /// The line for the journal: as [`Self::describe`], and which object is deleted, because what another puts in its place is
    /// another one.
    pub fn intention(&self) -> String {
        match self {
            Self::Delete {
                precondition: Precondition { uid: Some(uid), .. },
                ..
            } => format!("{} (uid {uid})", self.describe()),
            Self::Delete { .. }
            | Self::Create { .. }
            | Self::Patch { .. }
            | Self::Exec { .. }
            | Self::GrantVault { .. }
            | Self::Capture(_)
            | Self::StoreObjects
            | Self::Keep(_)
            | Self::Seal(_) => self.describe(),
        }
    }

    /// The object that it is done to, when it is one object.
    pub fn object(&self) -> Option<ObjectRef> {
        match self {
            Self::Create {
                resource, object, ..
            } => {
                let text = |pointer: &str| object.pointer(pointer)?.as_str();
                Some(ObjectRef::of(
                    resource.clone(),
                    text("/metadata/namespace"),
                    text("/metadata/name")?,
                ))
            }
            Self::Patch { object, .. } | Self::Delete { object, .. } => Some(object.clone()),
            Self::Exec { .. }
            | Self::GrantVault { .. }
            | Self::Capture(_)
            | Self::StoreObjects
            | Self::Keep(_)
            | Self::Seal(_) => None,
        }
    }

    /// One line for people: what is done to what.
    pub fn describe(&self) -> String {
        match self {
            Self::Create {
                resource, object, ..
            } => {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
                let name = text("/metadata/name").unwrap_or("?");
                match text("/metadata/namespace") {
                    Some(namespace) => format!("create {} {namespace}/{name}", resource.kind),
                    None => format!("create {} {name}", resource.kind),
                }
            }
            Self::Patch { object, .. } => format!("patch {}", object.id()),
            Self::Delete { object, .. } => format!("delete {}", object.id()),
            Self::Exec { request, .. } => format!(
                "run `{}` in pod {}/{}",
                request.command.first().map_or("", String::as_str),
                request.namespace,
                request.pod
            ),
            Self::GrantVault {
                namespace, name, ..
            } => {
                format!("create Secret {namespace}/{name} (vault access)")
            }
            Self::Capture(capture) => {
                let cuts: Vec<&str> = capture.cuts.iter().map(|cut| cut.part.as_str()).collect();
                let holds: Vec<&str> = capture
                    .holds
                    .iter()
                    .map(|hold| hold.member.as_str())
                    .collect();
                if holds.is_empty() {
                    format!("cut {}", cuts.join(", "))
                } else {
                    format!("hold {}, cut {}", holds.join(", "), cuts.join(", "))
                }
            }
            Self::StoreObjects => "store the objects".to_owned(),
            Self::Keep(_) => "keep what was said".to_owned(),
            Self::Seal(_) => "seal the point".to_owned(),
        }
    }
}

/// What an effect brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Effected {
    /// The object as created.
    Created(Value),
    /// There was one already: the live object.
    Exists(Value),
    /// The object as patched.
    Patched(Value),
    /// It is gone or going.
    Deleted,
    /// What the command said.
    Ran(ExecAnswer),
    /// What the step wants to remember.
    Kept(super::Outcome),
    /// Facts about the stored objects.
    Stored(super::Outcome),
    /// Facts about the sealed point.
    Sealed(super::Outcome),
}

impl Effected {
    /// As of [`Answer::folded`](super::Answer::folded).
    #[must_use]
    pub fn folded(mut self) -> Self {
        match &mut self {
            Self::Created(object) | Self::Exists(object) | Self::Patched(object) => {
                fold_answer(object);
            }
            Self::Deleted | Self::Ran(_) | Self::Kept(_) | Self::Stored(_) | Self::Sealed(_) => {}
        }
        self
    }
}
