//! Gates of claims, volumes and classes: bound, or ready to be bound by the first pod that wants it.

use std::collections::BTreeMap;

use super::events;
use super::reading::{list, text};
use super::{FORBIDDEN, Gate, View};
use crate::driver::{ListRequest, ObjectRef, Problem, Query};
use crate::inventory::Resource;

/// Seconds within which a class may still come.
const CLASS_SECONDS: u32 = 60;
/// Seconds for which provisioning may fail, and within which a CSI driver may still come.
const PROVISIONING_SECONDS: u32 = 120;

/// What each node says about the CSI drivers on it.
fn nodes() -> ListRequest {
    ListRequest {
        resource: Resource::cluster("storage.k8s.io/v1", "CSINode", "csinodes"),
        namespace: None,
        labels: BTreeMap::new(),
    }
}

pub(super) fn nodes_query() -> Query {
    Query::List(nodes())
}

/// Whether some node has this CSI driver.
fn is_on_a_node(view: &View<'_>, driver: &str) -> Result<bool, Problem> {
    let nodes = view.seen.list(&nodes())?;
    Ok(nodes.iter().any(|node| {
        list(node, "/spec/drivers")
            .iter()
            .any(|one| text(one, "/name") == Some(driver))
    }))
}

fn class_of(view: &View<'_>) -> Option<ObjectRef> {
    let name = view
        .text("/spec/storageClassName")
        .filter(|name| !name.is_empty())?;
    let resource = Resource::cluster("storage.k8s.io/v1", "StorageClass", "storageclasses");
    Some(ObjectRef::cluster(resource, name))
}

fn volume_of(view: &View<'_>) -> Option<ObjectRef> {
    let name = view
        .text("/spec/volumeName")
        .filter(|name| !name.is_empty())?;
    let resource = Resource::cluster("v1", "PersistentVolume", "persistentvolumes");
    Some(ObjectRef::cluster(resource, name))
}

pub(super) fn claim_needs(view: &View<'_>) -> Vec<Query> {
    volume_of(view)
        .or_else(|| class_of(view))
        .map(Query::Object)
        .into_iter()
        .collect()
}

/// Bound, and its volume says the same; or waiting for the first pod that wants it, as its class says.
pub(super) fn claim(view: &View<'_>) -> Gate {
    match view.text("/status/phase") {
        Some("Bound") => bound(view),
        Some("Lost") => view.failed(
            "claim-lost",
            "it has lost its volume",
            "look for its PersistentVolume; if it is gone, delete the claim and run the same command again",
        ),
        Some(_) | None => unbound(view),
    }
}

fn bound(view: &View<'_>) -> Gate {
    let volume = match volume_of(view).map(|volume| view.seen.object(&volume)) {
        Some(Ok(found)) => found,
        Some(Err(problem)) => return Gate::unread(view.clock, problem),
        None => None,
    };
    let holder = volume.and_then(|volume| text(volume, "/spec/claimRef/uid"));
    match (holder, view.text("/metadata/uid")) {
        (Some(holder), Some(uid)) if holder != uid => view.failed(
            "claim-taken",
            "its volume is bound to another claim",
            "look at the `claimRef` of its PersistentVolume: two claims name one volume",
        ),
        (Some(_) | None, Some(_) | None) => Gate::Open,
    }
}

fn unbound(view: &View<'_>) -> Gate {
    let takes = "a volume is bound to it";
    let phase = view.text("/status/phase").unwrap_or("no phase");
    let message = format!("it is not bound ({phase})");
    let Some(class) = class_of(view).filter(|_| volume_of(view).is_none()) else {
        return view.closed("claim-unbound", &message, takes);
    };
    let found = match view.seen.object(&class) {
        Ok(Some(found)) => found,
        Ok(None) if view.clock.is_past(CLASS_SECONDS) => {
            return view.failed(
                "storage-class-missing",
                &format!("there is no StorageClass {}", class.name),
                "create it, then run the same command again; to map it to one of this cluster with `--map-storage-class`, take the recovery back first (`refloat rollback`) and recover anew",
            );
        }
        Ok(None) => {
            let message = format!("{message}: there is no StorageClass {}", class.name);
            return view.closed("claim-unbound", &message, "its StorageClass is there");
        }
        // It may be one that waits for the first consumer.
        Err(problem) if problem.code == FORBIDDEN => {
            let gate = Gate::closed(&problem.code, problem.message, problem.hint);
            return gate.or_assumed(view.clock, CLASS_SECONDS);
        }
        Err(problem) => return Gate::unread(view.clock, problem),
    };
    let selected = "/metadata/annotations/volume.kubernetes.io~1selected-node";
    let by_consumer = text(found, "/volumeBindingMode") == Some("WaitForFirstConsumer");
    if by_consumer && view.text(selected).is_none() {
        // Its consumers wait for this gate: to wait for them here would be to wait for ever.
        return Gate::Open;
    }
    provisioning(
        view,
        text(found, "/provisioner").unwrap_or_default(),
        &message,
    )
}

/// A provisioner is at work, or ought to be.
fn provisioning(view: &View<'_>, provisioner: &str, message: &str) -> Gate {
    let news = events::own(view);
    if let Some(failed) = events::trouble(&news)
        .filter(|one| one.reason == "ProvisioningFailed")
        .filter(|one| view.clock.has_lasted(one.first, PROVISIONING_SECONDS))
    {
        return view.failed(
            "provisioning-failed",
            &format!("{message}: {}", failed.words()),
            "see to the storage or its class, then run the same command again",
        );
    }
    // Who is not known to do nothing may be at work.
    let nobody = is_on_a_node(view, provisioner) == Ok(false)
        && events::are_read(view)
        && !news.iter().any(|one| one.reason == "Provisioning")
        && !provisioner.starts_with("kubernetes.io/");
    if nobody && view.clock.is_past(PROVISIONING_SECONDS) {
        return view.failed(
            "provisioner-missing",
            &format!("{message}: nothing has taken it up, and no node has the CSI driver {provisioner}"),
            "install the driver, then run the same command again; to map the class to another with `--map-storage-class`, take the recovery back first (`refloat rollback`) and recover anew",
        );
    }
    view.closed(
        "claim-unbound",
        message,
        &format!("{provisioner} makes a volume for it"),
    )
}

/// A volume that is not failed: its claim's gate says the rest.
pub(super) fn volume(view: &View<'_>) -> Gate {
    if view.text("/status/phase") == Some("Failed") {
        let words = view.text("/status/message").unwrap_or_default();
        return view.failed(
            "volume-failed",
            &format!("its reclamation has failed: {words}"),
            "see to the storage, then run the same command again",
        );
    }
    Gate::Open
}

pub(super) fn storage_class(view: &View<'_>) -> Gate {
    class(view, "/provisioner")
}

pub(super) fn snapshot_class(view: &View<'_>) -> Gate {
    class(view, "/driver")
}

/// A class whose CSI driver is on some node. A provisioner that is on none may be no CSI driver, and its class may be used by
/// nobody: then it is assumed to work.
fn class(view: &View<'_>, pointer: &str) -> Gate {
    let driver = view.text(pointer).unwrap_or_default();
    if driver.starts_with("kubernetes.io/") {
        return Gate::Open;
    }
    match is_on_a_node(view, driver) {
        Ok(true) => Gate::Open,
        Err(problem) => Gate::unread(view.clock, problem),
        Ok(false) => view
            .closed(
                "driver-missing",
                &format!("no node has the CSI driver {driver}"),
                "the driver is installed and registered on a node",
            )
            .or_assumed(view.clock, CLASS_SECONDS),
    }
}
