//! Verdicts over a live object that is not this recovery's, or has become it.

mod replacements;
mod updates;

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{
    Answer, Effect, FieldOwner, ObjectRef, Patch, Precondition, Query, Seen, Verdict,
};
use crate::inventory::Resource;
use crate::names::RunId;
use crate::readiness::{Clock, Told};
use crate::recovery::{Existing, Linking, Writing};
use crate::run::{Deeds, Progress, Record};

fn run() -> RunId {
    RunId::new("restore-2").unwrap()
}

fn clock() -> Clock {
    Clock {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        waited: Duration::ZERO,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "so that cases read well")]
fn writing(kind: &str, existing: Existing, body: Value) -> Writing {
    let (group_version, plural) = match kind {
        "ConfigMap" => ("v1", "configmaps"),
        "Service" => ("v1", "services"),
        "ServiceAccount" => ("v1", "serviceaccounts"),
        "PersistentVolumeClaim" => ("v1", "persistentvolumeclaims"),
        "Deployment" => ("apps/v1", "deployments"),
        "Job" => ("batch/v1", "jobs"),
        "Namespace" => ("v1", "namespaces"),
        other => panic!("no {other} here"),
    };
    let resource = if kind == "Namespace" {
        Resource::cluster(group_version, kind, plural)
    } else {
        Resource::namespaced(group_version, kind, plural)
    };
    let mut object = json!({
        "apiVersion": group_version, "kind": kind, "metadata": { "name": "web" },
    });
    if resource.namespaced {
        object["metadata"]["namespace"] = json!("shop");
    }
    for (key, value) in body.as_object().unwrap() {
        object[key] = value.clone();
    }
    Writing {
        resource,
        object: object.into(),
        owner: FieldOwner {
            manager: "helm".to_owned(),
            apply: false,
        },
        managers: Vec::new(),
        existing,
        adopt: false,
        told: Told::default(),
        owns: Vec::new(),
        status: None,
        operated: false,
        duty: None,
    }
}

fn live(writing: &Writing, change: impl FnOnce(&mut Value)) -> Value {
    let mut live = writing.object.to_value();
    live["metadata"]["uid"] = json!("foreign");
    live["metadata"]["resourceVersion"] = json!("7");
    change(&mut live);
    live
}

fn decide(writing: &Writing, deeds: &Deeds, live: Option<Value>) -> Verdict {
    let mut seen = Seen::default();
    seen.insert(Query::Object(writing.target()), Answer::Object(live));
    writing.decide(&run(), deeds, &seen, clock())
}

/// Deeds as a journal tells them.
fn deeds(effects: &[&Effect], created: Option<&str>) -> Deeds {
    let at = clock().now;
    let step = "write".to_owned();
    let effects = effects.iter().map(|one| one.intention()).collect();
    let mut records = vec![Record::Intent {
        at,
        step: step.clone(),
        effects,
    }];
    if let Some(uid) = created {
        let uid = uid.to_owned();
        records.push(Record::Created { at, step, uid });
    }
    Progress::of(&records).deeds("write").clone()
}

fn effect(verdict: &Verdict) -> &Effect {
    match verdict {
        Verdict::Act(effects) => &effects[0],
        other => panic!("no act: {other:?}"),
    }
}

fn patch(verdict: &Verdict) -> (&Value, &Precondition) {
    match effect(verdict) {
        Effect::Patch {
            patch: Patch::Merge(body),
            precondition,
            ..
        } => (body, precondition),
        other => panic!("no patch: {other:?}"),
    }
}

fn origin(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Done(outcome) => outcome.text("origin").unwrap(),
        other => panic!("not done: {other:?}"),
    }
}

fn code(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Stuck(problem) => &problem.code,
        other => panic!("not stuck: {other:?}"),
    }
}

fn settings(existing: Existing) -> Writing {
    writing(
        "ConfigMap",
        existing,
        json!({ "data": { "url": "theirs" } }),
    )
}

fn none() -> Deeds {
    Deeds::default()
}

#[test]
fn an_object_of_others_is_refused_kept_updated_or_deleted_as_was_asked() {
    let mine = |writing: &Writing| Some(live(writing, |it| it["data"]["url"] = json!("mine")));
    let fail = settings(Existing::Fail);
    assert_eq!(code(&decide(&fail, &none(), mine(&fail))), "already-exists");
    let skip = settings(Existing::Skip);
    assert_eq!(origin(&decide(&skip, &none(), mine(&skip))), "skipped");
    let update = settings(Existing::Update);
    let verdict = decide(&update, &none(), mine(&update));
    let (body, precondition) = patch(&verdict);
    assert_eq!(body["data"], json!({ "url": "theirs" }));
    assert_eq!(
        body["metadata"]["annotations"]["refloat.io/updated"],
        "restore-2"
    );
    assert_eq!(precondition.uid.as_deref(), Some("foreign"));
    assert_eq!(precondition.resource_version.as_deref(), Some("7"));
    let replace = settings(Existing::Replace);
    let verdict = decide(&replace, &none(), mine(&replace));
    let Effect::Delete { precondition, .. } = effect(&verdict) else {
        panic!("{verdict:?}");
    };
    assert_eq!(precondition.uid.as_deref(), Some("foreign"));
}

/// Nobody else could have made it: the operator was started by this recovery, and its kind came with it.
#[test]
fn what_its_own_operator_has_made_is_updated_whatever_becomes_of_others() {
    for existing in [
        Existing::Fail,
        Existing::Skip,
        Existing::Update,
        Existing::Replace,
    ] {
        let mut settings = settings(existing);
        settings.operated = true;
        let made = live(&settings, |it| it["data"]["url"] = json!("a default"));
        let verdict = decide(&settings, &none(), Some(made));
        let (body, precondition) = patch(&verdict);
        assert_eq!(body["data"], json!({ "url": "theirs" }));
        assert_eq!(precondition.resource_version.as_deref(), Some("7"));
        let same = live(&settings, |_| ());
        assert_eq!(origin(&decide(&settings, &none(), Some(same))), "unchanged");
    }
}

#[test]
fn what_belongs_to_an_object_is_linked_before_the_object_is_waited_for() {
    let mut writing = writing("Deployment", Existing::Skip, json!({ "spec": {} }));
    let maps = Resource::namespaced("v1", "ConfigMap", "configmaps");
    let link = |name: &str| Linking {
        object: ObjectRef::namespaced(maps.clone(), "shop", name),
        owner: writing.target(),
        controller: false,
        blocks: false,
    };
    writing.owns = vec![link("one"), link("two")];
    let owner = live(&writing, |_| {});
    let look = decide(&writing, &Deeds::default(), Some(owner.clone()));
    let queries = writing
        .owns
        .iter()
        .map(|one| Query::Object(one.object.clone()));
    assert_eq!(look, Verdict::Look(queries.clone().collect()));
    let decide = |owners: &Value| {
        let mut seen = Seen::default();
        let target = Query::Object(writing.target());
        seen.insert(target, Answer::Object(Some(owner.clone())));
        let map = json!({ "metadata": {
            "uid": "m", "annotations": { "refloat.io/recovery": "restore-2" }, "ownerReferences": owners,
        } });
        for query in queries.clone() {
            seen.insert(query, Answer::Object(Some(map.clone())));
        }
        writing.decide(&run(), &Deeds::default(), &seen, clock())
    };
    match decide(&Value::Null) {
        Verdict::Act(effects) => assert_eq!(effects.len(), 2),
        other => panic!("{other:?}"),
    }
    // Linked, and no pod of it is there yet.
    let linked = decide(&json!([{ "uid": "foreign" }]));
    assert!(matches!(linked, Verdict::Wait(_)), "{linked:?}");
}
