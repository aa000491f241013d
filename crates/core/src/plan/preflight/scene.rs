//! What the checks look at: point, target and facts, with the questions that several checks ask of them.

use crate::json::Json;

use super::super::Goal;
use super::super::conflicts::{self, Staying};
use super::super::context::Context;
use super::facts::Facts;
use crate::backup::PointContent;
use crate::inventory::{Inventory, Thing, ThingId};
use crate::recovery::Existing;

pub(super) struct Scene<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) point: &'a PointContent,
    pub(super) objects: &'a Inventory,
    pub(super) target: &'a Inventory,
    pub(super) goal: &'a Goal,
    pub(super) facts: &'a Facts,
    /// What is at the target and stays there.
    pub(super) staying: &'a Staying<'a>,
}

impl<'a> Scene<'a> {
    /// What is at the target and will be there still when the recovery writes.
    pub(super) fn there(&self, id: &ThingId) -> Option<&'a Thing> {
        self.staying.get(id).copied()
    }

    /// The target's things of a kind, without those that are going.
    pub(super) fn all_there(
        &self,
        group: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Thing> {
        let target = self.target;
        let all = target.of_kind(group, kind);
        all.filter(move |thing| !conflicts::is_going(thing, target))
    }

    pub(super) fn namespace_exists(&self, namespace: &str) -> bool {
        let id = ThingId::cluster("", "Namespace", namespace);
        self.there(&id).is_some()
    }

    /// Labels that a namespace has when its contents are written: what is there wins.
    pub(super) fn namespace_labels(&self, namespace: &str) -> Option<&'a Json> {
        let id = ThingId::cluster("", "Namespace", namespace);
        let there = self
            .there(&id)
            .or_else(|| self.context.things.get(&id).copied());
        there?.object.pointer("/metadata/labels")
    }

    /// Things that the recovery writes: those that are kept as they are at the target are not.
    pub(super) fn written(&self) -> impl Iterator<Item = (&ThingId, &'a Thing)> {
        self.context
            .things
            .iter()
            .map(|(id, thing)| (id, *thing))
            .filter(|(id, _)| !self.stays(id))
    }

    /// It is at the target and stays as it is.
    pub(super) fn stays(&self, id: &ThingId) -> bool {
        let by_cluster = super::super::adopted::is_made_by_cluster(id);
        (by_cluster || self.goal.existing == Existing::Skip) && self.there(id).is_some()
    }

    pub(super) fn nodes(&self) -> Vec<&'a Thing> {
        self.target.of_kind("", "Node").collect()
    }

    /// The name that a StorageClass of the source has at the target.
    pub(super) fn storage_class<'b>(&'b self, class: &'b str) -> &'b str {
        let mapped = self.goal.storage_classes.get(class);
        mapped.map_or(class, String::as_str)
    }
}

/// The elements of a list anywhere in an object.
pub(super) fn elements<'a>(value: &'a Json, pointer: &str) -> &'a [Json] {
    value
        .pointer(pointer)
        .and_then(Json::as_array)
        .unwrap_or_default()
}

/// A string anywhere in an object.
pub(super) fn text<'a>(value: &'a Json, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}
