//! Containers of a workload's template: images, variables, mounts and the claims behind them.

use refloat_core::inventory::{Inventory, Thing, ThingId};
use refloat_core::json::Json;

/// Image name without registry, tag and digest: `docker.io/library/postgres:15` → `postgres`.
pub(crate) fn image_name(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(':').next().unwrap_or(last)
}

fn variables(container: &Json) -> impl Iterator<Item = &Json> {
    container
        .get("env")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

pub(crate) fn has_variable(container: &Json, name: &str) -> bool {
    variables(container).any(|one| one.get("name").and_then(Json::as_str) == Some(name))
}

pub(crate) fn variable<'a>(container: &'a Json, name: &str) -> Option<&'a str> {
    variables(container)
        .find(|one| one.get("name").and_then(Json::as_str) == Some(name))?
        .get("value")?
        .as_str()
}

fn mounts(container: &Json) -> impl Iterator<Item = &Json> {
    container
        .get("volumeMounts")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

pub(crate) fn mounted_volumes(container: &Json) -> Vec<&str> {
    mounts(container)
        .filter_map(|mount| mount.get("name")?.as_str())
        .collect()
}

pub(crate) fn mount_paths(container: &Json) -> Vec<&str> {
    mounts(container)
        .filter_map(|mount| mount.get("mountPath")?.as_str())
        .collect()
}

/// The claims that the container mounts: named ones, and those of a StatefulSet's templates that exist.
pub(crate) fn volumes(
    thing: &Thing,
    spec: &Json,
    mounted: &[&str],
    inventory: &Inventory,
) -> Vec<ThingId> {
    let namespace = thing.namespace().unwrap_or_default();
    let mut found = Vec::new();
    for volume in spec
        .get("volumes")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        let name = volume.get("name").and_then(Json::as_str);
        let claim = volume
            .pointer("/persistentVolumeClaim/claimName")
            .and_then(Json::as_str);
        if let (Some(name), Some(claim)) = (name, claim)
            && mounted.contains(&name)
        {
            found.push(claim.to_owned());
        }
    }
    for template in thing.list("/spec/volumeClaimTemplates") {
        let Some(name) = template.pointer("/metadata/name").and_then(Json::as_str) else {
            continue;
        };
        if !mounted.contains(&name) {
            continue;
        }
        let prefix = format!("{name}-{}-", thing.name());
        for claim in inventory.of_kind("", "PersistentVolumeClaim") {
            let ordinal = claim.name().strip_prefix(&prefix);
            if claim.namespace() == Some(namespace)
                && ordinal.is_some_and(|text| text.parse::<u32>().is_ok())
            {
                found.push(claim.name().to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    found
        .iter()
        .map(|name| ThingId::namespaced("", "PersistentVolumeClaim", namespace, name))
        .collect()
}
