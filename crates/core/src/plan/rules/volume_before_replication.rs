//! A replication of csi-addons (Rook-Ceph) waits for what it replicates, and for its classes.

use super::super::context::{Context, hand_over_step, write_step};
use super::super::labelled::{ByLabel, own_labels};
use super::volume_before_pod::Parts;
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::Thing;

pub(super) const RULE: Rule = Rule {
    name: "VOLUME_BEFORE_REPLICATION",
    reason: "a replication whose claim is not bound yet finds no volume and fails",
    confidence: CERTAIN,
    draw,
};

/// The group of VolumeReplications, as csi-addons has it.
const GROUP: &str = "replication.storage.openshift.io";
/// Kind of what replicates one volume.
const ONE: &str = "VolumeReplication";
/// Kind of what replicates several in one write order.
const SEVERAL: &str = "VolumeGroupReplication";
const CLAIM: &str = "PersistentVolumeClaim";

/// Fields with the name of a class: kind of the replication, field, kind of the class.
const CLASSES: &[(&str, &str, &str)] = &[
    (ONE, "volumeReplicationClass", "VolumeReplicationClass"),
    (
        SEVERAL,
        "volumeReplicationClassName",
        "VolumeReplicationClass",
    ),
    (
        SEVERAL,
        "volumeGroupReplicationClassName",
        "VolumeGroupReplicationClass",
    ),
];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (kind, field, class) in CLASSES {
        for thing in context.of_kind(GROUP, kind) {
            let Some(name) = thing.text(&format!("/spec/{field}")) else {
                continue;
            };
            for id in context.meant(Some(GROUP), class, None, name) {
                drawn.push(edge(thing, write_step(&id), &format!("spec.{field}")));
            }
        }
    }
    let parts = Parts::of(context);
    for thing in context.of_kind(GROUP, ONE) {
        let text = |key: &str| thing.text(&format!("/spec/dataSource/{key}"));
        let (Some(kind), Some(name), Some(namespace)) =
            (text("kind"), text("name"), thing.namespace())
        else {
            continue;
        };
        let steps = if kind == CLAIM {
            parts
                .of_claim(namespace, name)
                .map(hand_over_step)
                .into_iter()
                .collect()
        } else {
            let group = text("apiGroup").unwrap_or(GROUP);
            let meant = context.meant(Some(group), kind, Some(namespace), name);
            meant.iter().map(write_step).collect::<Vec<_>>()
        };
        for step in steps {
            drawn.push(edge(thing, step, "spec.dataSource"));
        }
    }
    for thing in context.of_kind(GROUP, SEVERAL) {
        for step in selected(context, thing, &parts) {
            drawn.push(edge(thing, step, "spec.source.selector"));
        }
    }
    drawn
}

fn edge(thing: &Thing, on: String, field: &str) -> Drawn {
    let evidence = format!("{}: {field}", thing.id());
    Drawn::new(write_step(&thing.id()), on, evidence)
}

/// Steps by which the claims are there that a group's selector means.
fn selected(context: &Context<'_>, group: &Thing, parts: &Parts<'_>) -> Vec<String> {
    let (Some(namespace), Some(selector)) = (group.namespace(), group.at("/spec/source/selector"))
    else {
        return Vec::new();
    };
    let labelled = ByLabel::of(context.objects.of_kind("", CLAIM), own_labels);
    let claims = labelled.selected(namespace, selector);
    claims
        .into_iter()
        .filter_map(|claim| parts.of_claim(namespace, claim.name()))
        .map(hand_over_step)
        .collect()
}
