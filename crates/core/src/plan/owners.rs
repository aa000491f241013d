//! Owners of what comes back: each is named in its object again once both are there, with its new uid.
//!
//! What is there before its owner is linked by the step that writes the owner, anything else by a step of its own. Called by `plan`
//! once it is known what is written, and under which names.

use std::collections::BTreeMap;

use crate::json::Json;

use super::context::{Context, hand_over_step, write_step};
use super::rules::own_steps::link_after_both;
use super::steps::{READY_SECONDS, resource};
use crate::driver::{ObjectRef, Op};
use crate::inventory::{Resource, Thing, ThingId, has_ended};
use crate::recovery::Linking;
use crate::run::{Edge, Phase, Step, Work};

/// So many are named.
const NAMED_MAX: usize = 5;

/// What stays without its owner, each with that owner.
#[derive(Default)]
struct Orphans {
    /// Its owner is made anew: it has another uid each time, and nobody knows which of them it is.
    of_unknown: Vec<String>,
    /// Its owner had ended.
    of_ended: Vec<String>,
}

impl Orphans {
    fn add(&mut self, object: &ObjectRef, owner: &Thing) {
        let all = if has_ended(owner) {
            &mut self.of_ended
        } else {
            &mut self.of_unknown
        };
        all.push(format!("{} ({})", object.id(), owner.id()));
    }

    fn told(&self) -> impl Iterator<Item = String> {
        let both = [
            (
                "without an owner until an operator takes it up, because its owner is made anew",
                &self.of_unknown,
            ),
            (
                "without an owner, because its owner had ended and does not come back; delete what is not needed",
                &self.of_ended,
            ),
        ];
        let both = both.into_iter().filter(|(_, all)| !all.is_empty());
        both.map(|(why, all)| format!("{why}: {}", named(all)))
    }
}

/// Adds the links to the steps, and says of what the owner cannot be known.
pub(super) fn add(
    context: &Context<'_>,
    steps: &mut BTreeMap<String, Step>,
    warnings: &mut Vec<String>,
) {
    let mut orphans = Orphans::default();
    let is_owned = |thing: &Thing| !thing.list("/metadata/ownerReferences").is_empty();
    let things = context.things.values().copied();
    let things = things.filter(|thing| is_owned(thing));
    let things = things.map(|thing| (thing, write_step(&thing.id())));
    let claims = context.parts.iter().filter_map(|part| {
        let (namespace, name) = part.id.split_once('/')?;
        let id = ThingId::namespaced("", "PersistentVolumeClaim", namespace, name);
        Some((context.objects.get(&id)?, hand_over_step(&part.id)))
    });
    for (thing, id) in things.chain(claims) {
        let Some(object) = steps.get(&id).and_then(made) else {
            continue;
        };
        for reference in thing.list("/metadata/ownerReferences") {
            let Some(owner) = context.with_uid(reference) else {
                continue;
            };
            let is = |key: &str| reference.get(key).and_then(Json::as_bool) == Some(true);
            let linking = |owner: ObjectRef| Linking {
                object: object.clone(),
                owner,
                controller: is("controller"),
                blocks: is("blockOwnerDeletion"),
            };
            let written = write_step(&owner.id());
            match steps.get(&written).and_then(made) {
                Some(place) => {
                    if may_own(&place, &object) {
                        link(steps, &id, &written, linking(place));
                    }
                }
                None if context.has(&owner.id()) || !owner.resource.namespaced => {
                    let place = there(context, owner);
                    let step = alone(linking(place), &[&id, &written], steps);
                    steps.insert(step.id.clone(), step);
                }
                None => orphans.add(&object, owner),
            }
        }
    }
    warnings.extend(orphans.told());
}

/// An owner is of the cluster, or beside what it owns: the garbage collector deletes what names any other.
fn may_own(owner: &ObjectRef, object: &ObjectRef) -> bool {
    owner.namespace.is_none() || owner.namespace == object.namespace
}

/// The object that a step of a recovery creates, if any.
pub(super) fn made(step: &Step) -> Option<ObjectRef> {
    match &step.work {
        Work::Write(writing) if !writing.adopt => Some(writing.target()),
        Work::Driver {
            op: Op::Restore,
            claim,
            ..
        } => {
            let namespace = claim.thing.namespace.as_deref()?;
            let claims =
                Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims");
            Some(ObjectRef::namespaced(claims, namespace, &claim.thing.name))
        }
        Work::Write(_)
        | Work::Driver { .. }
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::SystemNamespace
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Fill(_)
        | Work::StoreObjects
        | Work::Gate(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::Seal { .. } => None,
    }
}

/// What is not written is looked for by its name.
fn there(context: &Context<'_>, owner: &Thing) -> ObjectRef {
    ObjectRef::of(resource(context, owner), owner.namespace(), owner.name())
}

fn link(steps: &mut BTreeMap<String, Step>, object: &str, owner: &str, linking: Linking) {
    let Some(step) = steps.get_mut(owner) else {
        return;
    };
    let is_after = step.needs.iter().any(|edge| edge.on == object);
    if let (Work::Write(writing), true) = (&mut step.work, is_after) {
        writing.owns.push(linking);
        return;
    }
    let step = alone(linking, &[object, owner], steps);
    steps.insert(step.id.clone(), step);
}

fn alone(linking: Linking, after: &[&str], steps: &BTreeMap<String, Step>) -> Step {
    let (object, owner) = (linking.object.id(), linking.owner.id());
    let id = format!("link {object} to {owner}");
    let after = after.iter().filter(|on| steps.contains_key(**on));
    let needs = after.map(|on| {
        Edge::new(
            *on,
            link_after_both::RULE.name,
            "what is not there yet cannot be named",
        )
    });
    Step {
        id: id.clone(),
        phase: Phase::Applications,
        title: id,
        needs: needs.collect(),
        work: Work::Link(linking),
        limit_seconds: READY_SECONDS,
        cleanup: false,
    }
}

fn named(all: &[String]) -> String {
    let first: Vec<&str> = all.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match all.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", first.join(", "))
}
