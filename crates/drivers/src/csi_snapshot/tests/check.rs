//! Which volumes are claimed, and with which class each is cut.

use refloat_core::driver::{Driver, Op, Verdict};
use refloat_core::inventory::{Inventory, Resource, Thing};
use serde_json::{Value, json};

use super::scene::{DRIVER, Scene};
use crate::csi_snapshot::CsiSnapshot;

const DEFAULT: &str = "snapshot.storage.kubernetes.io/is-default-class";

fn bound() -> Scene {
    let claim = json!({ "status": { "phase": "Bound" } });
    Scene::empty().with("PersistentVolumeClaim", ("shop", "data-db-0"), &claim)
}

/// A class: name, driver, and whether it is the default one.
fn with_classes(classes: &[(&str, &str, bool)]) -> Scene {
    classes
        .iter()
        .fold(bound(), |scene, (name, driver, default)| {
            let mut body = json!({ "driver": driver });
            if *default {
                body["metadata"] = json!({ "annotations": { DEFAULT: "true" } });
            }
            scene.with("VolumeSnapshotClass", ("", name), &body)
        })
}

fn class_of(scene: &Scene) -> String {
    match scene.decide(Op::Check) {
        Verdict::Done(outcome) => outcome.text("snapshot_class").unwrap().to_owned(),
        Verdict::Stuck(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

type Case<'a> = (&'a [(&'a str, &'a str, bool)], Option<&'a str>, &'a str);

#[test]
fn exactly_one_class_is_taken_or_none() {
    let foreign = "ebs.csi.aws.com";
    let cases: &[Case<'_>] = &[
        (&[("a", DRIVER, false)], None, "a"),
        (&[("a", DRIVER, false), ("b", DRIVER, true)], None, "b"),
        (&[("a", DRIVER, true), ("b", foreign, true)], None, "a"),
        (&[("a", DRIVER, false), ("b", foreign, true)], None, "a"),
        (&[], None, "snapshot-class-missing"),
        (&[("b", foreign, true)], None, "snapshot-class-missing"),
        (
            &[("a", DRIVER, false), ("b", DRIVER, false)],
            None,
            "snapshot-class-ambiguous",
        ),
        (
            &[("a", DRIVER, true), ("b", DRIVER, true)],
            None,
            "snapshot-class-ambiguous",
        ),
        (&[("a", DRIVER, true), ("b", DRIVER, true)], Some("b"), "b"),
        (
            &[("a", DRIVER, true), ("b", foreign, false)],
            Some("b"),
            "snapshot-class-missing",
        ),
        (&[("a", DRIVER, true)], Some("c"), "snapshot-class-missing"),
    ];
    for (classes, wanted, expected) in cases {
        let mut scene = with_classes(classes);
        if let Some(wanted) = wanted {
            scene
                .inputs
                .insert("snapshot_class".to_owned(), json!(wanted));
        }
        assert_eq!(class_of(&scene), *expected, "{classes:?} {wanted:?}");
    }
}

#[test]
fn what_is_ambiguous_is_named() {
    let scene = with_classes(&[("fast", DRIVER, true), ("slow", DRIVER, true)]);
    let problem = scene.problem(Op::Check);
    assert!(problem.message.contains("fast, slow"), "{problem:?}");
    assert!(problem.hint.contains(DEFAULT), "{problem:?}");
    let scene = with_classes(&[("a", "ebs.csi.aws.com", true)]);
    let problem = scene.problem(Op::Check);
    assert!(problem.message.contains(DRIVER), "{problem:?}");
}

#[test]
fn a_claim_that_is_not_bound_or_gone_is_refused() {
    let gone = Scene::empty().problem(Op::Check);
    assert_eq!(gone.code, "volume-gone");
    for status in [
        json!({}),
        json!({ "phase": "Pending" }),
        json!({ "phase": "Lost" }),
    ] {
        let body = json!({ "status": status });
        let scene = with_classes(&[("a", DRIVER, true)]).with(
            "PersistentVolumeClaim",
            ("shop", "data-db-0"),
            &body,
        );
        assert_eq!(
            scene.problem(Op::Check).code,
            "volume-not-bound",
            "{status}"
        );
    }
}

fn claimed(
    spec: Value,
    class_of: Option<&str>,
    volume_of: Option<&str>,
) -> Option<(String, String)> {
    let thing = |resource: Resource, object: Value| Thing::new(resource, object).unwrap();
    let mut inventory = Inventory::default();
    if let Some(provisioner) = class_of {
        inventory.insert(thing(
            Resource::cluster("storage.k8s.io/v1", "StorageClass", "storageclasses"),
            json!({ "metadata": { "name": "fast" }, "provisioner": provisioner }),
        ));
    }
    if let Some(driver) = volume_of {
        inventory.insert(thing(
            Resource::cluster("v1", "PersistentVolume", "persistentvolumes"),
            json!({ "metadata": { "name": "pv-1" }, "spec": { "csi": { "driver": driver } } }),
        ));
    }
    let claim = thing(
        Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        json!({ "metadata": { "name": "data-db-0", "namespace": "shop" }, "spec": spec }),
    );
    let claim = CsiSnapshot.claim(&claim, &inventory)?;
    Some((
        claim.settings["csi_driver"].clone(),
        claim.settings["atomic"].clone(),
    ))
}

#[test]
fn volumes_of_csi_drivers_are_claimed_and_known_to_cut_at_one_moment_or_not() {
    let pair = |driver: &str, atomic: &str| Some((driver.to_owned(), atomic.to_owned()));
    let by_class = json!({ "storageClassName": "fast" });
    let by_volume = json!({ "storageClassName": "fast", "volumeName": "pv-1" });
    let block = json!({ "storageClassName": "fast", "volumeMode": "Block" });
    let own = Some(DRIVER);
    assert_eq!(claimed(by_class.clone(), own, None), pair(DRIVER, "true"));
    let nfs = "nfs.csi.k8s.io";
    assert_eq!(
        claimed(by_class.clone(), Some(nfs), None),
        pair(nfs, "false")
    );
    assert_eq!(
        claimed(by_volume.clone(), Some("other"), own),
        pair(DRIVER, "true")
    );
    assert_eq!(
        claimed(by_volume, own, None),
        pair(DRIVER, "true"),
        "its volume is not seen"
    );
    assert_eq!(claimed(block, own, None), None);
    assert_eq!(claimed(by_class.clone(), None, None), None, "no such class");
    let in_tree = Some("kubernetes.io/aws-ebs");
    assert_eq!(claimed(by_class, in_tree, None), None);
    assert_eq!(claimed(json!({}), own, None), None, "no class at all");
}
