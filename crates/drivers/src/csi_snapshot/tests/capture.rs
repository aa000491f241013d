//! The cut and its exposure to the mover.

use refloat_core::driver::{Effect, Op, Outcome, Verdict};
use serde_json::{Value, json};

use super::scene::{DRIVER, Scene, own, own_content};

/// Our snapshot in the user's namespace.
fn snapshot(status: Value) -> Scene {
    let name = own();
    Scene::empty().with(
        "VolumeSnapshot",
        ("shop", &name),
        &json!({ "status": status }),
    )
}

/// The content that belongs to it.
fn content(policy: &str, status: Value) -> Value {
    json!({
        "spec": {
            "driver": DRIVER, "deletionPolicy": policy, "source": { "volumeHandle": "volume" },
            "volumeSnapshotRef": {
                "name": own(), "namespace": "shop", "uid": format!("uid of {}", own()),
            },
        },
        "status": status,
    })
}

fn cut() -> Value {
    json!({ "snapshotHandle": "handle", "creationTime": 1_767_225_600_000_000_001_i64 })
}

fn waits(scene: &Scene) -> String {
    match scene.decide(Op::Capture) {
        Verdict::Wait(why) => {
            assert_eq!(why.code, "waiting-for-cut");
            why.message
        }
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn the_snapshot_is_made_with_the_class_that_was_found() {
    let mut scene = Scene::empty();
    let found = Outcome::default().with("snapshot_class", "fast");
    scene.prior.insert("check".to_owned(), found);
    let effects = scene.effects(Op::Capture);
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("not one create: {effects:?}");
    };
    assert_eq!(object["spec"]["volumeSnapshotClassName"], "fast");
    assert_eq!(
        object["spec"]["source"]["persistentVolumeClaimName"],
        "data-db-0"
    );
    assert_eq!(object["metadata"]["namespace"], "shop");
    assert_eq!(object["metadata"]["labels"]["refloat.io/run"], "run-1");
}

#[test]
fn a_cut_that_does_not_come_is_waited_for_with_the_drivers_own_words() {
    assert!(waits(&snapshot(json!({}))).contains("no content yet"));
    let refused = json!({ "error": { "message": "quota exceeded" } });
    assert!(waits(&snapshot(refused.clone())).contains("quota exceeded"));
    let half = [
        json!({}),
        json!({ "snapshotHandle": "handle" }),
        json!({ "creationTime": 1 }),
    ];
    for status in half {
        let scene = snapshot(json!({})).with(
            "VolumeSnapshotContent",
            ("", &own_content()),
            &content("Delete", status),
        );
        assert!(waits(&scene).contains("has not cut it yet"));
    }
    let broken = content("Delete", json!({ "error": { "message": "pool is full" } }));
    let scene = snapshot(refused).with("VolumeSnapshotContent", ("", &own_content()), &broken);
    let said = waits(&scene);
    assert!(said.contains("pool is full"), "the nearer word: {said}");
}

#[test]
fn a_cut_is_known_by_handle_and_time() {
    let scene = snapshot(json!({})).with(
        "VolumeSnapshotContent",
        ("", &own_content()),
        &content("Delete", cut()),
    );
    let Verdict::Done(outcome) = scene.decide(Op::Capture) else {
        panic!("it is cut");
    };
    assert_eq!(outcome.text("cut"), Some("2026-01-01T00:00:00.000000001Z"));
    assert_eq!(outcome.text("snapshot_handle"), Some("handle"));
    assert_eq!(outcome.text("content"), Some(own_content().as_str()));
}

#[test]
fn a_content_of_anothers_snapshot_is_not_taken_for_ours() {
    let mut foreign = content("Delete", cut());
    foreign["spec"]["volumeSnapshotRef"]["uid"] = json!("another");
    let scene = snapshot(json!({})).with("VolumeSnapshotContent", ("", &own_content()), &foreign);
    assert_eq!(scene.problem(Op::Capture).code, "snapshot-binding");
    let mut elsewhere = content("Delete", cut());
    elsewhere["spec"]["volumeSnapshotRef"]["namespace"] = json!("other");
    let scene = snapshot(json!({})).with("VolumeSnapshotContent", ("", "another"), &elsewhere);
    assert!(waits(&scene).contains("no content yet"));
}

#[test]
fn an_exposure_goes_on_from_whatever_is_there() {
    let claim = json!({
        "spec": { "storageClassName": "btrfs" }, "status": { "capacity": { "storage": "2Gi" } },
    });
    let lost = snapshot(json!({})).with("PersistentVolumeClaim", ("shop", "data-db-0"), &claim);
    assert_eq!(lost.told(Op::Expose), "stuck: cut-lost");
    let was_cut = lost.clone().with(
        "VolumeSnapshotContent",
        ("", "c"),
        &content("Delete", cut()),
    );
    assert_eq!(
        was_cut.told(Op::Expose),
        "patch VolumeSnapshotContent.snapshot.storage.k8s.io c"
    );
    let kept = lost.clone().with(
        "VolumeSnapshotContent",
        ("", "c"),
        &content("Retain", cut()),
    );
    assert_eq!(
        kept.told(Op::Expose),
        "create VolumeSnapshotContent OWN, create VolumeSnapshot refloat-system/OWN"
    );
    let handle = json!({ "spec": { "source": { "snapshotHandle": "handle" } } });
    let half = kept.with_own("VolumeSnapshotContent", &handle);
    assert_eq!(
        half.told(Op::Expose),
        "create VolumeSnapshot refloat-system/OWN"
    );
    let waiting = half.clone().with_own("VolumeSnapshot", &json!({}));
    assert_eq!(waiting.told(Op::Expose), "waits: snapshot-not-ready");
    let ready = half.with_own(
        "VolumeSnapshot",
        &json!({ "status": { "readyToUse": true } }),
    );
    let effects = ready.effects(Op::Expose);
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("not one create: {effects:?}");
    };
    assert_eq!(object["kind"], "PersistentVolumeClaim");
    assert_eq!(object["spec"]["resources"]["requests"]["storage"], "2Gi");
    let exposed = ready.with_own("PersistentVolumeClaim", &json!({}));
    assert_eq!(exposed.told(Op::Expose), "done");
}

#[test]
fn the_second_content_never_takes_the_cut_with_it() {
    let claim = json!({ "spec": { "storageClassName": "btrfs" } });
    let scene = snapshot(json!({}))
        .with("PersistentVolumeClaim", ("shop", "data-db-0"), &claim)
        .with(
            "VolumeSnapshotContent",
            ("", "c"),
            &content("Retain", cut()),
        );
    let effects = scene.effects(Op::Expose);
    let Effect::Create { object, .. } = &effects[0] else {
        panic!("it makes nothing: {effects:?}");
    };
    assert_eq!(object["spec"]["deletionPolicy"], "Retain");
    assert_eq!(
        object["spec"]["source"],
        json!({ "snapshotHandle": "handle" })
    );
}
