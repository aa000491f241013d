//! Which workloads are MariaDB or MySQL servers: by image, by the variables of the known images, by what they run.

use std::collections::BTreeMap;

use refloat_core::driver::{Claim, Role};
use refloat_core::inventory::{Inventory, Thing};
use refloat_core::json::Json;

use crate::workload::{has_variable, image_name, mounted_volumes, volumes};

/// Names of image repositories (last path segment) that are MariaDB or MySQL servers.
const IMAGES: &[&str] = &[
    "mariadb",
    "mysql",
    "mysql-server",
    "percona",
    "percona-server",
];
/// Variables that only these images read.
const VARIABLES: &[&str] = &[
    "MARIADB_ROOT_PASSWORD",
    "MARIADB_ROOT_PASSWORD_FILE",
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_ROOT_PASSWORD_FILE",
    "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
];
const PROGRAMS: &[&str] = &["mariadbd", "mysqld"];
const DEFAULT_USER: &str = "root";

/// Claims a StatefulSet or Deployment with a MariaDB or MySQL container that has a volume.
pub(super) fn claim(thing: &Thing, inventory: &Inventory) -> Option<Claim> {
    let id = thing.id();
    if !id.is("apps", "StatefulSet") && !id.is("apps", "Deployment") {
        return None;
    }
    let spec = thing.pod_spec()?;
    let containers = spec.get("containers")?.as_array()?;
    let container = containers.iter().find(|one| is_server(one))?;
    let volumes = volumes(thing, spec, &mounted_volumes(container), inventory);
    if volumes.is_empty() {
        return None;
    }
    let name = container.get("name").and_then(Json::as_str)?;
    Some(Claim {
        driver: super::FACTS.id.to_owned(),
        role: Role::Database,
        thing: id,
        volumes,
        settings: BTreeMap::from([
            ("container".to_owned(), name.to_owned()),
            ("user".to_owned(), DEFAULT_USER.to_owned()),
        ]),
        notes: Vec::new(),
    })
}

fn is_server(container: &Json) -> bool {
    let by_image = container
        .get("image")
        .and_then(Json::as_str)
        .is_some_and(|image| IMAGES.contains(&image_name(image)));
    let by_variable = VARIABLES.iter().any(|name| has_variable(container, name));
    let by_command = ["command", "args"].iter().any(|key| {
        container
            .get(key)
            .and_then(Json::as_array)
            .and_then(|words| words.first()?.as_str())
            .and_then(|word| word.rsplit('/').next())
            .is_some_and(|word| PROGRAMS.contains(&word))
    });
    // A client or an exporter may carry the variables too; it has no volume of the server's.
    by_image || by_command || by_variable
}
