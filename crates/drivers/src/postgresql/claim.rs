//! Which workloads are PostgreSQL servers: by image, by the variables of the known images, by what they run.

use std::collections::BTreeMap;

use refloat_core::driver::{Claim, Role};
use refloat_core::inventory::{Inventory, Thing};
use refloat_core::json::Json;

use crate::workload::{has_variable, image_name, mount_paths, mounted_volumes, variable, volumes};

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
    let name = container.get("name").and_then(Json::as_str)?;
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

fn is_postgresql(container: &Json) -> bool {
    let by_image = container
        .get("image")
        .and_then(Json::as_str)
        .is_some_and(|image| IMAGES.contains(&image_name(image)));
    let by_variable = has_variable(container, "PGDATA");
    let by_command = ["command", "args"].iter().any(|key| {
        container
            .get(key)
            .and_then(Json::as_array)
            .and_then(|words| words.first()?.as_str())
            .is_some_and(|word| word.rsplit('/').next() == Some("postgres"))
    });
    by_image || by_variable || by_command
}
