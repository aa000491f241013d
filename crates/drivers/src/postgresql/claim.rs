//! Which workloads are PostgreSQL servers: by image, by the variables of the known images, by what they run.

use std::collections::BTreeMap;

use refloat_core::driver::{Claim, Role};
use refloat_core::inventory::{Inventory, Thing, ThingId};
use serde_json::Value;

/// Names of image repositories (last path segment) that are PostgreSQL servers.
const IMAGES: &[&str] = &[
    "edb-postgres-advanced",
    "percona-distribution-postgresql",
    "pgvector",
    "postgis",
    "postgres",
    "postgresql",
    "postgresql-repmgr",
    "spilo-15",
    "spilo-16",
    "spilo-17",
    "timescaledb",
    "timescaledb-ha",
];
const DEFAULT_USER: &str = "postgres";

/// Claims a StatefulSet or Deployment with a PostgreSQL container that has a volume.
pub(super) fn claim(thing: &Thing, inventory: &Inventory) -> Option<Claim> {
    let id = thing.id();
    if !id.is("apps", "StatefulSet") && !id.is("apps", "Deployment") {
        return None;
    }
    let spec = thing.pod_spec()?;
    let containers = spec.get("containers")?.as_array()?;
    let container = containers.iter().find(|one| is_postgresql(one))?;
    let mounted = mounted_volumes(container);
    let volumes = volumes(thing, spec, &mounted, inventory);
    if volumes.is_empty() {
        return None;
    }
    let user = variable(container, "POSTGRES_USER").unwrap_or(DEFAULT_USER);
    let database = variable(container, "POSTGRES_DB").unwrap_or(user);
    let name = container.get("name").and_then(Value::as_str)?;
    let settings = BTreeMap::from([
        ("container".to_owned(), name.to_owned()),
        ("user".to_owned(), user.to_owned()),
        ("database".to_owned(), database.to_owned()),
        ("mounts".to_owned(), mount_paths(container).join(",")),
    ]);
    Some(Claim {
        driver: super::FACTS.id.to_owned(),
        role: Role::Database,
        thing: id,
        volumes,
        settings,
        notes: Vec::new(),
    })
}

/// Image name without registry, tag and digest: `docker.io/library/postgres:15` → `postgres`.
fn image_name(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(':').next().unwrap_or(last)
}

fn is_postgresql(container: &Value) -> bool {
    let by_image = container
        .get("image")
        .and_then(Value::as_str)
        .is_some_and(|image| IMAGES.contains(&image_name(image)));
    let by_variable = has_variable(container, "PGDATA");
    let by_command = ["command", "args"].iter().any(|key| {
        container
            .get(key)
            .and_then(Value::as_array)
            .and_then(|words| words.first()?.as_str())
            .is_some_and(|word| word.rsplit('/').next() == Some("postgres"))
    });
    by_image || by_variable || by_command
}

fn variables(container: &Value) -> impl Iterator<Item = &Value> {
    container
        .get("env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn has_variable(container: &Value, name: &str) -> bool {
    variables(container).any(|one| one.get("name").and_then(Value::as_str) == Some(name))
}

fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    variables(container)
        .find(|one| one.get("name").and_then(Value::as_str) == Some(name))?
        .get("value")?
        .as_str()
}

fn mounts(container: &Value) -> impl Iterator<Item = &Value> {
    container
        .get("volumeMounts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn mounted_volumes(container: &Value) -> Vec<&str> {
    mounts(container)
        .filter_map(|mount| mount.get("name")?.as_str())
        .collect()
}

fn mount_paths(container: &Value) -> Vec<&str> {
    mounts(container)
        .filter_map(|mount| mount.get("mountPath")?.as_str())
        .collect()
}

/// The claims that the container mounts: named ones, and those of a StatefulSet's templates that exist.
fn volumes(thing: &Thing, spec: &Value, mounted: &[&str], inventory: &Inventory) -> Vec<ThingId> {
    let namespace = thing.namespace().unwrap_or_default();
    let mut found = Vec::new();
    for volume in spec
        .get("volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = volume.get("name").and_then(Value::as_str);
        let claim = volume
            .pointer("/persistentVolumeClaim/claimName")
            .and_then(Value::as_str);
        if let (Some(name), Some(claim)) = (name, claim)
            && mounted.contains(&name)
        {
            found.push(claim.to_owned());
        }
    }
    for template in thing.list("/spec/volumeClaimTemplates") {
        let Some(name) = template.pointer("/metadata/name").and_then(Value::as_str) else {
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
