//! One thing under its names at the target.

use serde_json::Value;

use super::namespaces::Follower;
use super::patches::is_built_in;
use super::{MappedKind, Maps, Tally, classes, hosts, registries};
use crate::inventory::{Thing, ThingId};

/// The thing with every typed reference mapped.
pub(super) fn thing(thing: &Thing, maps: &Maps, tally: Option<&mut Tally>) -> Thing {
    let (group, kind) = (&thing.resource.group, &thing.resource.kind);
    thing.with(object(
        &thing.object.to_value(),
        &thing.id,
        (group, kind),
        maps,
        tally,
    ))
}

/// The object with every typed reference mapped.
pub(super) fn object(
    object: &Value,
    id: &ThingId,
    (group, kind): (&str, &str),
    maps: &Maps,
    mut tally: Option<&mut Tally>,
) -> Value {
    let mut object = object.clone();
    let mut hit = |kind: MappedKind, old: &str| {
        if let Some(tally) = tally.as_deref_mut() {
            tally.hit(kind, old, id);
        }
    };
    Follower {
        group,
        kind,
        map: &maps.mappings.namespaces,
        services: &maps.services,
        hit: &mut |old| hit(MappedKind::Namespace, old),
    }
    .follow(&mut object);
    hosts::follow(&mut object, group, kind, &maps.mappings.hosts, &mut |old| {
        hit(MappedKind::Host, old);
    });
    // Definitions hold schemas, these two a user's own words: a key there means nothing.
    let is_text = group == "apiextensions.k8s.io"
        || (group.is_empty() && matches!(kind, "ConfigMap" | "Secret"));
    if let (false, Some(spec)) = (is_text, object.get_mut("spec")) {
        registries::follow(
            spec,
            !is_built_in(group),
            &maps.mappings.registries,
            &mut |old| {
                hit(MappedKind::Registry, old);
            },
        );
        classes::follow(spec, group, &maps.classes, &mut |old| {
            hit(MappedKind::StorageClass, old);
        });
    }
    object
}
