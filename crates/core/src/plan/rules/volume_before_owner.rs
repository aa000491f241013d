//! A custom resource waits for every volume that is its own: claims that it owns, and those that the pods mount which its operator
//! makes.

use super::super::context::{Context, hand_over_step, write_step};
use super::volume_before_pod::{Parts, mounts};
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::{Thing, ThingId};
use crate::readiness::is_custom;

pub(super) const RULE: Rule = Rule {
    name: "VOLUME_BEFORE_OWNER",
    reason: "an operator that finds no claim makes an empty one, and its database starts anew",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let parts = Parts::of(context);
    let mut drawn = Vec::new();
    let mut waits = |child: &Thing, part: &str, field: &str| {
        let root = context.root(child);
        if let Some(owner) = root.filter(|owner| is_custom(&owner.resource.group)) {
            let evidence = format!("{}: {field}", child.id());
            let step = write_step(&owner.id());
            drawn.push(Drawn::new(step, hand_over_step(part), evidence));
        }
    };
    for (namespace, claim, part) in parts.all() {
        let id = ThingId::namespaced("", "PersistentVolumeClaim", namespace, claim);
        if let Some(claim) = context.objects.get(&id) {
            waits(claim, part, "metadata.ownerReferences");
        }
    }
    if parts.is_empty() {
        return drawn;
    }
    // What an operator makes is not carried: it is among everything.
    for child in context.objects.iter() {
        let Some(spec) = child.pod_spec() else {
            continue;
        };
        if !context.has(&child.id()) {
            for (part, field) in mounts(child, spec, &parts) {
                waits(child, part, &field);
            }
        }
    }
    drawn
}
