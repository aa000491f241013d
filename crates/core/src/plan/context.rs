//! What the rules look at: the carried things by identity, with the steps that write them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::backup::{Member, Part, PointContent};
use crate::driver::Role;
use crate::inventory::{Inventory, LeftOut, Thing, ThingId, inside_scope};
use crate::names::SYSTEM_NAMESPACE;

pub(super) struct Context<'a> {
    /// Carried things by identity.
    pub(super) things: BTreeMap<ThingId, &'a Thing>,
    /// Everything of the point, for owners and grants.
    pub(super) objects: &'a Inventory,
    /// Volumes that are filled.
    pub(super) parts: &'a [Part],
    /// Claimed workloads and volumes.
    pub(super) members: &'a [Member],
    /// Kinds that the target serves.
    pub(super) target: &'a Inventory,
    /// The point as it was taken, before any mapping.
    pub(super) source: &'a PointContent,
    /// Objects that the user has patched, as they are written.
    pub(super) written: Option<&'a BTreeMap<ThingId, Value>>,
    /// Workloads that are operators of carried definitions: by group and plural.
    pub(super) operators: BTreeMap<(String, String), BTreeSet<ThingId>>,
}

/// Id of the step that writes a thing.
pub(super) fn write_step(id: &ThingId) -> String {
    format!("write {id}")
}

pub(super) fn hand_over_step(part: &str) -> String {
    format!("hand over {part}")
}

pub(super) fn ready_step(member: &str) -> String {
    format!("ready {member}")
}

impl<'a> Context<'a> {
    pub(super) fn of(
        point: &'a PointContent,
        objects: &'a Inventory,
        target: &'a Inventory,
    ) -> (Self, Vec<LeftOut>) {
        let scope = inside_scope(objects, &point.namespaces);
        let things: BTreeMap<ThingId, &Thing> = scope
            .carried
            .iter()
            .chain(&point.owned)
            .filter_map(|id| Some((id.clone(), objects.get(id)?)))
            .collect();
        let mut context = Self {
            things,
            objects,
            parts: &point.parts,
            members: &point.members,
            target,
            source: point,
            written: None,
            operators: BTreeMap::new(),
        };
        context.operators = context.find_operators();
        (context, scope.left_out)
    }

    fn find_operators(&self) -> BTreeMap<(String, String), BTreeSet<ThingId>> {
        let mut found: BTreeMap<(String, String), BTreeSet<ThingId>> = BTreeMap::new();
        for definition in self.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
            let group = definition.text("/spec/group").unwrap_or_default();
            let plural = definition.text("/spec/names/plural").unwrap_or_default();
            for (namespace, account) in crate::inventory::writers(self.objects, group, plural) {
                for thing in self.things.values() {
                    let uses = thing.namespace() == Some(&namespace)
                        && thing.pod_spec().is_some_and(|spec| {
                            spec.get("serviceAccountName").and_then(Value::as_str) == Some(&account)
                        });
                    if uses {
                        found
                            .entry((group.to_owned(), plural.to_owned()))
                            .or_default()
                            .insert(thing.id());
                    }
                }
            }
        }
        found
    }

    pub(super) fn of_kind<'b>(
        &'b self,
        group: &'b str,
        kind: &'b str,
    ) -> impl Iterator<Item = &'a Thing> + 'b {
        self.things
            .iter()
            .filter(move |(id, _)| id.is(group, kind))
            .map(|(_, thing)| *thing)
    }

    pub(super) fn has(&self, id: &ThingId) -> bool {
        self.things.contains_key(id)
    }

    pub(super) fn is_operator(&self, id: &ThingId) -> bool {
        self.operators.values().any(|all| all.contains(id))
    }

    /// Things that run pods.
    pub(super) fn workloads(&self) -> impl Iterator<Item = (&'a Thing, &'a Value)> + '_ {
        self.things
            .values()
            .filter_map(|thing| Some((*thing, thing.pod_spec()?)))
    }

    /// Databases and queues among the members.
    pub(super) fn engines(&self) -> impl Iterator<Item = &'a Member> {
        self.members
            .iter()
            .filter(|member| !member.thing.is("", "PersistentVolumeClaim"))
    }

    /// The workloads behind a Service, by its selector.
    pub(super) fn behind(&self, service: &Thing) -> Vec<ThingId> {
        let Some(selector) = service
            .object
            .pointer("/spec/selector")
            .and_then(Value::as_object)
            .filter(|selector| !selector.is_empty())
        else {
            return Vec::new();
        };
        self.things
            .values()
            .filter(|thing| thing.namespace() == service.namespace())
            .filter(|thing| {
                let labels = match thing.resource.kind.as_str() {
                    "Pod" => thing.object.pointer("/metadata/labels"),
                    _ => thing.object.pointer("/spec/template/metadata/labels"),
                };
                thing.pod_spec().is_some()
                    && labels.is_some_and(|labels| {
                        selector
                            .iter()
                            .all(|(key, value)| labels.get(key) == Some(value))
                    })
            })
            .map(|thing| thing.id())
            .collect()
    }

    /// What a dependent must wait for so that a workload works: its engine's own check where there is one.
    pub(super) fn works_step(&self, workload: &ThingId) -> String {
        self.engines()
            .find(|member| member.thing == *workload)
            .map_or_else(|| write_step(workload), |member| ready_step(&member.name))
    }
}

/// Names that Refloat itself uses are nobody's application.
pub(super) fn is_system(namespace: &str) -> bool {
    namespace == SYSTEM_NAMESPACE
}

/// What a member is to the planner.
pub(super) fn role(member: &Member) -> Role {
    if member.thing.is("", "PersistentVolumeClaim") {
        Role::Volume
    } else {
        Role::Database
    }
}
