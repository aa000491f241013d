//! Claims and volumes: provisioning, binding, protection, release, and what lies on a volume.

use crate::sim::look::Look as _;
use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, has_finalizer, is_going, list, release, snapshots, text};
use crate::sim::server::resource;

/// Annotation of a simulated volume: what lies on it.
pub(in crate::sim) const DATA: &str = "sim.refloat.io/data";
/// How long the binder sleeps on a lost race, unless the claim is touched.
const RESYNC: SignedDuration = SignedDuration::from_secs(15);
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

pub(in crate::sim) fn volume_of(store: &Store, claim: &ObjectRef) -> Option<ObjectRef> {
    let name = text(store.get(claim)?, "/spec/volumeName")?;
    Some(ObjectRef::cluster(resource("PersistentVolume"), name))
}

/// Whether a claim must stay: a pod that has a node mounts it; one that has ended protects it, too.
fn is_protected(store: &Store, claim: &ObjectRef) -> bool {
    let pods = mounting(store, claim);
    pods.iter().any(|pod| text(pod, "/spec/nodeName").is_some())
}

/// Pods that mount a claim.
fn mounting(store: &Store, claim: &ObjectRef) -> Vec<std::sync::Arc<Value>> {
    store
        .seen_of(&resource("Pod"))
        .into_iter()
        .filter(|(pod, live)| {
            pod.namespace == claim.namespace
                && list(live, "/spec/volumes").any(|volume| {
                    text(volume, "/persistentVolumeClaim/claimName") == Some(&claim.name)
                })
        })
        .map(|(_, live)| live)
        .collect()
}

fn claim_of(volume: &Value) -> Option<ObjectRef> {
    Some(ObjectRef::namespaced(
        resource("PersistentVolumeClaim"),
        text(volume, "/spec/claimRef/namespace")?,
        text(volume, "/spec/claimRef/name")?,
    ))
}

/// Whether the claim that a volume is bound to is there.
fn is_claimed(store: &Store, volume: &Value) -> bool {
    claim_of(volume)
        .and_then(|claim| store.seen(&claim))
        .is_some_and(|live| text(live, "/metadata/uid") == text(volume, "/spec/claimRef/uid"))
}

/// A volume: available, bound, released, and gone as its policy says.
pub(super) fn volume(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let bound_to = text(object, "/spec/claimRef/uid");
    if is_going(object) {
        if !is_claimed(store, object) {
            release(store, reference, object, &[VOLUME_PROTECTION]);
        }
        return;
    }
    let phase = text(object, "/status/phase").unwrap_or("Pending");
    let tell = |store: &mut Store, new: &str| {
        if phase != new {
            store.write(reference, object, json!({ "status": { "phase": new } }));
        }
    };
    match bound_to {
        Some(_) if is_claimed(store, object) => {}
        Some(_) if text(object, "/spec/persistentVolumeReclaimPolicy") == Some("Delete") => {
            store.discard(reference, object);
        }
        Some(_) => tell(store, "Released"),
        None => tell(store, "Available"),
    }
}

/// Binds a claim to the volume that it names, or to a fresh one; lets one go that no pod mounts.
pub(super) fn claim(store: &mut Store, reference: &ObjectRef, object: &Value, now: Timestamp) {
    if is_going(object) {
        if has_finalizer(object, CLAIM_PROTECTION) && !is_protected(store, reference) {
            release(store, reference, object, &[CLAIM_PROTECTION]);
        }
        return;
    }
    if text(object, "/status/phase") == Some("Bound") || sleeps(store, object, now) {
        return;
    }
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let name = match text(object, "/spec/volumeName") {
        Some(name) => name.to_owned(),
        None => match provision(store, reference, object) {
            Some(name) => name,
            None => return,
        },
    };
    let volume = ObjectRef::cluster(resource("PersistentVolume"), &name);
    let Some(live) = store.get(&volume).cloned() else {
        return;
    };
    let theirs = text(&live, "/spec/claimRef/uid");
    if claim_of(&live).as_ref() != Some(reference) || theirs.is_some_and(|theirs| theirs != uid) {
        return;
    }
    let patch = json!({ "spec": { "claimRef": { "uid": uid } }, "status": { "phase": "Bound" } });
    if !store.write(&volume, &live, patch).is_success() {
        return;
    }
    let capacity = object.at("/spec/resources/requests/storage").cloned();
    let bound = json!({
        "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
        "spec": { "volumeName": name },
        "status": {
            "phase": "Bound", "capacity": { "storage": capacity },
            "accessModes": object.at("/spec/accessModes"),
        },
    });
    if store.write(reference, object, bound).is_success() {
        let news = format!("bound {} to {name}", reference.id());
        store.news.push(news);
    }
}

/// Whether the binder has lost a race for a claim: it looks again after its resync, or when the claim is touched.
fn sleeps(store: &mut Store, object: &Value, now: Timestamp) -> bool {
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    let version = text(object, "/metadata/resourceVersion").unwrap_or_default();
    if let Some((since, at)) = store.sleeping.get(uid) {
        let woken = at != version || now.duration_since(*since) >= RESYNC;
        return !woken;
    }
    if store.lost_races == 0 || object.at("/spec/volumeName").is_none() {
        return false;
    }
    store.lost_races -= 1;
    let race = (now, version.to_owned());
    store.sleeping.insert(uid.to_owned(), race);
    true
}

/// A fresh volume of the claim's class, empty or with what a snapshot holds.
fn provision(store: &mut Store, reference: &ObjectRef, object: &Value) -> Option<String> {
    let class = ObjectRef::cluster(
        resource("StorageClass"),
        text(object, "/spec/storageClassName")?,
    );
    let live = store.seen(&class)?;
    let driver = text(live, "/provisioner")?.to_owned();
    let policy = text(live, "/reclaimPolicy").unwrap_or("Delete").to_owned();
    let waits = text(live, "/volumeBindingMode") == Some("WaitForFirstConsumer");
    if waits && !is_selected(store, reference, object) {
        return None;
    }
    if let Some(name) = waiting(store, reference, object) {
        return Some(name);
    }
    let name = format!("pvc-{}", text(object, "/metadata/uid")?);
    let place = ObjectRef::cluster(resource("PersistentVolume"), &name);
    if store.get(&place).is_some() {
        return Some(name);
    }
    let mut annotations = json!({ "pv.kubernetes.io/provisioned-by": driver });
    if let Some(snapshot) = text(object, "/spec/dataSource/name") {
        annotations[DATA] = json!(snapshots::data(store, reference, snapshot)?);
    }
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": name, "annotations": annotations },
        "spec": {
            "persistentVolumeReclaimPolicy": policy,
            "capacity": { "storage": object.at("/spec/resources/requests/storage") },
            "accessModes": object.at("/spec/accessModes"),
            "storageClassName": class.name,
            "csi": { "driver": driver, "volumeHandle": name },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": reference.namespace, "name": reference.name,
                "uid": object.at("/metadata/uid"),
            },
        },
    });
    store
        .make(&place.resource, volume)
        .is_success()
        .then_some(name)
}

/// A volume that is there and fits, before a fresh one is made: one that is meant for the claim, else one that is nobody's.
fn waiting(store: &mut Store, reference: &ObjectRef, object: &Value) -> Option<String> {
    let fits = |volume: &Value| {
        let same = |of_volume: &str, of_claim: &str| volume.at(of_volume) == object.at(of_claim);
        !is_going(volume)
            && same("/spec/storageClassName", "/spec/storageClassName")
            && same("/spec/capacity/storage", "/spec/resources/requests/storage")
            && same("/spec/accessModes", "/spec/accessModes")
    };
    let volumes = store.seen_of(&resource("PersistentVolume"));
    let meant = |volume: &Value| {
        claim_of(volume).as_ref() == Some(reference) && volume.at("/spec/claimRef/uid").is_none()
    };
    if let Some((place, _)) = volumes.iter().find(|(_, one)| fits(one) && meant(one)) {
        return Some(place.name.clone());
    }
    let nobodys = |volume: &Value| {
        volume.at("/spec/claimRef").is_none() && text(volume, "/status/phase") == Some("Available")
    };
    let (place, live) = volumes.iter().find(|(_, one)| fits(one) && nobodys(one))?;
    let theirs = json!({ "spec": { "claimRef": {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": reference.namespace, "name": reference.name,
    } } });
    let taken = store.write(place, live, theirs).is_success();
    taken.then(|| place.name.clone())
}

/// Whether a node was chosen for a claim that waits for its first pod; the scheduler chooses one once a pod wants it.
fn is_selected(store: &mut Store, reference: &ObjectRef, object: &Value) -> bool {
    const SELECTED: &str = "volume.kubernetes.io/selected-node";
    let chosen = object
        .at("/metadata/annotations")
        .is_some_and(|all| all.get(SELECTED).is_some());
    if !chosen && !mounting(store, reference).is_empty() {
        let patch = json!({ "metadata": { "annotations": { SELECTED: "node-1" } } });
        store.write(reference, object, patch);
    }
    chosen
}
