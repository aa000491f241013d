//! Volumes of before, of others, and of classes that wait (`velero#5141`, `#2519`, `#1418`, `#1039`, `#3816`, `#4428`, `#2570`, `#7862`,
//! `#5010`, and Velero's unreleased 9903).

use refloat_core::drive::Drive;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::{Inventory, Thing};
use refloat_core::json::Json;
use refloat_testkit::sim::{SimWorld, Store, resource};
use serde_json::{Value, json};

use super::{planned, put, recovered, recovery, sealed_with, target_with};
use crate::driving::leftovers;
use crate::recovery::{COMPLETED, sealed};

/// The volume of the shop's claim at the source.
const DATA: &str = "7000000000000000001";

fn volume(name: &str, more: &Value, phase: &str) -> Value {
    let mut spec = json!({
        "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "btrfs",
        "capacity": { "storage": "2Gi" }, "accessModes": ["ReadWriteOnce"],
        "csi": { "driver": "btrfs.csi.refloat.io", "volumeHandle": name },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({
        "labels": { "mine": "yes" }, "annotations": { "sim.refloat.io/data": "somebody-elses" },
        "spec": spec, "status": { "phase": phase },
    })
}

/// The claim of the shop and the volume that it is bound to, both ways.
fn bound<'a>(inventory: &'a Inventory, namespace: &str) -> (&'a Thing, &'a Thing) {
    let claim = inventory
        .find("", "PersistentVolumeClaim", namespace, "data-db-0")
        .unwrap();
    assert_eq!(claim.text("/status/phase"), Some("Bound"));
    let name = claim.text("/spec/volumeName").unwrap();
    let volume = inventory
        .of_kind("", "PersistentVolume")
        .find(|volume| volume.name() == name)
        .unwrap();
    assert_eq!(volume.text("/spec/claimRef/uid"), Some(claim.uid()));
    assert_eq!(volume.text("/spec/claimRef/namespace"), Some(namespace));
    assert_eq!(volume.annotation("sim.refloat.io/data"), Some(DATA));
    (claim, volume)
}

fn named(world: &SimWorld, name: &str) -> Option<Value> {
    let place = ObjectRef::cluster(resource("PersistentVolume"), name);
    world.with_store(|store| store.get(&place).cloned())
}

/// The volume that the source's claim had, by its very name: kept when the claim was deleted, released, of no use to a new claim.
fn retained(store: &mut Store, name: &str) {
    let before = json!({ "claimRef": {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data-db-0",
        "uid": "of-before",
    } });
    put(
        store,
        "PersistentVolume",
        name,
        volume(name, &before, "Released"),
    );
}

#[test]
fn a_retained_volume_of_before_is_neither_waited_for_nor_touched() {
    let sealed = sealed();
    let old = sealed.point.parts[0].claim["spec"]["volumeName"]
        .as_str()
        .unwrap()
        .to_owned();
    let world = target_with(|store| retained(store, &old));
    let before = named(&world, &old).unwrap();
    let recovery = recovered(&sealed, world);
    assert_eq!(recovery.drive(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    let inventory = recovery.world.inventory();
    let (claim, volume) = bound(&inventory, "shop");
    assert_ne!(volume.name(), old);
    assert_eq!(named(&recovery.world, &old), Some(before));
    assert_eq!(inventory.of_kind("", "PersistentVolume").count(), 2);
    assert_eq!(claim.annotation("volume.kubernetes.io/selected-node"), None);
}

#[test]
fn a_class_that_waits_for_its_first_pod_and_retains_is_filled_and_stays_retained() {
    let world = target_with(|store| {
        let class = ObjectRef::cluster(resource("StorageClass"), "btrfs");
        let waits =
            json!({ "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain" });
        store.change(&class, &waits);
    });
    let recovery = recovered(&sealed(), world);
    assert_eq!(recovery.drive(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    let inventory = recovery.world.inventory();
    let (_, volume) = bound(&inventory, "shop");
    let policy = volume.text("/spec/persistentVolumeReclaimPolicy");
    assert_eq!(policy, Some("Retain"));
}

/// A binder takes any free volume that fits, so the claim that is filled may get one with somebody's data on it.
#[test]
fn another_namespaces_data_is_never_restored_over_nor_handed_over() {
    let world = target_with(|store| {
        put(
            store,
            "PersistentVolume",
            "theirs",
            volume("theirs", &json!({}), "Available"),
        );
    });
    let recovery = recovered(&sealed(), world);
    let Ok(Drive::Stuck(problem)) = recovery.drive() else {
        panic!("it went on over somebody's data");
    };
    assert_eq!(problem.code, "mover-target-not-empty");
    for word in ["theirs", "refloat-system/", "Retain"] {
        let told = problem.message.contains(word) || problem.hint.contains(word);
        assert!(told, "{word}: {problem:?}");
    }
    let theirs = named(&recovery.world, "theirs").unwrap();
    assert_eq!(
        theirs["metadata"]["annotations"]["sim.refloat.io/data"],
        "somebody-elses"
    );
    assert_eq!(theirs["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(
        recovery.object("StatefulSet", "db"),
        None,
        "before its data"
    );
    // As the hint says: its Job and its claim are deleted, and the next volume is a fresh one.
    recovery.world.with_store(|store| {
        let ours: Vec<ObjectRef> = store
            .iter()
            .filter(|(one, _)| one.namespace.as_deref() == Some("refloat-system"))
            .filter(|(one, _)| {
                matches!(one.resource.kind.as_str(), "Job" | "PersistentVolumeClaim")
            })
            .map(|(one, _)| one.clone())
            .collect();
        assert_eq!(ours.len(), 2, "{ours:?}");
        for one in ours {
            store.remove(&one);
        }
    });
    recovery.world.settle(5);
    assert_eq!(recovery.resume(), COMPLETED);
    let inventory = recovery.world.inventory();
    let (_, volume) = bound(&inventory, "shop");
    assert_ne!(volume.name(), "theirs");
    let theirs = named(&recovery.world, "theirs").unwrap();
    assert_eq!(
        theirs["metadata"]["annotations"]["sim.refloat.io/data"],
        "somebody-elses"
    );
}

/// While a volume goes from hand to hand it is meant for the claim that it was filled for: no other claim can have it.
#[test]
fn a_filled_volume_is_never_free_for_another_claim() {
    let world = target_with(|store| {
        put(store, "Namespace", "other", json!({}));
    });
    let recovery = recovered(&sealed(), world);
    let history = || recovery.world.history.borrow().clone();
    let ends = (1..100).any(|place| {
        recovery
            .world
            .plan_fault(Some(refloat_testkit::sim::Fault::CrashAfter(place)));
        let ended = recovery.resume_faulty();
        recovery.world.settle(3);
        for volume in recovery.world.inventory().of_kind("", "PersistentVolume") {
            let free = volume.at("/spec/claimRef").is_none_or(Json::is_null);
            assert!(!free, "{} is free: {:?}", volume.name(), history());
        }
        ended == COMPLETED
    });
    assert!(ends, "it does not end: {:?}", history());
    bound(&recovery.world.inventory(), "shop");
}

/// A claim that goes with its StatefulSet is owned by it: under its old owner's uid it would be collected at once, under the new one's it
/// goes with it again.
#[test]
fn a_claim_that_its_stateful_set_owns_comes_back_and_is_not_collected() {
    let sealed = sealed_with(|store| {
        let set = ObjectRef::namespaced(resource("StatefulSet"), "shop", "db");
        let uid = store.get(&set).unwrap()["metadata"]["uid"].clone();
        let claim = ObjectRef::namespaced(resource("PersistentVolumeClaim"), "shop", "data-db-0");
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": uid }]);
        store.change(&claim, &json!({ "metadata": { "ownerReferences": owner } }));
    });
    assert!(sealed.point.parts[0].claim["metadata"]["ownerReferences"].is_array());
    let recovery = recovered(&sealed, target_with(|_| ()));
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(20);
    let inventory = recovery.world.inventory();
    let (claim, _) = bound(&inventory, "shop");
    let set = inventory.find("apps", "StatefulSet", "shop", "db").unwrap();
    let owners = claim.list("/metadata/ownerReferences");
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(owners[0]["uid"], set.uid(), "{owners:?}");
}

/// The labels of a volume are its provisioner's; neither the source's come over them nor are they taken away.
#[test]
fn the_labels_of_a_volume_stay_its_provisioners() {
    let sealed = sealed_with(|store| {
        let volumes: Vec<ObjectRef> = store
            .iter()
            .filter(|(one, _)| one.resource.kind == "PersistentVolume")
            .map(|(one, _)| one.clone())
            .collect();
        for one in volumes {
            let zone = json!({ "metadata": { "labels": { "topology.kubernetes.io/zone": "a" } } });
            store.change(&one, &zone);
        }
    });
    let recovery = recovered(&sealed, target_with(|_| ()));
    assert_eq!(recovery.drive(), COMPLETED);
    let inventory = recovery.world.inventory();
    let (_, volume) = bound(&inventory, "shop");
    assert_eq!(volume.label("topology.kubernetes.io/zone"), None);
    assert_eq!(volume.annotation("refloat.io/reclaim-policy"), None);
}

#[test]
fn under_another_namespace_the_volume_is_bound_to_the_claim_there() {
    let world = target_with(|_| ());
    let planned = planned(&sealed(), &world, |goal| {
        let drill = ("shop".to_owned(), "shop-drill".to_owned());
        goal.mappings.namespaces.extend([drill]);
    });
    let (recovery, _) = recovery(world, planned);
    assert_eq!(recovery.drive(), COMPLETED);
    bound(&recovery.world.inventory(), "shop-drill");
}
