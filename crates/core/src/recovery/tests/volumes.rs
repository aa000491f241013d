//! What a rollback does with the volume of a claim: whatever volume the claim has at its turn.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{Answer, Effect, ObjectRef, Patch, Query, Seen, Verdict};
use crate::inventory::Resource;
use crate::names::RunId;
use crate::plan::{Changed, RollbackGoal, rollback, rollback_look};
use crate::readiness::Clock;
use crate::recovery::{Data, Removing, Retaining};
use crate::run::{Progress, RunPlan, Work};

fn claim() -> ObjectRef {
    let claims = Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims");
    ObjectRef::namespaced(claims, "shop", "data")
}

fn volume() -> ObjectRef {
    let volumes = Resource::cluster("v1", "PersistentVolume", "persistentvolumes");
    ObjectRef::cluster(volumes, "pv-1")
}

/// The claim, bound or not.
fn live(bound: bool) -> Value {
    let mut live = json!({ "metadata": {
        "name": "data", "namespace": "shop", "uid": "ours", "resourceVersion": "3",
        "annotations": { "refloat.io/recovery": "restore-1" },
    }, "spec": {} });
    if bound {
        live["spec"]["volumeName"] = json!("pv-1");
    }
    live
}

fn bound_volume(policy: &str, remembers: Option<&str>) -> Value {
    json!({
        "metadata": {
            "name": "pv-1", "uid": "pv", "resourceVersion": "1",
            "annotations": { "refloat.io/reclaim-policy": remembers },
        },
        "spec": { "persistentVolumeReclaimPolicy": policy, "claimRef": { "uid": "ours" } },
    })
}

fn removing(data: Option<Data>) -> Removing {
    Removing {
        object: claim(),
        uid: "ours".to_owned(),
        recovery: RunId::new("restore-1").unwrap(),
        keeps: None,
        data,
        inside: Vec::new(),
    }
}

fn seen(objects: &[(ObjectRef, Value)]) -> Seen {
    let mut seen = Seen::default();
    for (object, live) in objects {
        let answer = Answer::Object(Some(live.clone()));
        seen.insert(Query::Object(object.clone()), answer);
    }
    seen
}

fn decide(removing: &Removing, objects: &[(ObjectRef, Value)]) -> Verdict {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let waited = Duration::ZERO;
    removing.decide(&seen(objects), Clock { now, waited })
}

/// The one patch of the volume.
fn patched(verdict: Verdict) -> Value {
    let Verdict::Act(effects) = verdict else {
        panic!("it does not act: {verdict:?}");
    };
    let [
        Effect::Patch {
            object,
            patch: Patch::Merge(body),
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("not one patch: {effects:?}");
    };
    assert_eq!(*object, volume());
    body.clone()
}

fn is_deletion(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Act(effects) if matches!(effects[..], [Effect::Delete { .. }]))
}

#[test]
fn a_claim_that_was_bound_since_keeps_its_volume_too() {
    let keeps = removing(Some(Data::Keep));
    let there = [(claim(), live(true))];
    let looks = Verdict::Look(vec![Query::Object(volume())]);
    assert_eq!(decide(&keeps, &there), looks);
    let [claim_live] = there;
    let with = |policy| [claim_live.clone(), (volume(), bound_volume(policy, None))];
    let body = patched(decide(&keeps, &with("Delete")));
    assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert!(is_deletion(&decide(&keeps, &with("Retain"))));
}

#[test]
fn a_claim_that_is_bound_while_it_is_deleted_is_looked_at_once_more() {
    let unbound = [(claim(), live(false))];
    let version = |data| {
        let Verdict::Act(effects) = decide(&removing(data), &unbound) else {
            panic!("it does not act");
        };
        let [Effect::Delete { precondition, .. }] = effects.as_slice() else {
            panic!("{effects:?}");
        };
        assert_eq!(precondition.uid.as_deref(), Some("ours"));
        precondition.resource_version.clone()
    };
    assert_eq!(version(Some(Data::Keep)).as_deref(), Some("3"));
    assert_eq!(version(Some(Data::Remove)), None);
    assert_eq!(version(None), None, "of a plan of an earlier version");
}

#[test]
fn with_its_data_a_volume_gets_the_policy_back_that_it_remembers() {
    let removes = removing(Some(Data::Remove));
    let with = |remembers| {
        let volume_live = bound_volume("Retain", remembers);
        [(claim(), live(true)), (volume(), volume_live)]
    };
    let body = patched(decide(&removes, &with(Some("Delete"))));
    assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    let annotations = body["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations["refloat.io/reclaim-policy"], Value::Null);
    assert!(is_deletion(&decide(&removes, &with(None))));
    let mut others = with(Some("Delete"));
    others[1].1["spec"]["claimRef"]["uid"] = json!("another's");
    assert!(is_deletion(&decide(&removes, &others)));
}

#[test]
fn volumes_of_claims_that_had_none_are_kept_before_anything_goes() {
    let retaining = Retaining {
        volumes: Vec::new(),
        claims: vec![(claim(), "ours".to_owned())],
        recovery: RunId::new("restore-1").unwrap(),
    };
    assert_eq!(retaining.look(), [Query::Object(claim())]);
    let unbound = retaining.decide(&seen(&[(claim(), live(false))]));
    assert!(matches!(unbound, Verdict::Done(_)), "{unbound:?}");
    let bound = (claim(), live(true));
    let looks = Verdict::Look(vec![Query::Object(volume())]);
    assert_eq!(retaining.decide(&seen(std::slice::from_ref(&bound))), looks);
    let with = |policy| seen(&[bound.clone(), (volume(), bound_volume(policy, None))]);
    let body = patched(retaining.decide(&with("Delete")));
    assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    let Verdict::Done(outcome) = retaining.decide(&with("Retain")) else {
        panic!("it is not done");
    };
    assert_eq!(outcome.text("kept"), Some("pv-1"));
    let mut others = live(true);
    others["metadata"]["uid"] = json!("another's");
    let others = retaining.decide(&seen(&[(claim(), others)]));
    assert_eq!(others, unbound, "its volume is none of ours");
}

/// A recovery that wrote one claim.
fn recovery() -> (RunPlan, Progress) {
    let step = json!({
        "id": "write claim", "phase": "storage", "title": "write", "needs": [], "limit_seconds": 600,
        "work": {
            "work": "write", "resource": claim().resource, "existing": "fail", "adopt": false,
            "owner": { "manager": "helm", "apply": false },
            "object": { "metadata": { "name": "data", "namespace": "shop" } },
        },
    });
    let plan = json!({
        "kind": "restore", "run": "restore-1", "protection": "shop", "site": "secondary",
        "point": "shop/1", "mover_image": "image", "steps": [step],
    });
    let at = "2026-01-01T00:00:00Z";
    let create = ["create PersistentVolumeClaim shop/data"];
    let records: Vec<crate::run::Record> = serde_json::from_value(json!([
        { "record": "intent", "at": at, "step": "write claim", "effects": create },
        { "record": "created", "at": at, "step": "write claim", "uid": "ours" },
    ]))
    .unwrap();
    (
        serde_json::from_value(plan).unwrap(),
        Progress::of(&records),
    )
}

#[test]
fn every_volume_that_is_kept_is_kept_first_whether_its_claim_has_an_owner_or_a_volume_yet() {
    let (plan, progress) = recovery();
    let planned = |data, live: Value| {
        let mut seen = Seen::default();
        for query in rollback_look(&plan) {
            seen.insert(query, Answer::Object(Some(live.clone())));
        }
        let goal = RollbackGoal {
            run: RunId::new("rollback-1").unwrap(),
            site: plan.site.clone(),
            changed: Changed::Refuse,
            data,
        };
        let planned = rollback(&plan, &progress, &seen, &[], &goal).unwrap();
        planned.plan.steps
    };
    for bound in [true, false] {
        let steps = planned(Data::Keep, live(bound));
        let [keep, remove] = steps.as_slice() else {
            panic!("{steps:?}");
        };
        let Work::Retain(retaining) = &keep.work else {
            panic!("{keep:?}");
        };
        let uid = || "ours".to_owned();
        if bound {
            assert_eq!(retaining.volumes, [(volume(), uid())]);
            assert_eq!(retaining.claims, []);
        } else {
            assert_eq!(retaining.volumes, []);
            assert_eq!(retaining.claims, [(claim(), uid())]);
        }
        assert!(remove.needs.iter().any(|edge| edge.on == keep.id));
    }
    assert_eq!(planned(Data::Remove, live(true)).len(), 1);
}

#[test]
fn what_plans_of_rollbacks_say_of_claims_is_read_for_ever() {
    let object = serde_json::to_value(claim()).unwrap();
    let before = json!({
        "object": object, "uid": "ours", "recovery": "restore-1", "keeps": volume(),
    });
    let read: Removing = serde_json::from_value(before.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), before);
    // It is kept as it was then, whatever the claim says.
    let there = [
        (claim(), live(false)),
        (volume(), bound_volume("Delete", None)),
    ];
    let body = patched(decide(&read, &there));
    assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    let mut now = before;
    now["data"] = json!("keep");
    let read: Removing = serde_json::from_value(now.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), now);
    let before = json!({ "volumes": [[volume(), "ours"]], "recovery": "restore-1" });
    let read: Retaining = serde_json::from_value(before.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), before);
}
