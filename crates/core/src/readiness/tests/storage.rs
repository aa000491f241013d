//! Claims, volumes and classes.

use serde_json::{Value, json};

use super::{AWAY, DENIED, DENIED_SAYS, Scene, event};
use crate::driver::{ObjectRef, Query};
use crate::inventory::Resource;

const CLAIM: &str = "PersistentVolumeClaim";

fn class() -> ObjectRef {
    let resource = Resource::cluster("storage.k8s.io/v1", "StorageClass", "storageclasses");
    ObjectRef::cluster(resource, "fast")
}

fn volume() -> ObjectRef {
    let resource = Resource::cluster("v1", "PersistentVolume", "persistentvolumes");
    ObjectRef::cluster(resource, "pv-1")
}

fn claim(phase: &str, spec: &Value) -> Scene {
    let live = json!({
        "metadata": { "name": "data", "namespace": "shop", "uid": "u-data" },
        "spec": spec, "status": { "phase": phase },
    });
    Scene::of("v1", CLAIM, live)
}

fn pending() -> Scene {
    claim("Pending", &json!({ "storageClassName": "fast" }))
}

fn answer(mode: &str) -> Value {
    json!({ "provisioner": "csi.example.com", "volumeBindingMode": mode })
}

#[test]
fn a_claim_waits_for_its_volume() {
    for (phase, expected) in [
        ("Bound", "open"),
        ("Pending", "closed claim-unbound"),
        ("Lost", "failed claim-lost"),
        ("", "closed claim-unbound"),
    ] {
        assert_eq!(claim(phase, &json!({})).says(), expected, "{phase}");
    }
    let bound = || claim("Bound", &json!({ "volumeName": "pv-1" }));
    assert_eq!(bound().asks(), vec![Query::Object(volume())]);
    for (holder, expected) in [
        (json!({ "uid": "u-data" }), "open"),
        (json!({}), "open"),
        (json!({ "uid": "u-other" }), "failed claim-taken"),
    ] {
        let found = json!({ "spec": { "claimRef": holder } });
        assert_eq!(
            bound().object(volume(), Some(found)).says(),
            expected,
            "{holder}"
        );
    }
}

#[test]
fn a_claim_whose_class_waits_for_the_first_consumer_is_not_waited_for() {
    let first = || pending().object(class(), Some(answer("WaitForFirstConsumer")));
    assert_eq!(pending().asks(), vec![Query::Object(class())]);
    assert_eq!(first().says(), "open");
    let mut chosen = first();
    chosen.live["metadata"]["annotations"] = json!({ "volume.kubernetes.io/selected-node": "n" });
    assert_eq!(chosen.says(), "closed claim-unbound");
    assert_eq!(
        pending().object(class(), Some(answer("Immediate"))).says(),
        "closed claim-unbound"
    );
    let named = claim(
        "Pending",
        &json!({ "storageClassName": "fast", "volumeName": "pv-1" }),
    );
    let named = named.object(class(), Some(answer("WaitForFirstConsumer")));
    assert_eq!(named.says(), "closed claim-unbound");
}

#[test]
fn a_claim_that_cannot_be_bound_fails_early() {
    let missing = |seconds| pending().object(class(), None).after(seconds).says();
    assert_eq!(missing(59), "closed claim-unbound");
    assert_eq!(missing(60), "failed storage-class-missing");
    let immediate = || pending().object(class(), Some(answer("Immediate")));
    let nobody = |seconds| {
        immediate()
            .nodes(&["other"])
            .events(vec![])
            .after(seconds)
            .says()
    };
    assert_eq!(nobody(119), "closed claim-unbound");
    assert_eq!(nobody(120), "failed provisioner-missing");
    let there = immediate()
        .nodes(&["csi.example.com"])
        .events(vec![])
        .after(500);
    assert_eq!(there.says(), "closed claim-unbound");
    let of_claim = (CLAIM, "data", "u-data");
    let taken_up = event(
        of_claim,
        ("Normal", "Provisioning", "External provisioner is"),
        5,
    );
    let taken_up = immediate().nodes(&[]).events(vec![taken_up]).after(500);
    assert_eq!(taken_up.says(), "closed claim-unbound");
    let failing = |since, seconds| {
        let failed = event(
            of_claim,
            ("Warning", "ProvisioningFailed", "pool is full"),
            since,
        );
        let scene = immediate()
            .nodes(&["csi.example.com"])
            .events(vec![failed])
            .after(seconds);
        assert!(
            scene.message().contains("pool is full"),
            "{}",
            scene.message()
        );
        scene.says()
    };
    assert_eq!(failing(119, 500), "closed claim-unbound");
    assert_eq!(failing(500, 119), "closed claim-unbound");
    assert_eq!(failing(120, 120), "failed provisioning-failed");
}

#[test]
fn a_class_waits_a_moment_for_its_driver() {
    let snapshots = "snapshot.storage.k8s.io/v1";
    for (group_version, kind, field) in [
        ("storage.k8s.io/v1", "StorageClass", "provisioner"),
        (snapshots, "VolumeSnapshotClass", "driver"),
        (snapshots, "VolumeGroupSnapshotClass", "driver"),
    ] {
        let scene = || Scene::of(group_version, kind, json!({ field: "csi.example.com" }));
        assert_eq!(scene().asks().len(), 1, "{kind}");
        assert_eq!(scene().nodes(&["csi.example.com"]).says(), "open", "{kind}");
        assert_eq!(
            scene().nodes(&["other"]).says(),
            "closed driver-missing",
            "{kind}"
        );
        let later = scene().nodes(&[]).after(60);
        assert_eq!(later.says(), "assumed driver-missing", "{kind}");
    }
    let none = json!({ "provisioner": "kubernetes.io/no-provisioner" });
    let none = Scene::of("storage.k8s.io/v1", "StorageClass", none).nodes(&[]);
    assert_eq!(none.says(), "open");
}

/// What was not read is asked for again; what may not be read is not known, and nobody waits for it for ever.
#[test]
fn an_answer_that_did_not_come_opens_nothing() {
    let bound = || claim("Bound", &json!({ "volumeName": "pv-1" }));
    let of_volume = Query::Object(volume());
    let away = bound().refused(of_volume.clone(), AWAY).after(300);
    assert_eq!(away.says(), "closed unreachable");
    let denied = bound().refused(of_volume, DENIED);
    assert_eq!(denied.says_then(), DENIED_SAYS);

    let of_class = || Query::Object(class());
    let away = pending().refused(of_class(), AWAY).after(300);
    assert_eq!(away.says(), "closed unreachable");
    let denied = |seconds| pending().refused(of_class(), DENIED).after(seconds).says();
    assert_eq!(denied(59), "closed forbidden");
    assert_eq!(denied(60), "assumed forbidden");

    let live = json!({ "provisioner": "csi.example.com" });
    let fast = || Scene::of("storage.k8s.io/v1", "StorageClass", live.clone());
    let nodes = || fast().asks().remove(0);
    let away = fast().refused(nodes(), AWAY).after(300);
    assert_eq!(away.says(), "closed unreachable");
    let denied = fast().refused(nodes(), DENIED);
    assert_eq!(denied.says_then(), DENIED_SAYS);
}

/// A provisioner that is no CSI driver is on no node, and its events tell that it works.
#[test]
fn a_provisioner_of_which_nothing_was_read_is_not_taken_for_missing() {
    let immediate = || pending().object(class(), Some(answer("Immediate")));
    let events = || immediate().nodes(&[]).after(30).asks().remove(0);
    for how in [AWAY, DENIED] {
        let unread = immediate().nodes(&[]).refused(events(), how).after(200);
        assert_eq!(unread.says(), "closed claim-unbound");
    }
}

#[test]
fn a_volume_is_there_unless_it_failed() {
    for (phase, expected) in [
        ("Available", "open"),
        ("Bound", "open"),
        ("Released", "open"),
        ("Failed", "failed volume-failed"),
    ] {
        let live = json!({ "status": { "phase": phase, "message": "x" } });
        assert_eq!(Scene::of("v1", "PersistentVolume", live).says(), expected);
    }
}
