//! What is in a cluster, or was when a point was made: things by identity, with the objects as read.
//!
//! One type for a live cluster and for a recovery point. Holds no judgement: order belongs to `plan`, readiness to
//! `readiness`.

mod ended;
mod endpoints;
mod everywhere;
mod flux;
mod folded;
mod id;
mod inside;
mod owners;
mod place;
mod rights;
mod scope;
#[cfg(test)]
mod tests;
mod thing;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use ended::has_ended;
pub use everywhere::{made_everywhere, made_everywhere_in};
pub use flux::flux_order;
pub(crate) use flux::{FLUX_KINDS, applied_by, depends_on};
pub use folded::fold_answer;
pub(crate) use folded::{unfold, unfold_entry, unfolded};
pub use id::{ThingId, ThingNames};
pub use inside::inside_scope;
use place::Place;
pub use rights::{grants, writers};
pub use scope::{LeftOut, Scope, scope};
pub use thing::{Thing, ThingParts};

/// What the API server calls a kind, enough to make a call. A copy is the same one in memory: every object and every step has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(Arc<ResourceNames>);

/// By its names. Most that are compared are the same one: then no name is read.
impl Ord for Resource {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Resource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

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

/// Everything of interest in a cluster, by identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    things: BTreeMap<Place, Thing>,
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
    /// It may be read a moment later.
    #[serde(default)]
    pub passing: bool,
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_api() {
            return formatter.write_str(&self.message);
        }
        let place = self.namespace.as_deref().unwrap_or("all namespaces");
        let plural = &self.resource.plural;
        write!(
            formatter,
            "{plural} in {place} could not be read: {}",
            self.message
        )
    }
}

impl Unread {
    /// All that a server behind an APIService serves, because that server does not answer.
    pub fn of_api(group: &str, version: &str) -> Self {
        Self {
            resource: Resource::from(ResourceNames {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: "*".to_owned(),
                plural: "*".to_owned(),
                namespaced: true,
            }),
            namespace: None,
            message: format!(
                "the server behind APIService {version}.{group} does not answer: what it serves is not known"
            ),
            passing: true,
        }
    }

    /// Whether it is [`Self::of_api`].
    pub fn is_api(&self) -> bool {
        self.resource.plural == "*"
    }
}

impl Inventory {
    /// An inventory of these things; of two with one identity the later stays.
    pub fn of(things: impl IntoIterator<Item = Thing>) -> Self {
        let mut inventory = Self::default();
        inventory.extend(things);
        inventory
    }

    /// Adds a thing, replacing the one with the same identity.
    pub fn insert(&mut self, thing: Thing) {
        self.things.insert(Place(thing.id()), thing);
    }

    /// Removes a thing.
    pub fn remove(&mut self, id: &ThingId) -> Option<Thing> {
        self.things.remove(&Place(id.clone()))
    }

    /// The thing with this identity.
    pub fn get(&self, id: &ThingId) -> Option<&Thing> {
        self.things.get(&Place(id.clone()))
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
        let first = Place(ThingId::cluster(group, kind, ""));
        self.things
            .range(first.clone()..)
            .take_while(move |(place, _)| place.begins_as(&first))
            .map(|(_, thing)| thing)
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

/// All are put in their order at once: tens of thousands one by one look for their places for a second. Each replaces the one with the
/// same identity.
impl Extend<Thing> for Inventory {
    fn extend<I: IntoIterator<Item = Thing>>(&mut self, things: I) {
        let things = things.into_iter().map(|thing| (Place(thing.id()), thing));
        let mut things: BTreeMap<Place, Thing> = things.collect();
        if self.things.is_empty() {
            self.things = things;
        } else {
            self.things.append(&mut things);
        }
    }
}
