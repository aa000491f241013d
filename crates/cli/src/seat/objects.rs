//! Storing a protection's objects in the repository, and reading them back.

use std::ops::ControlFlow;

use bytes::Bytes;
use jiff::Timestamp;
use refloat_core::backup::{self, ObjectFile, ObjectsError, PointContent, Unpack};
use refloat_core::driver::{Class, Outcome, Problem};
use refloat_core::inventory::{Inventory, ThingId, flux_order};
use refloat_mover::{
    Control, Labels, MoverEngine, ObjectLimits, PartError, PartReference, RusticEngine, SaveRequest,
};
use refloat_vault::format::RepositorySecret;
use refloat_vault::store::Vault;
use refloat_world::{Cluster, InventoryScope, PASSING_MAX};

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

/// What may be read a moment later is asked for again, within the step's limit; for the rest a person is needed at once.
fn incomplete(inventory: &Inventory) -> Result<(), Problem> {
    let unread = &inventory.unread;
    let lasting = unread.iter().find(|one| !one.passing);
    let Some(one) = lasting.or_else(|| unread.first()) else {
        return Ok(());
    };
    let class = if one.passing {
        Class::Retry
    } else {
        Class::Stuck
    };
    let hint = "grant `get` and `list`, or repair the API";
    Err(Problem::of(
        class,
        "inventory-incomplete",
        one.to_string(),
        hint,
    ))
}

/// Lists the namespaces' things and the owned ones of the cluster, and stores them as read, with what Flux says of their order.
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
    let mut inventory = cluster
        .patient_inventory(&scope, PASSING_MAX, |_| true, |_| ())
        .await?;
    incomplete(&inventory)?;
    let inside = |namespace: Option<&str>, id: &ThingId| {
        let namespace = namespace.or_else(|| id.is("", "Namespace").then_some(id.name.as_str()));
        namespace.is_some_and(|one| namespaces.iter().any(|known| known == one))
    };
    let kubernetes_version = std::mem::take(&mut inventory.kubernetes_version);
    let order = flux_order(&inventory, namespaces, owned);
    let things: Vec<_> = inventory
        .into_things()
        .filter(|thing| {
            let id = thing.id();
            inside(thing.namespace(), &id) || owned.contains(&id)
        })
        .chain(order)
        .collect();
    let count = things.len() as u64;
    // A thing is let go as soon as it is packed, and a file as soon as it is stored.
    let files = backup::pack(things, &kubernetes_version).map(|file| refloat_mover::ObjectFile {
        path: file.path,
        content: Bytes::from(file.bytes),
    });
    let engine = repository_engine(vault, secret);
    let request = SaveRequest {
        labels,
        time: listed,
    };
    let saved = tokio::task::spawn_blocking(move || {
        engine.save_objects(&request, Box::new(files), &Control::default())
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
    let read = tokio::task::spawn_blocking(move || read(&engine, &reference))
        .await
        .map_err(|error| worker_lost(&error))?
        .map_err(|error| part_problem(&error))?;
    read.map_err(|error| {
        Problem::stuck(
            "objects-unusable",
            error.to_string(),
            "run `refloat vault check`, then take another point",
        )
    })
}

/// Takes the stored files apart one by one; none is kept.
fn read(
    engine: &RusticEngine,
    reference: &PartReference,
) -> Result<Result<Inventory, ObjectsError>, PartError> {
    let mut unpack = Unpack::default();
    let mut taken = Ok(());
    let (limits, control) = (ObjectLimits::default(), Control::default());
    engine.read_objects(reference, &limits, &control, &mut |file| {
        taken = unpack.take(ObjectFile {
            path: file.path,
            bytes: file.content.into(),
        });
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    Ok(taken.and_then(|()| unpack.finish()))
}
