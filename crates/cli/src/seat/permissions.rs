//! Are the credentials allowed to do what a run will do? Asked before anything is changed.

use refloat_core::names::SYSTEM_NAMESPACE;
use refloat_core::run::RunKind;
use refloat_drivers::CATALOGUE;
use refloat_world::{Cluster, Need, missing_permissions_problem};

use crate::failure::Failure;

fn need(group: &str, resource: &str, verbs: &[&str], namespace: Option<&str>) -> Need {
    Need {
        group: group.to_owned(),
        resource: resource.to_owned(),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        namespace: namespace.map(str::to_owned),
    }
}

/// What a rollback needs: it makes nothing, and keeps volumes.
async fn check_removal(cluster: &Cluster, namespaces: &[String]) -> Result<(), Failure> {
    let mut needs = vec![
        need("", "namespaces", &["get", "delete"], None),
        need("", "persistentvolumes", &["get", "patch"], None),
    ];
    for namespace in namespaces {
        needs.push(need("*", "*", &["get", "list", "delete"], Some(namespace)));
    }
    refuse_missing(cluster, &needs).await
}

async fn refuse_missing(cluster: &Cluster, needs: &[Need]) -> Result<(), Failure> {
    let missing = cluster.missing_permissions(needs).await?;
    match missing_permissions_problem(&missing) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

/// Refuses when a permission is missing, with the rules to add. A recovery writes whatever kinds the point holds, so it is
/// asked for everything in the namespaces.
pub(crate) async fn check_permissions(
    cluster: &Cluster,
    kind: RunKind,
    namespaces: &[String],
) -> Result<(), Failure> {
    if kind == RunKind::Rollback {
        return check_removal(cluster, namespaces).await;
    }
    let system = Some(SYSTEM_NAMESPACE);
    let mut needs = vec![
        need("", "namespaces", &["get", "list", "create"], None),
        need("", "secrets", &["get", "create", "delete"], system),
        need("", "pods", &["get", "list"], system),
        need("", "pods/log", &["get"], system),
        need("", "events", &["list"], system),
        need("batch", "jobs", &["get", "create", "delete"], system),
    ];
    for permission in CATALOGUE
        .iter()
        .flat_map(|driver| driver.facts().permissions)
    {
        needs.push(need(
            permission.group,
            permission.resource,
            permission.verbs,
            None,
        ));
    }
    for namespace in namespaces {
        let verbs: &[&str] = match kind {
            RunKind::Backup => &["get", "list"],
            RunKind::Restore | RunKind::Rollback => &["get", "list", "create", "patch"],
        };
        needs.push(need("*", "*", verbs, Some(namespace)));
    }
    refuse_missing(cluster, &needs).await
}
