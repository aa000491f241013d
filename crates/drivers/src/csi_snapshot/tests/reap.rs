//! Removing what was made on the way: ours, in order, and never what another made.

use refloat_core::driver::{Effect, Op, Patch};
use serde_json::{Value, json};

use super::scene::{Scene, own};

const GOING: &str = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted";
const CONTENT: &str = "VolumeSnapshotContent";

fn snapshot(scene: Scene, metadata: Value) -> Scene {
    let name = own();
    scene.with(
        "VolumeSnapshot",
        ("shop", &name),
        &json!({ "metadata": metadata }),
    )
}

/// The content that our snapshot made.
fn made(scene: Scene, policy: &str) -> Scene {
    let body = json!({ "spec": {
        "deletionPolicy": policy, "source": { "volumeHandle": "volume" },
        "volumeSnapshotRef": { "name": own(), "namespace": "shop" },
    } });
    scene.with(CONTENT, ("", "c"), &body)
}

fn told(scene: &Scene) -> String {
    scene.told(Op::Reap)
}

#[test]
fn what_is_ours_goes_in_its_order() {
    let mut scene = made(snapshot(Scene::empty(), json!({})), "Retain")
        .with_own("Job", &json!({}))
        .with_own("PersistentVolumeClaim", &json!({}))
        .with_own("VolumeSnapshot", &json!({}))
        .with_own(
            CONTENT,
            &json!({ "metadata": { "annotations": { GOING: "yes" } } }),
        );
    for (kind, namespace, line) in [
        (
            "Job",
            "refloat-system",
            "delete Job.batch refloat-system/OWN",
        ),
        (
            "PersistentVolumeClaim",
            "refloat-system",
            "delete PersistentVolumeClaim refloat-system/OWN",
        ),
        (
            "VolumeSnapshot",
            "refloat-system",
            "delete VolumeSnapshot.snapshot.storage.k8s.io refloat-system/OWN",
        ),
        (
            CONTENT,
            "",
            "delete VolumeSnapshotContent.snapshot.storage.k8s.io OWN",
        ),
    ] {
        assert_eq!(told(&scene), line);
        let key = (kind.to_owned(), namespace.to_owned(), own());
        scene.objects.remove(&key).unwrap();
    }
    let flip = "patch VolumeSnapshotContent.snapshot.storage.k8s.io c";
    assert_eq!(told(&scene), flip);
    let scene = made(scene, "Delete");
    assert_eq!(
        told(&scene),
        "delete VolumeSnapshot.snapshot.storage.k8s.io shop/OWN"
    );
    assert_eq!(told(&Scene::empty()), "done");
}

#[test]
fn every_deletion_is_of_the_very_object_that_was_seen() {
    let scenes = [
        Scene::empty().with_own("Job", &json!({})),
        Scene::empty().with_own("VolumeSnapshot", &json!({})),
        made(snapshot(Scene::empty(), json!({})), "Delete"),
    ];
    for scene in scenes {
        for effect in scene.effects(Op::Reap) {
            let Effect::Delete { precondition, .. } = effect else {
                panic!("no deletion: {effect:?}");
            };
            let uid = format!("uid of {}", own());
            assert_eq!(precondition.uid, Some(uid));
        }
    }
}

#[test]
fn the_content_that_our_snapshot_made_is_flipped_and_no_other() {
    let scene = made(snapshot(Scene::empty(), json!({})), "Retain");
    let effects = scene.effects(Op::Reap);
    let [
        Effect::Patch {
            object,
            patch: Patch::Merge(body),
            precondition,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("not one patch: {effects:?}");
    };
    assert_eq!(object.name, "c");
    assert_eq!(*body, json!({ "spec": { "deletionPolicy": "Delete" } }));
    assert_eq!(precondition.uid.as_deref(), Some("uid of c"));
}

#[test]
fn contents_that_our_snapshot_did_not_make_are_never_touched() {
    let reference = |namespace: &str, name: &str| json!({ "name": name, "namespace": namespace });
    let volume = json!({ "volumeHandle": "volume" });
    let foreign = [
        (
            "another snapshot's",
            reference("shop", "nightly"),
            volume.clone(),
        ),
        ("another namespace's", reference("other", &own()), volume),
        (
            "given by hand for a handle that is not ours",
            reference("shop", &own()),
            json!({ "snapshotHandle": "precious" }),
        ),
    ];
    for policy in ["Retain", "Delete"] {
        for (what, reference, source) in &foreign {
            let body = json!({ "spec": {
                "deletionPolicy": policy, "source": source, "volumeSnapshotRef": reference,
            } });
            let alone = Scene::empty().with(CONTENT, ("", "precious"), &body);
            assert_eq!(told(&alone), "done", "{what}, {policy}");
            let beside = snapshot(alone, json!({}));
            let line = "delete VolumeSnapshot.snapshot.storage.k8s.io shop/OWN";
            assert_eq!(told(&beside), line, "{what}, {policy}");
        }
    }
}

#[test]
fn an_object_in_our_place_that_is_not_ours_stops_us() {
    for kind in ["Job", "PersistentVolumeClaim", "VolumeSnapshot"] {
        for labels in [json!({}), json!({ "refloat.io/run": "run-2" })] {
            let name = own();
            let body = json!({ "metadata": { "labels": labels } });
            let scene = Scene::empty().with(kind, ("refloat-system", &name), &body);
            assert_eq!(told(&scene), "stuck: not-ours", "{kind} {labels}");
        }
    }
    let name = own();
    let scene = Scene::empty().with(CONTENT, ("", &name), &json!({}));
    assert_eq!(told(&scene), "stuck: not-ours");
}

#[test]
fn what_is_going_is_waited_for_and_a_snapshot_nudged() {
    let going = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
    let job = Scene::empty().with_own("Job", &json!({ "metadata": going }));
    assert_eq!(told(&job), "waits: being-deleted");
    let mut scene = made(snapshot(Scene::empty(), going), "Delete");
    assert_eq!(told(&scene), "waits: being-deleted");
    scene.now = "2026-01-01T00:00:10Z".parse().unwrap();
    assert_eq!(
        told(&scene),
        "patch VolumeSnapshot.snapshot.storage.k8s.io shop/OWN"
    );
}

#[test]
fn a_content_left_alone_is_told_that_its_snapshot_is_gone_before_it_goes() {
    let left = made(Scene::empty(), "Delete");
    let effects = left.effects(Op::Reap);
    let [
        Effect::Patch {
            patch: Patch::Merge(body),
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("not one patch: {effects:?}");
    };
    assert_eq!(body["metadata"]["annotations"][GOING], "yes");
    let mut told_so = left;
    let key = (CONTENT.to_owned(), String::new(), "c".to_owned());
    told_so.objects.get_mut(&key).unwrap()["metadata"]["annotations"] = json!({ GOING: "yes" });
    assert_eq!(
        told(&told_so),
        "delete VolumeSnapshotContent.snapshot.storage.k8s.io c"
    );
}

#[test]
fn a_recovery_removes_its_mover_and_looks_at_no_snapshot() {
    let mut scene = made(snapshot(Scene::empty(), json!({})), "Delete");
    scene
        .inputs
        .insert("direction".to_owned(), json!("restore"));
    assert_eq!(told(&scene), "done");
    let scene = scene
        .with_own("Job", &json!({}))
        .with_own("PersistentVolumeClaim", &json!({}));
    assert_eq!(told(&scene), "delete Job.batch refloat-system/OWN");
}
