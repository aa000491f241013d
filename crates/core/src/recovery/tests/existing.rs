//! Verdicts over a live object that is not this recovery's, or has become it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{
    Answer, Class, Effect, FieldOwner, ObjectRef, Patch, Precondition, Problem, Propagation, Query,
    Seen, Verdict,
};
use crate::inventory::{Resource, fold_answer};
use crate::names::RunId;
use crate::readiness::{Clock, Told};
use crate::recovery::{Existing, Linking, Writing, digest, is_changed};
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
fn what_has_the_points_content_already_is_not_written() {
    let same = settings(Existing::Update);
    let more = live(&same, |it| {
        it["data"]["extra"] = json!("stays");
        it["metadata"]["labels"] = json!({ "mine": "yes" });
    });
    assert_eq!(origin(&decide(&same, &none(), Some(more))), "unchanged");
}

#[test]
fn an_update_takes_lists_whole_and_leaves_what_the_point_does_not_know() {
    let ports = json!([{ "name": "http", "port": 80 }]);
    let service = writing(
        "Service",
        Existing::Update,
        json!({ "spec": {
        "type": "ClusterIP", "ports": ports, "selector": { "app": "web" },
    } }),
    );
    let other = live(&service, |it| {
        it["spec"]["clusterIP"] = json!("10.0.0.1");
        it["spec"]["ports"] = json!([{ "name": "http", "port": 81 }, { "name": "b", "port": 82 }]);
        it["spec"]["type"] = json!("NodePort");
        it["status"] = json!({ "loadBalancer": {} });
    });
    let verdict = decide(&service, &none(), Some(other));
    let (body, _) = patch(&verdict);
    assert_eq!(body["spec"], json!({ "type": "ClusterIP", "ports": ports }));
    assert_eq!(body.get("status"), None);
}

#[test]
fn a_strategy_of_another_type_is_taken_whole() {
    let deployment = writing(
        "Deployment",
        Existing::Update,
        json!({ "spec": {
        "strategy": { "type": "Recreate" },
        "template": { "metadata": { "creationTimestamp": null, "labels": { "app": "web" } } },
    } }),
    );
    let rolling = live(&deployment, |it| {
        let budget = json!({ "maxSurge": 1 });
        it["spec"]["strategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": budget });
        it["spec"]["template"]["metadata"] = json!({ "labels": { "app": "web" } });
    });
    let verdict = decide(&deployment, &none(), Some(rolling));
    let (body, _) = patch(&verdict);
    let strategy = json!({ "type": "Recreate", "rollingUpdate": null });
    assert_eq!(
        body["spec"],
        json!({ "strategy": strategy }),
        "and no null of a template"
    );
}

#[test]
fn an_updated_object_gives_its_fields_back_to_their_manager_and_is_complete_then() {
    let update = settings(Existing::Update);
    let fields = json!({
        "f:data": { "f:url": {} },
        "f:metadata": { "f:annotations": { ".": {}, "f:refloat.io/updated": {} } },
    });
    let begun = live(&update, |it| {
        it["metadata"]["annotations"] = json!({ "refloat.io/updated": "restore-2" });
        it["metadata"]["managedFields"] = json!([
            { "manager": "kubectl-create", "operation": "Update", "fieldsV1": { "f:data": { "f:mine": {} } } },
            { "manager": "refloat", "operation": "Update", "fieldsV1": fields },
        ]);
    });
    let mut folded = begun.clone();
    fold_answer(&mut folded);
    assert_ne!(folded, begun);
    let verdict = decide(&update, &none(), Some(folded));
    assert_eq!(verdict, decide(&update, &none(), Some(begun.clone())));
    let (body, _) = patch(&verdict);
    let digest = digest(&update.object);
    assert_eq!(
        body["metadata"]["annotations"]["refloat.io/digest"],
        json!(digest)
    );
    let entries = body["metadata"]["managedFields"].as_array().unwrap();
    let of = |manager: &str| {
        entries
            .iter()
            .find(|one| one["manager"] == manager)
            .unwrap()
    };
    assert_eq!(of("helm")["fieldsV1"]["f:data"], json!({ "f:url": {} }));
    assert_eq!(
        of("kubectl-create")["fieldsV1"],
        json!({ "f:data": { "f:mine": {} } })
    );
    let own = &of("refloat")["fieldsV1"];
    assert_eq!(own.get("f:data"), None);
    assert!(own.to_string().contains("f:refloat.io/digest"), "{own}");
    let complete = live(&update, |it| {
        it["metadata"]["annotations"] =
            json!({ "refloat.io/updated": "restore-2", "refloat.io/digest": digest });
    });
    assert_eq!(origin(&decide(&update, &none(), Some(complete))), "updated");
    // Created by an earlier recovery, with its digest: updated all the same.
    let of_another = live(&update, |it| {
        it["data"]["url"] = json!("older");
        it["metadata"]["annotations"] =
            json!({ "refloat.io/recovery": "restore-1", "refloat.io/digest": "old" });
    });
    let verdict = decide(&update, &none(), Some(of_another));
    let annotations = &patch(&verdict).0["metadata"]["annotations"];
    assert_eq!(
        annotations["refloat.io/digest"],
        Value::Null,
        "not complete before its owners are"
    );
    assert_eq!(
        annotations.get("refloat.io/recovery"),
        None,
        "who created it stays known"
    );
}

#[test]
fn a_replacement_deletes_once_and_never_what_another_has_put_there() {
    let replace = settings(Existing::Replace);
    let first = decide(&replace, &none(), Some(live(&replace, |_| ())));
    let known = deeds(&[effect(&first)], None);
    let again = decide(&replace, &known, Some(live(&replace, |_| ())));
    assert_eq!(again, first, "the reply was lost: the same object again");
    let other = live(&replace, |it| it["metadata"]["uid"] = json!("another"));
    assert_eq!(
        code(&decide(&replace, &known, Some(other))),
        "created-again"
    );
    let going = live(&replace, |it| {
        it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        it["metadata"]["finalizers"] = json!(["example.com/holds"]);
    });
    let Verdict::Wait(why) = decide(&replace, &known, Some(going)) else {
        panic!("it does not wait");
    };
    assert!(why.message.contains("example.com/holds"), "{why:?}");
    let Effect::Create { .. } = effect(&decide(&replace, &known, None)) else {
        panic!("it does not create");
    };
    let made = live(&replace, |it| {
        it["metadata"]["annotations"] = json!({ "refloat.io/recovery": "restore-2", "refloat.io/digest": digest(&replace.object) });
    });
    assert_eq!(origin(&decide(&replace, &known, Some(made))), "replaced");
}

#[test]
fn what_runs_pods_is_replaced_after_them() {
    for (kind, wanted) in [
        ("Deployment", Propagation::Foreground),
        ("ConfigMap", Propagation::Background),
    ] {
        let writing = writing(kind, Existing::Replace, json!({}));
        let verdict = decide(&writing, &none(), Some(live(&writing, |_| ())));
        let Effect::Delete { propagation, .. } = effect(&verdict) else {
            panic!("{verdict:?}");
        };
        assert_eq!(*propagation, wanted, "{kind}");
    }
}

#[test]
fn what_holds_others_is_updated_and_what_holds_data_is_refused() {
    let labels = json!({ "metadata": { "name": "web", "labels": { "a": "b" } } });
    let namespace = writing("Namespace", Existing::Replace, labels);
    let bare = live(&namespace, |it| {
        it["metadata"].as_object_mut().unwrap().remove("labels");
    });
    let verdict = decide(&namespace, &none(), Some(bare));
    assert_eq!(patch(&verdict).0["metadata"]["labels"], json!({ "a": "b" }));
    for existing in [Existing::Update, Existing::Replace] {
        let claim = writing("PersistentVolumeClaim", existing, json!({ "spec": {} }));
        let verdict = decide(&claim, &none(), Some(live(&claim, |_| ())));
        assert_eq!(code(&verdict), "volume-exists");
    }
}

#[test]
fn a_job_that_ended_and_was_collected_is_not_run_again() {
    let spec = json!({ "spec": { "ttlSecondsAfterFinished": 0 } });
    let job = writing("Job", Existing::Fail, spec);
    let first = decide(&job, &none(), None);
    let intended = deeds(&[effect(&first)], None);
    assert_eq!(
        decide(&job, &intended, None),
        first,
        "nobody knows that it ever was"
    );
    let created = deeds(&[effect(&first)], Some("mine"));
    let verdict = decide(&job, &created, None);
    assert_eq!(origin(&verdict), "created");
    let lasting = writing("Job", Existing::Fail, json!({ "spec": {} }));
    let verdict = decide(&lasting, &created, None);
    assert!(
        matches!(effect(&verdict), Effect::Create { .. }),
        "a person has removed it"
    );
}

#[test]
fn a_field_that_never_changes_is_named_with_the_way_out() {
    // As Kubernetes 1.34 says it.
    let said = [
        r#"spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set"#,
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy' are forbidden",
        "spec.selector: Invalid value: {}: field is immutable",
        "roleRef: Invalid value: {}: cannot change roleRef",
        "parameters: Forbidden: updates to parameters are forbidden.",
        "data: Forbidden: field is immutable when `immutable` is set",
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
    ];
    let update = settings(Existing::Update);
    let verdict = decide(
        &update,
        &none(),
        Some(live(&update, |it| it["data"] = json!({}))),
    );
    for words in said {
        let refused = Problem::stuck("invalid", format!("patch: {words}"), "compare");
        let problem = update.explain(effect(&verdict), refused);
        assert_eq!(problem.code, "field-immutable", "{words}");
        assert!(problem.message.contains(words), "{problem:?}");
        assert!(problem.hint.contains("--existing replace"), "{problem:?}");
    }
    let other = Problem::stuck("invalid", "spec.replicas: must be positive", "compare");
    assert_eq!(update.explain(effect(&verdict), other.clone()), other);
    let conflict = Problem::of(Class::Retry, "conflict", "is immutable", "again");
    assert_eq!(update.explain(effect(&verdict), conflict.clone()), conflict);
    let create = decide(&update, &none(), None);
    let taken = "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated";
    let problem = update.explain(effect(&create), Problem::stuck("invalid", taken, "compare"));
    assert_eq!(problem.code, "node-port-taken");
    assert!(problem.message.contains("30080"), "{problem:?}");
}

#[test]
fn defaults_are_no_change_and_edits_are() {
    let written = json!({
        "metadata": { "name": "web", "labels": { "a": "b" } },
        "spec": { "replicas": 1, "list": [{ "x": 1 }], "empty": {} }, "data": { "k": "v" },
    });
    let mut live = written.clone();
    live["spec"]["defaulted"] = json!(true);
    live["spec"]["list"][0]["defaulted"] = json!(true);
    live["spec"].as_object_mut().unwrap().remove("empty");
    live["status"] = json!({ "ready": true });
    live["metadata"]["annotations"] = json!({ "by": "a controller" });
    assert!(!is_changed(&live, &written));
    for (pointer, value) in [
        ("/spec/replicas", json!(2)),
        ("/spec/list", json!([])),
        ("/spec/list/0/x", json!(2)),
        ("/data/k", json!("w")),
        ("/data", json!({ "k": "v", "more": "x" })),
        ("/metadata/labels/a", json!("c")),
    ] {
        let mut edited = live.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        assert!(is_changed(&edited, &written), "{pointer}");
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
