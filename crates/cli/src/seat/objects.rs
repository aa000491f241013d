//! Storing a protection's objects in the repository, and reading them back.

use bytes::Bytes;
use jiff::Timestamp;
use refloat_core::backup::{self, ObjectFile, PointContent};
use refloat_core::driver::{Class, Outcome, Problem};
use refloat_core::inventory::{Inventory, ThingId};
use refloat_mover::{
    Control, Labels, MoverEngine, ObjectLimits, PartError, PartReference, SaveRequest,
};
use refloat_vault::format::RepositorySecret;
use refloat_vault::store::Vault;
use refloat_world::{Cluster, InventoryScope};

use super::access::repository_engine;

/// Name of the objects' part in the repository.
const PART: &str = "objects";

/// A mover's error as a value.
pub(crate) fn part_problem(error: &PartError) -> Problem {
    let class = if error.is_transient() {
        Class::Retry
    } else {
        Class::Stuck
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    Problem::of(class, error.code(), message, error.hint())
}

fn worker_lost(error: &tokio::task::JoinError) -> Problem {
    let hint = "this is a defect of Refloat: please report it";
    Problem::of(Class::Bug, "worker-lost", error.to_string(), hint)
}

/// Lists the namespaces' things and the owned ones of the cluster, and stores them as read.
pub(super) async fn store(
    cluster: &Cluster,
    vault: &Vault,
    secret: &RepositorySecret,
    labels: Labels,
    namespaces: &[String],
    owned: &[ThingId],
) -> Result<Outcome, Problem> {
    let scope = InventoryScope {
        namespaces: namespaces.to_vec(),
    };
    let listed = Timestamp::now();
    let inventory = cluster.inventory(&scope).await?;
    if let Some(unread) = inventory.unread.first() {
        return Err(Problem::stuck(
            "inventory-incomplete",
            format!(
                "{} could not be read: {}",
                unread.resource.plural, unread.message
            ),
            "grant `get` and `list`, or repair the API",
        ));
    }
    let inside = |namespace: Option<&str>, id: &ThingId| {
        let namespace = namespace.or_else(|| id.is("", "Namespace").then_some(id.name.as_str()));
        namespace.is_some_and(|one| namespaces.iter().any(|known| known == one))
    };
    let things: Vec<_> = inventory
        .iter()
        .filter(|thing| {
            let id = thing.id();
            inside(thing.namespace(), &id) || owned.contains(&id)
        })
        .collect();
    let count = things.len() as u64;
    let files = backup::pack(things, &inventory.kubernetes_version)
        .into_iter()
        .map(|file| refloat_mover::ObjectFile {
            path: file.path,
            content: Bytes::from(file.bytes),
        })
        .collect();
    let engine = repository_engine(vault, secret);
    let request = SaveRequest {
        labels,
        time: listed,
    };
    let saved = tokio::task::spawn_blocking(move || {
        engine.save_objects(&request, files, &Control::default())
    })
    .await
    .map_err(|error| worker_lost(&error))?
    .map_err(|error| part_problem(&error))?;
    Ok(Outcome::default()
        .with("snapshot", saved.snapshot_id)
        .with("tree", saved.tree_id)
        .with("count", count)
        .with("listed", listed.to_string()))
}

/// The labels of the objects' part.
pub(super) fn labels(site: &str, protection: &str, run: &str) -> Labels {
    Labels {
        site: site.to_owned(),
        protection: protection.to_owned(),
        run: run.to_owned(),
        part: PART.to_owned(),
    }
}

/// Reads a point's objects back.
pub(crate) async fn read_point_objects(
    vault: &Vault,
    secret: &RepositorySecret,
    point: &PointContent,
) -> Result<Inventory, Problem> {
    let stored = point.objects.as_ref().ok_or_else(|| {
        Problem::stuck(
            "point-without-objects",
            "the point holds no objects",
            "take another point",
        )
    })?;
    let reference = PartReference {
        part: PART.to_owned(),
        snapshot_id: stored.snapshot.clone(),
        tree_id: stored.tree.clone(),
        amount: None,
    };
    let engine = repository_engine(vault, secret);
    let files = tokio::task::spawn_blocking(move || {
        engine.read_objects(&reference, &ObjectLimits::default(), &Control::default())
    })
    .await
    .map_err(|error| worker_lost(&error))?
    .map_err(|error| part_problem(&error))?;
    let files: Vec<ObjectFile> = files
        .into_iter()
        .map(|(path, content)| ObjectFile {
            path,
            bytes: content.to_vec(),
        })
        .collect();
    backup::unpack(&files).map_err(|error| {
        Problem::stuck(
            "objects-unusable",
            error.to_string(),
            "run `refloat vault check`, then take another point",
        )
    })
}
