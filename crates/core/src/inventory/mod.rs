//! What is in a cluster, or was when a point was made: things by identity, with the objects as read.
//!
//! One type for a live cluster and for a recovery point. Holds no judgement: order belongs to `plan`, readiness to
//! `readiness`.

mod ended;
mod folded;
mod inside;
mod owners;
mod rights;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Json;

pub(crate) use folded::unfold_entry;
pub use inside::inside_scope;
pub use rights::{grants, writers};
pub use scope::{LeftOut, Scope, scope};

/// What the API server calls a kind, enough to make a call. A copy is the same one in memory: every object and every step has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(Arc<ResourceNames>);

/// The names of a [`Resource`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceNames {
    /// API group, empty for the core group.
    pub group: String,
    /// Version that was used, `v1`.
    pub version: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `statefulsets`.
    pub plural: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
}

impl Deref for Resource {
    type Target = ResourceNames;

    fn deref(&self) -> &ResourceNames {
        &self.0
    }
}

/// Changing one leaves its copies as they are.
impl DerefMut for Resource {
    fn deref_mut(&mut self) -> &mut ResourceNames {
        Arc::make_mut(&mut self.0)
    }
}

impl From<ResourceNames> for Resource {
    fn from(names: ResourceNames) -> Self {
        Self(Arc::new(names))
    }
}

impl Resource {
    /// A namespaced resource; `group_version` as in `apiVersion`.
    pub fn namespaced(group_version: &str, kind: &str, plural: &str) -> Self {
        Self::build(group_version, kind, plural, true)
    }

    /// A cluster-scoped resource; `group_version` as in `apiVersion`.
    pub fn cluster(group_version: &str, kind: &str, plural: &str) -> Self {
        Self::build(group_version, kind, plural, false)
    }

    fn build(group_version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        Self::from(ResourceNames {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
        })
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Identity of a thing: group and kind, not version, so that a served version may change between sites.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThingId {
    /// API group, empty for the core group.
    pub group: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `None` for cluster-scoped things.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
}

impl ThingId {
    /// A thing in a namespace.
    pub fn namespaced(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        }
    }

    /// A cluster-scoped thing.
    pub fn cluster(group: &str, kind: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: None,
            name: name.to_owned(),
        }
    }

    /// True when group and kind are these.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// `StatefulSet.apps shop/db`, `Namespace shop`.
impl fmt::Display for ThingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(formatter, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(formatter, " {namespace}/{}", self.name),
            None => write!(formatter, " {}", self.name),
        }
    }
}

/// How the identities of a kind begin as texts, as none of another kind does: `StatefulSet.apps `.
fn kind_text(group: &str, kind: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group} ")
}

/// One object as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// How to reach it.
    pub resource: Resource,
    /// The object as read, nothing removed; `fieldsV1` of its managers is text: as a tree it is half of a small object.
    pub object: Json,
}

impl Thing {
    /// Keeps an object; `None` when it has no name.
    pub fn new(resource: Resource, object: impl Into<Json>) -> Option<Self> {
        let mut object = object.into();
        object.pointer("/metadata/name")?.as_str()?;
        folded::fold(&mut object);
        Some(Self { resource, object })
    }

    /// The object as it was read.
    pub fn as_read(&self) -> Value {
        let mut object = self.object.to_value();
        folded::unfold(&mut object);
        object
    }

    /// The same thing with another object.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        self.object.edit(change);
    }

    /// Its identity.
    pub fn id(&self) -> ThingId {
        ThingId {
            group: self.resource.group.clone(),
            kind: self.resource.kind.clone(),
            namespace: self.text("/metadata/namespace").map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// True when group and kind are these.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.resource.group == group && self.resource.kind == kind
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        self.text("/metadata/name").unwrap_or_default()
    }

    /// Namespace of the object.
    pub fn namespace(&self) -> Option<&str> {
        self.text("/metadata/namespace")
    }

    /// The value at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Json> {
        self.object.pointer(pointer)
    }

    /// The string at a JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    /// The list at a JSON pointer, empty when there is none.
    pub fn list(&self, pointer: &str) -> &[Json] {
        self.at(pointer)
            .and_then(Json::as_array)
            .unwrap_or_default()
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.at("/metadata/labels")?.get(key)?.as_str()
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Its uid, empty when it has none.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid").unwrap_or_default()
    }

    /// The pod template's spec, or the pod's own spec; `None` for what runs no pods.
    pub fn pod_spec(&self) -> Option<&Json> {
        let pointer = match (self.resource.group.as_str(), self.resource.kind.as_str()) {
            ("", "Pod") => "/spec",
            ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job")
            | ("", "ReplicationController") => "/spec/template/spec",
            _ => return None,
        };
        self.at(pointer)
    }
}

/// Everything of interest in a cluster, by identity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    things: BTreeMap<String, Thing>,
    /// `v1.34.4`, empty when unknown.
    pub kubernetes_version: String,
    /// Every resource that the API server serves (preferred versions).
    pub served: Vec<Resource>,
    /// What could not be read, and why; an inventory with these is incomplete.
    pub unread: Vec<Unread>,
}

/// A resource that could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What was to be listed.
    pub resource: Resource,
    /// Namespace, `None` for all.
    pub namespace: Option<String>,
    /// What the server said.
    pub message: String,
}

impl Inventory {
    /// An inventory of these things; of two with one identity the later stays.
    pub fn of(things: impl IntoIterator<Item = Thing>) -> Self {
        let mut inventory = Self::default();
        for thing in things {
            inventory.insert(thing);
        }
        inventory
    }

    /// Adds a thing, replacing the one with the same identity.
    pub fn insert(&mut self, thing: Thing) {
        self.things.insert(thing.id().to_string(), thing);
    }

    /// Removes a thing.
    pub fn remove(&mut self, id: &ThingId) -> Option<Thing> {
        self.things.remove(&id.to_string())
    }

    /// The thing with this identity.
    pub fn get(&self, id: &ThingId) -> Option<&Thing> {
        self.things.get(&id.to_string())
    }

    /// A namespaced thing by its parts.
    pub fn find(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&Thing> {
        self.get(&ThingId::namespaced(group, kind, namespace, name))
    }

    /// All things, ordered by identity.
    pub fn iter(&self) -> impl Iterator<Item = &Thing> {
        self.things.values()
    }

    /// The things themselves, ordered by identity: for who needs each of them once and has no memory for all.
    pub fn into_things(self) -> impl Iterator<Item = Thing> {
        self.things.into_values()
    }

    /// All things of a kind, ordered by identity.
    pub fn of_kind<'a>(
        &'a self,
        group: &str,
        kind: &str,
    ) -> impl Iterator<Item = &'a Thing> + use<'a> {
        let before = kind_text(group, kind);
        self.things
            .range(before.clone()..)
            .take_while(move |(id, _)| id.starts_with(&before))
            .map(|(_, thing)| thing)
    }

    /// The served resource of this group and kind.
    pub fn serves(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.served
            .iter()
            .find(|resource| resource.group == group && resource.kind == kind)
    }

    /// Number of things.
    pub fn len(&self) -> usize {
        self.things.len()
    }

    /// True when nothing was found.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }
}
