//! Other names at the target: namespaces, StorageClasses, registries, hosts, and patches by the user.
//!
//! The point and its inventory are mapped first; then they are planned as if the point had been taken so. What is a typed
//! reference follows. A name inside configuration is never changed: it is reported. Called by `plan` alone.

mod check;
mod classes;
mod follow;
mod hosts;
mod namespaces;
mod parts;
mod patches;
mod registries;
mod remain;
mod shown;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use patches::{Form, ObjectPatch, Target};
pub(super) use shown::{lines, warnings};

use super::Goal;
use super::connections::Connections;
use super::context::Context;
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::{Inventory, LeftOut, Thing, ThingId, inside_scope};
use crate::json::Json;

/// Names at the source, and what they are at the target. StorageClasses are in the goal itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mappings {
    /// Namespaces.
    pub namespaces: BTreeMap<String, String>,
    /// Beginnings of image names, a registry first: `registry.example.com/team`.
    pub registries: BTreeMap<String, String>,
    /// Host names that users know: `shop.example.com`, or `*.example.com` for all below.
    pub hosts: BTreeMap<String, String>,
    /// Changes of objects, applied last and in this order.
    pub patches: Vec<ObjectPatch>,
}

impl Mappings {
    /// What a namespace of the source is called at the target.
    pub fn namespace<'a>(&'a self, name: &'a str) -> &'a str {
        self.namespaces.get(name).map_or(name, String::as_str)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a mapping maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MappedKind {
    /// A namespace.
    Namespace,
    /// A StorageClass.
    StorageClass,
    /// The beginning of an image's name.
    Registry,
    /// A host name.
    Host,
    /// A user's patch.
    Patch,
}

impl MappedKind {
    /// `namespace`, `StorageClass`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::StorageClass => "StorageClass",
            Self::Registry => "registry",
            Self::Host => "host",
            Self::Patch => "patch",
        }
    }
}

/// What one mapping did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapped {
    /// What it maps.
    pub kind: MappedKind,
    /// The name at the source; a patch's target.
    pub from: String,
    /// The name at the target; a patch's form.
    pub to: String,
    /// How many carried objects it changed.
    pub objects: usize,
    /// Where the old name still stands: in configuration, which is never changed.
    pub remains: Vec<Remain>,
}

/// A field that names something by its name at the source and was not changed. Its value is never told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remain {
    /// The object, by its name at the target.
    pub thing: ThingId,
    /// `data.DATABASE_HOST`.
    pub field: String,
}

/// Which objects each mapping touched, by kind and old name.
#[derive(Default)]
struct Tally(BTreeMap<(MappedKind, String), BTreeSet<String>>);

impl Tally {
    fn hit(&mut self, kind: MappedKind, from: &str, thing: &ThingId) {
        let all = self.0.entry((kind, from.to_owned())).or_default();
        all.insert(thing.to_string());
    }

    fn objects(&self, kind: MappedKind, from: &str) -> usize {
        let found = self.0.get(&(kind, from.to_owned()));
        found.map_or(0, BTreeSet::len)
    }
}

/// All mappings that can be used.
struct Maps {
    mappings: Mappings,
    classes: BTreeMap<String, String>,
    /// Services of the source by namespace and name: what makes `db.shop` a host name.
    services: BTreeSet<(String, String)>,
}

impl Maps {
    /// It is kept for the order alone, of a namespace that is no part of the point, and would lie among what comes back under that name.
    fn would_shadow(&self, thing: &Thing, point: &PointContent) -> bool {
        let mut new_names = self.mappings.namespaces.values();
        thing.namespace().is_some_and(|namespace| {
            !point.namespaces.iter().any(|one| one == namespace)
                && new_names.any(|new| new == namespace)
        })
    }
}

/// A point as if it had been taken under its names at the target.
pub(super) struct MappedPoint<'a> {
    pub(super) point: Cow<'a, PointContent>,
    pub(super) objects: Cow<'a, Inventory>,
    /// Patched objects to the letter, as they are written.
    pub(super) written: BTreeMap<ThingId, Json>,
    /// Connections that were seen, by names at the target.
    pub(super) connections: Connections,
    pub(super) mapped: Vec<Mapped>,
    pub(super) problems: Vec<Problem>,
}

impl MappedPoint<'_> {
    /// What the rules look at, and what is left out. `source` is the point as it was taken.
    pub(super) fn context<'b>(
        &'b self,
        source: &'b PointContent,
        target: &'b Inventory,
    ) -> (Context<'b>, Vec<LeftOut>) {
        let (mut context, left_out) = Context::of(&self.point, &self.objects, target);
        context.source = source;
        context.written = Some(&self.written);
        context.connections = Some(&self.connections);
        (context, left_out)
    }
}

/// Maps a point and its objects, or says what stands against it.
pub(super) fn map<'a>(
    point: &'a PointContent,
    objects: &'a Inventory,
    goal: &Goal,
) -> MappedPoint<'a> {
    let mut done = MappedPoint {
        point: Cow::Borrowed(point),
        objects: Cow::Borrowed(objects),
        written: BTreeMap::new(),
        connections: goal.connections.mapped(&goal.mappings),
        mapped: Vec::new(),
        problems: Vec::new(),
    };
    if goal.mappings.is_empty() && goal.storage_classes.is_empty() {
        return done;
    }
    let maps = Maps {
        mappings: check::usable(&goal.mappings, point, &mut done.problems),
        classes: goal.storage_classes.clone(),
        services: services(objects),
    };
    let mut tally = Tally::default();
    let mut remains = remain::Remains::default();
    let carried: BTreeSet<ThingId> = inside_scope(objects, &point.namespaces)
        .carried
        .into_iter()
        .chain(point.owned.iter().cloned())
        .collect();
    let mut things = Vec::new();
    for thing in objects.iter() {
        let is_carried = carried.contains(&thing.id());
        if !is_carried && maps.would_shadow(thing, point) {
            continue;
        }
        let mapped = follow::thing(thing, &maps, is_carried.then_some(&mut tally));
        if is_carried {
            remains.note(thing, &mapped, &maps);
        }
        things.push(mapped);
    }
    done.objects = Cow::Owned(inventory(objects, things));
    done.point = Cow::Owned(parts::point(point, &maps, &mut tally));
    let mut patched = patches::apply(&maps.mappings.patches, &mut done, &carried, &maps);
    remains.forget_patched(&done);
    done.mapped = summary(&maps, &tally, &remains);
    for one in &done.mapped {
        if one.objects == 0 {
            done.problems.push(check::unused(one, point));
        }
    }
    done.mapped.append(&mut patched);
    done
}

fn services(objects: &Inventory) -> BTreeSet<(String, String)> {
    objects
        .of_kind("", "Service")
        .filter_map(|service| Some((service.namespace()?.to_owned(), service.name().to_owned())))
        .collect()
}

/// The same cluster with other things.
fn inventory(of: &Inventory, things: Vec<Thing>) -> Inventory {
    let mut inventory = Inventory::of(things);
    inventory
        .kubernetes_version
        .clone_from(&of.kubernetes_version);
    inventory.served.clone_from(&of.served);
    inventory.unread.clone_from(&of.unread);
    inventory
}

fn summary(maps: &Maps, tally: &Tally, remains: &remain::Remains) -> Vec<Mapped> {
    [
        (MappedKind::Namespace, &maps.mappings.namespaces),
        (MappedKind::StorageClass, &maps.classes),
        (MappedKind::Registry, &maps.mappings.registries),
        (MappedKind::Host, &maps.mappings.hosts),
    ]
    .into_iter()
    .flat_map(|(kind, map)| {
        map.iter().map(move |(from, to)| Mapped {
            kind,
            from: from.clone(),
            to: to.clone(),
            objects: tally.objects(kind, from),
            remains: remains.of(kind, from),
        })
    })
    .collect()
}
