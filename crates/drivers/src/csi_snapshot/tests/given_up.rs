//! A recovery that is given up in the middle of a hand-over: the volume that was filled goes with its claim, or is whose it is by then, and
//! none stays that nobody has.

use refloat_core::driver::{Effect, Op, Outcome, Patch};
use serde_json::{Value, json};

use super::scene::{Scene, own};

const VOLUME: &str = "pvc-1";

/// A volume that was filled, which claim it names, and what stands between.
fn scene(remembers: Option<&str>, claim: &Value) -> Scene {
    let annotations = match remembers {
        Some(policy) => json!({ "refloat.io/reclaim-policy": policy }),
        None => json!({}),
    };
    let volume = json!({
        "metadata": { "annotations": annotations },
        "spec": { "persistentVolumeReclaimPolicy": "Retain", "claimRef": claim },
    });
    let mut scene = Scene::empty().with("PersistentVolume", ("", VOLUME), &volume);
    scene
        .inputs
        .insert("direction".to_owned(), json!("restore"));
    let filled = Outcome::default().with("volume", VOLUME);
    scene.prior.insert("fill shop/data-db-0".to_owned(), filled);
    scene
}

fn of_mover() -> Value {
    json!({ "namespace": "refloat-system", "name": own(), "uid": "old" })
}

fn of_target(uid: &Value) -> Value {
    json!({ "namespace": "shop", "name": "data-db-0", "uid": uid })
}

fn with_target(scene: Scene, volume: &str) -> Scene {
    let target = json!({ "spec": { "volumeName": volume } });
    scene.with("PersistentVolumeClaim", ("shop", "data-db-0"), &target)
}

/// The one patch that it leads to: its `spec`.
fn patched(scene: &Scene) -> Value {
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
    assert_eq!(object.name, VOLUME);
    assert!(precondition.resource_version.is_some(), "as it was read");
    let annotations = body["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations["refloat.io/reclaim-policy"], Value::Null);
    body["spec"].clone()
}

#[test]
fn the_policy_is_put_back_before_the_filled_claim_goes_and_after_its_mover() {
    let policy = json!({ "persistentVolumeReclaimPolicy": "Delete" });
    let scene = scene(Some("Delete"), &of_mover()).with_own("PersistentVolumeClaim", &json!({}));
    assert_eq!(patched(&scene), policy);
    let scene = scene.with_own("Job", &json!({}));
    let job = "delete Job.batch refloat-system/OWN";
    assert_eq!(scene.told(Op::Reap), job);
}

#[test]
fn a_volume_whose_claim_is_gone_gets_its_policy_back() {
    let policy = json!({ "persistentVolumeReclaimPolicy": "Delete" });
    for gone in [of_mover(), of_target(&json!("gone"))] {
        assert_eq!(patched(&scene(Some("Delete"), &gone)), policy, "{gone}");
    }
    let bound = scene(Some("Delete"), &of_target(&json!("uid of data-db-0")));
    assert_eq!(patched(&with_target(bound, VOLUME)), policy);
}

#[test]
fn one_that_waits_for_the_target_is_released_so_that_no_later_claim_finds_it() {
    let waiting = |remembers| scene(remembers, &of_target(&Value::Null));
    let others = with_target(waiting(Some("Delete")), "pvc-2");
    for scene in [waiting(Some("Delete")), waiting(None), others] {
        let claim = &patched(&scene)["claimRef"];
        assert_eq!(claim["namespace"], "refloat-system");
        assert_eq!(claim["name"], json!(own()));
        assert_eq!(claim["uid"], "uid of pvc-1", "no claim has it");
    }
    // The claim that names it has it.
    let spec = patched(&with_target(waiting(Some("Delete")), VOLUME));
    let uid = json!({ "uid": "uid of data-db-0" });
    assert_eq!(spec["claimRef"], uid);
    assert_eq!(spec["persistentVolumeReclaimPolicy"], "Delete");
}

#[test]
fn what_was_not_begun_or_has_ended_is_left_alone() {
    let claim = "delete PersistentVolumeClaim refloat-system/OWN";
    let scene = scene(None, &of_mover()).with_own("PersistentVolumeClaim", &json!({}));
    assert_eq!(scene.told(Op::Reap), claim, "the hand-over had not begun");
    let mut ended = self::scene(Some("Delete"), &of_target(&Value::Null));
    let done = Outcome::default()
        .with("volume", VOLUME)
        .with("claim", "shop/data-db-0");
    ended.prior.insert("hand over".to_owned(), done);
    assert_eq!(ended.told(Op::Reap), "done");
    let mut gone = self::scene(Some("Delete"), &of_mover());
    gone.objects.clear();
    assert_eq!(gone.told(Op::Reap), "done");
}
