//! What one step of a rollback does with the object that it was planned for, and with any other.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{
    Answer, Effect, ListRequest, ObjectRef, Outcome, Patch, Problem, Query, Seen, Verdict,
};
use crate::inventory::{Resource, Thing};
use crate::names::RunId;
use crate::readiness::Clock;
use crate::recovery::{Removing, contents};

fn maps() -> Resource {
    Resource::namespaced("v1", "ConfigMap", "configmaps")
}

fn claims() -> Resource {
    Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
}

fn removing(object: ObjectRef) -> Removing {
    Removing {
        object,
        uid: "ours".to_owned(),
        recovery: RunId::new("restore-1").unwrap(),
        keeps: None,
        data: None,
        inside: Vec::new(),
    }
}

fn map() -> Removing {
    removing(ObjectRef::namespaced(maps(), "shop", "web"))
}

#[expect(clippy::unnecessary_wraps, reason = "as an answer holds it")]
fn live(change: impl FnOnce(&mut Value)) -> Option<Value> {
    let mut live = json!({ "metadata": {
        "name": "web", "namespace": "shop", "uid": "ours", "resourceVersion": "3",
        "annotations": { "refloat.io/recovery": "restore-1" },
    } });
    change(&mut live);
    Some(live)
}

fn decide_after(removing: &Removing, seconds: u64, answers: &[(Query, Answer)]) -> Verdict {
    let mut seen = Seen::default();
    for (query, answer) in answers {
        seen.insert(query.clone(), answer.clone());
    }
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let waited = Duration::from_secs(seconds);
    removing.decide(&seen, Clock { now, waited })
}

fn decide(removing: &Removing, live: Option<Value>) -> Verdict {
    let query = Query::Object(removing.object.clone());
    decide_after(removing, 0, &[(query, Answer::Object(live))])
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Done(outcome) => outcome,
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn just_the_object_that_was_created_is_deleted() {
    let Verdict::Act(effects) = decide(&map(), live(|_| ())) else {
        panic!("it does not act");
    };
    let Effect::Delete { precondition, .. } = &effects[0] else {
        panic!("{effects:?}");
    };
    assert_eq!(precondition.uid.as_deref(), Some("ours"));
    assert!(outcome(decide(&map(), None)).facts.contains_key("removed"));
    let others = [
        live(|it| it["metadata"]["uid"] = json!("another")),
        live(|it| it["metadata"]["annotations"] = json!({})),
        live(|it| it["metadata"]["annotations"]["refloat.io/recovery"] = json!("restore-2")),
    ];
    for other in others {
        let said = outcome(decide(&map(), other.clone()));
        assert!(said.text("left").is_some(), "{other:?}");
    }
}

#[test]
fn what_holds_an_object_back_is_named() {
    let held = live(|it| {
        it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        it["metadata"]["finalizers"] = json!(["example.com/holds"]);
    });
    let Verdict::Wait(why) = decide(&map(), held) else {
        panic!("it does not wait");
    };
    assert!(why.message.contains("example.com/holds"), "{why:?}");
}

fn namespace(objects: Vec<Value>, seconds: u64) -> Verdict {
    let resource = Resource::cluster("v1", "Namespace", "namespaces");
    let mut removing = removing(ObjectRef::cluster(resource, "shop"));
    let list = ListRequest {
        resource: maps(),
        namespace: Some("shop".to_owned()),
        labels: std::collections::BTreeMap::new(),
    };
    removing.inside = vec![list.clone()];
    let own = (
        Query::Object(removing.object.clone()),
        Answer::Object(live(|_| ())),
    );
    assert_eq!(
        decide_after(&removing, 0, std::slice::from_ref(&own)),
        Verdict::Look(vec![Query::List(list.clone())])
    );
    decide_after(
        &removing,
        seconds,
        &[own, (Query::List(list), Answer::List(objects))],
    )
}

fn inner(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({ "metadata": { "name": name, "namespace": "shop", "uid": name } });
    change(&mut object);
    object
}

#[test]
fn a_namespace_goes_only_when_nothing_of_others_is_in_it() {
    let ca = || inner("kube-root-ca.crt", |_| ());
    assert!(matches!(namespace(vec![ca()], 0), Verdict::Act(_)));
    let of_istio = inner("istio-ca-root-cert", |_| ());
    assert!(matches!(namespace(vec![of_istio], 0), Verdict::Act(_)));
    let said = outcome(namespace(vec![ca(), inner("mine", |_| ())], 0));
    let left = said.text("left").unwrap();
    assert!(left.contains("ConfigMap shop/mine"), "{left}");
    assert!(!left.contains("kube-root-ca"), "{left}");
    let orphan = || {
        inner("made", |it| {
            it["metadata"]["ownerReferences"] = json!([{ "uid": "gone" }]);
        })
    };
    let waits = matches!(namespace(vec![orphan()], 0), Verdict::Wait(_));
    assert!(waits, "it will be collected");
    let said = outcome(namespace(vec![orphan()], 121));
    assert!(
        said.text("left").unwrap().contains("shop/made"),
        "it was not"
    );
    let child = inner("child", |it| {
        it["metadata"]["ownerReferences"] = json!([{ "uid": "mine" }]);
    });
    let said = outcome(namespace(vec![inner("mine", |_| ()), child], 0));
    assert!(
        !said.text("left").unwrap().contains("child"),
        "its owner is named"
    );
}

#[test]
fn a_list_that_is_refused_never_counts_as_empty() {
    let resource = Resource::cluster("v1", "Namespace", "namespaces");
    let mut removing = removing(ObjectRef::cluster(resource, "shop"));
    let list = ListRequest {
        resource: maps(),
        namespace: Some("shop".to_owned()),
        labels: std::collections::BTreeMap::new(),
    };
    removing.inside = vec![list.clone()];
    let refused = Problem::stuck("forbidden", "may not list", "grant it");
    let verdict = decide_after(
        &removing,
        0,
        &[
            (
                Query::Object(removing.object.clone()),
                Answer::Object(live(|_| ())),
            ),
            (Query::List(list), Answer::Refused(refused.clone())),
        ],
    );
    assert_eq!(verdict, Verdict::Stuck(refused));
}

#[test]
fn a_volume_is_told_to_stay_before_its_claim_goes() {
    let mut removing = removing(ObjectRef::namespaced(claims(), "shop", "web"));
    let volumes = Resource::cluster("v1", "PersistentVolume", "persistentvolumes");
    let volume = ObjectRef::cluster(volumes, "pv-1");
    removing.keeps = Some(volume.clone());
    let decide = |policy: &str, of: &str| {
        let body = json!({
            "metadata": { "name": "pv-1", "uid": "pv", "resourceVersion": "1" },
            "spec": { "persistentVolumeReclaimPolicy": policy, "claimRef": { "uid": of } },
        });
        decide_after(
            &removing,
            0,
            &[
                (
                    Query::Object(removing.object.clone()),
                    Answer::Object(live(|_| ())),
                ),
                (Query::Object(volume.clone()), Answer::Object(Some(body))),
            ],
        )
    };
    let Verdict::Act(effects) = decide("Delete", "ours") else {
        panic!("it does not act");
    };
    let Effect::Patch {
        patch: Patch::Merge(body),
        ..
    } = &effects[0]
    else {
        panic!("the claim goes first: {effects:?}");
    };
    assert_eq!(body["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    for (policy, of) in [("Retain", "ours"), ("Delete", "another")] {
        let verdict = decide(policy, of);
        let Verdict::Act(effects) = &verdict else {
            panic!("{verdict:?}");
        };
        assert!(matches!(effects[0], Effect::Delete { .. }), "{policy} {of}");
    }
}

#[test]
fn a_claim_that_is_mounted_by_what_stays_stays_too() {
    let mut removing = removing(ObjectRef::namespaced(claims(), "shop", "web"));
    let claim = Thing::new(claims(), live(|_| ()).unwrap()).unwrap();
    removing.inside = contents(&claim, &[]);
    let list = removing.inside[0].clone();
    let decide = |seconds: u64, pods: Vec<Value>| {
        let answers = [
            (
                Query::Object(removing.object.clone()),
                Answer::Object(live(|_| ())),
            ),
            (Query::List(list.clone()), Answer::List(pods)),
        ];
        decide_after(&removing, seconds, &answers)
    };
    let pod = |claim: &str, change: &dyn Fn(&mut Value)| {
        inner("web-0", |it| {
            let named = json!({ "claimName": claim });
            it["spec"] = json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": named }] });
            change(it);
        })
    };
    let owned = |it: &mut Value| it["metadata"]["ownerReferences"] = json!([{ "uid": "set" }]);
    let goes = |it: &mut Value| it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let ended = |it: &mut Value| it["status"] = json!({ "phase": "Succeeded" });
    let said = outcome(decide(0, vec![pod("web", &|_| ())]));
    assert!(
        said.text("left").unwrap().contains("mounted by"),
        "{said:?}"
    );
    assert!(
        said.text("left").unwrap().contains("Pod shop/web-0"),
        "{said:?}"
    );
    assert!(matches!(
        decide(0, vec![pod("web", &owned)]),
        Verdict::Wait(_)
    ));
    let said = outcome(decide(121, vec![pod("web", &owned)]));
    assert!(
        said.text("left").unwrap().contains("Pod shop/web-0"),
        "{said:?}"
    );
    for others in [
        pod("another", &|_| ()),
        pod("web", &goes),
        pod("web", &ended),
    ] {
        assert!(matches!(decide(121, vec![others]), Verdict::Act(_)));
    }
}

#[test]
fn what_is_only_a_view_says_nothing_of_what_is_in_a_namespace() {
    let namespace = json!({ "metadata": { "name": "shop" } });
    let namespace = Thing::new(
        Resource::cluster("v1", "Namespace", "namespaces"),
        namespace,
    );
    let settings = Resource::namespaced("v1", "ConfigMap", "configmaps");
    let packages = "packages.operators.coreos.com/v1";
    let roles = "authorization.openshift.io/v1";
    let served = [
        Resource::namespaced(packages, "PackageManifest", "packagemanifests"),
        Resource::namespaced(roles, "Role", "roles"),
        Resource::namespaced(roles, "RoleBinding", "rolebindings"),
        settings.clone(),
    ];
    let lists = contents(&namespace.unwrap(), &served);
    let asked: Vec<&Resource> = lists.iter().map(|one| &one.resource).collect();
    assert_eq!(asked, [&settings]);
}

#[test]
fn a_definition_is_asked_for_its_objects_everywhere() {
    let resource = Resource::cluster(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    );
    let definition = json!({ "metadata": { "name": "caches.shop.example.com" }, "spec": {
        "group": "shop.example.com", "scope": "Namespaced",
        "names": { "kind": "Cache", "plural": "caches" },
        "versions": [{ "name": "v0", "served": false }, { "name": "v1", "served": true }],
    } });
    let lists = contents(&Thing::new(resource, definition).unwrap(), &[]);
    assert_eq!(lists.len(), 1);
    assert_eq!(lists[0].namespace, None);
    let wanted = Resource::namespaced("shop.example.com/v1", "Cache", "caches");
    assert_eq!(lists[0].resource, wanted);
}

#[test]
fn plans_and_records_of_rollbacks_that_were_written_are_read_for_ever() {
    let step = json!({
        "id": "remove ConfigMap shop/web", "phase": "namespaces", "title": "remove ConfigMap shop/web",
        "needs": [{ "on": "remove x", "rule": "DEPENDENTS_GO_FIRST", "evidence": "seen" }],
        "work": {
            "work": "remove", "uid": "ours", "recovery": "restore-1",
            "object": { "name": "web", "namespace": "shop", "resource": {
                "group": "", "version": "v1", "kind": "ConfigMap", "plural": "configmaps", "namespaced": true,
            } },
        },
        "limit_seconds": 600, "cleanup": false,
    });
    let read: crate::run::Step = serde_json::from_value(step.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), step);
    let kind: crate::run::RunKind = serde_json::from_value(json!("rollback")).unwrap();
    assert_eq!(kind, crate::run::RunKind::Rollback);
    let record = json!({
        "record": "created", "at": "2026-01-01T00:00:00Z", "step": "write", "uid": "ours",
    });
    let read: crate::run::Record = serde_json::from_value(record.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), record);
}

/// A recovery that wrote one ConfigMap, as its plan and its journal tell.
fn recovery() -> (crate::run::RunPlan, crate::run::Progress) {
    let step = json!({
        "id": "write ConfigMap shop/web", "phase": "namespaces", "title": "write", "needs": [],
        "limit_seconds": 600, "cleanup": false,
        "work": {
            "work": "write", "resource": maps(), "existing": "fail", "adopt": false,
            "owner": { "manager": "helm", "apply": false },
            "object": { "metadata": { "name": "web", "namespace": "shop" }, "data": { "a": "b" } },
        },
    });
    let plan = json!({
        "kind": "restore", "run": "restore-1", "protection": "shop", "site": "secondary",
        "point": "shop/1", "mover_image": "image", "steps": [step],
    });
    let records: Vec<crate::run::Record> = serde_json::from_value(json!([
        { "record": "intent", "at": "2026-01-01T00:00:00Z", "step": "write ConfigMap shop/web",
          "effects": ["create ConfigMap shop/web"] },
        { "record": "created", "at": "2026-01-01T00:00:00Z", "step": "write ConfigMap shop/web",
          "uid": "ours" },
    ]))
    .unwrap();
    let progress = crate::run::Progress::of(&records);
    (serde_json::from_value(plan).unwrap(), progress)
}

#[test]
fn only_what_the_journal_says_was_created_is_planned_and_changes_are_asked_about() {
    use crate::plan::{Changed, Data, RollbackGoal, rollback, rollback_look};
    let (plan, progress) = recovery();
    let planned = |changed: Changed, live: Option<Value>| {
        let mut seen = Seen::default();
        for query in rollback_look(&plan) {
            seen.insert(query, Answer::Object(live.clone()));
        }
        let goal = RollbackGoal {
            run: RunId::new("rollback-1").unwrap(),
            site: plan.site.clone(),
            changed,
            data: Data::Keep,
        };
        rollback(&plan, &progress, &seen, &[], &goal)
    };
    let ours = |value: &str| live(|it| it["data"] = json!({ "a": value }));
    let steps = |changed, live| planned(changed, live).unwrap().plan.steps.len();
    assert_eq!(steps(Changed::Refuse, ours("b")), 1);
    assert_eq!(steps(Changed::Refuse, None), 0, "it is gone already");
    let problems = planned(Changed::Refuse, ours("edited")).unwrap_err();
    assert_eq!(problems[0].code, "changed-since");
    assert!(
        problems[0].message.contains("ConfigMap shop/web"),
        "{problems:?}"
    );
    assert_eq!(steps(Changed::Remove, ours("edited")), 1);
    for other in [
        live(|it| it["metadata"]["uid"] = json!("another")),
        live(|it| it["metadata"]["annotations"] = json!({ "refloat.io/updated": "restore-1" })),
        live(|it| it["metadata"]["annotations"] = json!({ "refloat.io/recovery": "restore-9" })),
    ] {
        let planned = planned(Changed::Refuse, other).unwrap();
        assert_eq!(planned.plan.steps.len(), 0);
        assert_eq!(planned.untouched.len(), 1);
    }
}
