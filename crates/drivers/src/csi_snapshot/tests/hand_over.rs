//! Handing a filled volume over, from every state between any two of its steps.

use refloat_core::driver::{Effect, Op, Outcome, Patch, Precondition};
use refloat_core::json::Json;
use refloat_core::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY};
use refloat_core::recovery::digest;
use serde_json::{Value, json};

use super::scene::{Scene, own};

const VOLUME: &str = "pvc-1";

/// How far the volume, the mover's job, its claim and the target are.
#[derive(Clone, Copy)]
struct State {
    policy: &'static str,
    job: &'static str,
    filled: &'static str,
    /// Whose claim the volume names: the mover's, `old`; the target, `new`; one of the target's name that was bound and is gone, `gone`.
    names: &'static str,
    target: &'static str,
}

const GOING: &str = "2026-01-01T00:00:00Z";

fn scene(state: State) -> Scene {
    let (namespace, name) = match state.names {
        "old" => ("refloat-system", own()),
        _ => ("shop", "data-db-0".to_owned()),
    };
    let uid = match (state.names, state.target) {
        ("old" | "gone", _) => json!("old"),
        (_, "bound") => json!("uid of data-db-0"),
        _ => Value::Null,
    };
    let volume = json!({
        "metadata": { "annotations": { "refloat.io/reclaim-policy": "Delete" } },
        "spec": {
            "persistentVolumeReclaimPolicy": state.policy,
            "claimRef": { "namespace": namespace, "name": name, "uid": uid },
        },
        "status": { "phase": if state.names == "gone" { "Released" } else { "Bound" } },
    });
    let mut scene = Scene::empty();
    for (kind, how) in [("Job", state.job), ("PersistentVolumeClaim", state.filled)] {
        scene = match how {
            "there" => scene.with_own(kind, &json!({})),
            "going" => scene.with_own(kind, &json!({ "metadata": { "deletionTimestamp": GOING } })),
            _ => scene,
        };
    }
    let ours = json!({ "refloat.io/recovery": "run-1" });
    let target = match state.target {
        "pending" => Some(json!({ "metadata": { "annotations": ours } })),
        "bound" => {
            Some(json!({ "metadata": { "annotations": ours }, "status": { "phase": "Bound" } }))
        }
        "foreign" => Some(json!({ "status": { "phase": "Bound" } })),
        _ => None,
    };
    if let Some(target) = target {
        scene = scene.with("PersistentVolumeClaim", ("shop", "data-db-0"), &target);
    }
    let filled = Outcome::default().with("volume", VOLUME);
    scene.prior.insert("fill shop/data-db-0".to_owned(), filled);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data-db-0", "namespace": "shop", "labels": { "app": "db" } },
        "spec": { "accessModes": ["ReadWriteOnce"] },
    });
    scene.inputs.insert("claim".to_owned(), claim);
    scene.with("PersistentVolume", ("", VOLUME), &volume)
}

fn state(
    policy: &'static str,
    job: &'static str,
    filled: &'static str,
    names: &'static str,
    target: &'static str,
) -> State {
    State {
        policy,
        job,
        filled,
        names,
        target,
    }
}

#[test]
fn every_state_leads_to_the_next() {
    let patch = "patch PersistentVolume pvc-1";
    let cases = [
        (state("Delete", "there", "there", "old", "none"), patch),
        (state("Delete", "none", "there", "old", "none"), patch),
        (
            state("Retain", "there", "there", "old", "none"),
            "delete Job.batch refloat-system/OWN",
        ),
        (
            state("Retain", "going", "there", "old", "none"),
            "waits: mover-going",
        ),
        (
            state("Retain", "none", "there", "old", "none"),
            "delete PersistentVolumeClaim refloat-system/OWN",
        ),
        (
            state("Retain", "none", "going", "old", "none"),
            "waits: claim-releasing",
        ),
        (state("Retain", "none", "none", "old", "none"), patch),
        (
            state("Retain", "none", "none", "new", "none"),
            "create PersistentVolumeClaim shop/data-db-0",
        ),
        (
            state("Retain", "none", "none", "new", "pending"),
            "waits: claim-binding",
        ),
        (state("Retain", "none", "none", "new", "bound"), patch),
        (state("Delete", "none", "none", "new", "bound"), patch),
    ];
    for (number, (state, wanted)) in cases.into_iter().enumerate() {
        assert_eq!(scene(state).told(Op::Restore), wanted, "case {number}");
    }
}

#[test]
fn the_claim_says_which_recovery_made_it_and_of_which_content() {
    let scene = scene(state("Retain", "none", "none", "new", "none"));
    let effects = scene.effects(Op::Restore);
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("not one creation: {effects:?}");
    };
    assert_eq!(object["spec"]["volumeName"], VOLUME);
    let annotations = &object["metadata"]["annotations"];
    assert!(annotations[ANNOTATION_RECOVERY].is_string(), "{object}");
    let planned = Json::from(scene.inputs["claim"].clone());
    assert_eq!(annotations[ANNOTATION_DIGEST], digest(&planned));
}

#[test]
fn it_is_done_once_the_policy_is_back() {
    let mut scene = scene(state("Delete", "none", "none", "new", "bound"));
    let annotations = &mut scene.objects.get_mut(&volume()).unwrap()["metadata"]["annotations"];
    *annotations = json!({});
    assert_eq!(scene.told(Op::Restore), "done");
}

#[test]
fn a_foreign_claim_is_refused_from_every_state_and_nothing_is_let_go() {
    for (policy, job, filled, names) in [
        ("Delete", "there", "there", "old"),
        ("Retain", "there", "there", "old"),
        ("Retain", "none", "there", "old"),
        ("Retain", "none", "none", "old"),
        ("Retain", "none", "none", "new"),
    ] {
        let scene = scene(state(policy, job, filled, names, "foreign"));
        assert_eq!(scene.told(Op::Restore), "stuck: already-exists");
    }
}

#[test]
fn a_target_that_was_bound_and_that_somebody_deleted_is_made_anew_and_bound() {
    for target in ["none", "pending"] {
        let gone = state("Retain", "none", "none", "gone", target);
        let (body, precondition) = patch(gone);
        let claim = &body["spec"]["claimRef"];
        assert_eq!(claim["name"], "data-db-0", "{target}");
        assert!(claim.as_object().unwrap().contains_key("uid"), "{target}");
        assert_eq!(claim["uid"], Value::Null, "{target}");
        assert!(precondition.resource_version.is_some(), "{target}");
        // As long as the cluster does not say that the claim is gone, the look may be older than the claim.
        let mut bound = scene(gone);
        bound.objects.get_mut(&volume()).unwrap()["status"]["phase"] = json!("Bound");
        assert_eq!(bound.told(Op::Restore), "waits: volume-releasing");
    }
}

fn volume() -> (String, String, String) {
    (
        "PersistentVolume".to_owned(),
        String::new(),
        VOLUME.to_owned(),
    )
}

/// The one patch that a state leads to.
fn patch(state: State) -> (Value, Precondition) {
    let effects = scene(state).effects(Op::Restore);
    match effects.as_slice() {
        [
            Effect::Patch {
                patch: Patch::Merge(body),
                precondition,
                ..
            },
        ] => (body.clone(), precondition.clone()),
        other => panic!("not one patch: {other:?}"),
    }
}

#[test]
fn the_volume_is_kept_before_its_claim_goes_and_its_old_policy_is_remembered() {
    let (body, precondition) = patch(state("Delete", "there", "there", "old", "none"));
    assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    let annotations = &body["metadata"]["annotations"];
    assert_eq!(annotations["refloat.io/reclaim-policy"], "Delete");
    assert_eq!(precondition.uid.as_deref(), Some("uid of pvc-1"));
    assert!(
        precondition.resource_version.is_some(),
        "a volume whose policy was put back meanwhile keeps it"
    );
}

#[test]
fn the_volume_is_pointed_at_its_new_claim_without_the_old_ones_uid() {
    let (body, precondition) = patch(state("Retain", "none", "none", "old", "none"));
    let claim = &body["spec"]["claimRef"];
    assert_eq!(
        (&claim["namespace"], &claim["name"]),
        (&json!("shop"), &json!("data-db-0"))
    );
    assert_eq!(claim["uid"], Value::Null);
    let held = claim.as_object().unwrap().contains_key("uid");
    assert!(held, "a null removes, an absent key would keep");
    assert_eq!(
        precondition.resource_version.as_deref(),
        Some("9"),
        "as it was read"
    );
}

#[test]
fn the_policy_is_put_back_as_it_was() {
    for policy in ["Delete", "Retain"] {
        let (body, _) = patch(state(policy, "none", "none", "new", "bound"));
        assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Delete");
        let annotations = body["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations["refloat.io/reclaim-policy"], Value::Null);
    }
}

#[test]
fn the_new_claim_names_the_volume_and_keeps_its_own_labels() {
    let effects = scene(state("Retain", "none", "none", "new", "none")).effects(Op::Restore);
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("not one create: {effects:?}");
    };
    assert_eq!(object["spec"]["volumeName"], VOLUME);
    assert_eq!(object["metadata"]["labels"]["app"], "db");
    assert_eq!(
        object["metadata"]["annotations"]["refloat.io/recovery"],
        "run-1"
    );
}

#[test]
fn a_binder_that_sleeps_is_nudged_but_not_at_every_look() {
    let pending = || scene(state("Retain", "none", "none", "new", "pending"));
    let nudge = "patch PersistentVolumeClaim shop/data-db-0";
    let mut late = pending();
    late.now = "2026-01-01T00:00:05Z".parse().unwrap();
    assert_eq!(late.told(Op::Restore), nudge);
    let key = (
        "PersistentVolumeClaim".to_owned(),
        "shop".to_owned(),
        "data-db-0".to_owned(),
    );
    let annotations = &mut late.objects.get_mut(&key).unwrap()["metadata"]["annotations"];
    annotations["refloat.io/nudged"] = json!("2026-01-01T00:00:04.5Z");
    assert_eq!(late.told(Op::Restore), "waits: claim-binding");
    // A binder that lags would lose its own write to nudges that come as fast as it reads.
    for (now, told) in [
        ("2026-01-01T00:00:08Z", "waits: claim-binding"),
        ("2026-01-01T00:00:09.5Z", nudge),
        ("2025-12-31T23:00:00Z", "waits: claim-binding"),
    ] {
        late.now = now.parse().unwrap();
        assert_eq!(late.told(Op::Restore), told, "{now}");
    }
}

#[test]
fn a_lost_volume_is_never_replaced_by_an_empty_one() {
    let mut gone = scene(state("Retain", "none", "none", "new", "none"));
    gone.objects.remove(&volume());
    let problem = gone.problem(Op::Restore);
    assert_eq!(problem.code, "volume-gone");
    // The journal says that it is filled: the same run would never fill another.
    assert!(problem.hint.contains("rollback --run run-1"), "{problem:?}");
    let mut unfilled = scene(state("Retain", "none", "none", "new", "none"));
    unfilled.prior.clear();
    let problem = unfilled.problem(Op::Restore);
    assert_eq!(problem.code, "fill-missing");
    assert!(problem.hint.contains("rollback --run run-1"), "{problem:?}");
}
