//! What an update writes, takes out and gives back, and what is no change.

use serde_json::{Value, json};

use super::{decide, effect, live, none, origin, patch, settings, writing};
use crate::driver::{Class, Problem, Verdict};
use crate::inventory::fold_answer;
use crate::recovery::{Existing, Writing, digest, is_changed};

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
fn a_namespace_that_was_deleted_meanwhile_is_not_to_be_created_by_hand() {
    let update = settings(Existing::Update);
    let create = decide(&update, &none(), None);
    let gone = Problem::stuck("namespace-missing", "shop is not there", "create it first");
    let problem = update.explain(effect(&create), gone.clone());
    assert_eq!(
        (&problem.code, &problem.message),
        (&gone.code, &gone.message)
    );
    assert_eq!(
        problem.hint,
        "what this recovery had written in it went with it: take back the rest with `refloat rollback --run restore-2`, then recover anew"
    );
}

#[test]
fn the_account_that_the_cluster_made_gets_what_the_point_has_of_it_and_nothing_else_of_the_clusters_does()
 {
    let body = json!({ "imagePullSecrets": [{ "name": "registry" }] });
    let account = |existing, operated| Writing {
        adopt: true,
        operated,
        ..writing("ServiceAccount", existing, body.clone())
    };
    let bare = |writing: &Writing| {
        live(writing, |it| {
            it.as_object_mut().unwrap().remove("imagePullSecrets");
        })
    };
    for (existing, operated, amended) in [
        (Existing::Fail, true, true),
        (Existing::Skip, true, true),
        (Existing::Update, false, true),
        (Existing::Replace, false, true),
        (Existing::Fail, false, false),
        (Existing::Skip, false, false),
    ] {
        let account = account(existing, operated);
        let verdict = decide(&account, &none(), Some(bare(&account)));
        if amended {
            let (patch, _) = patch(&verdict);
            assert_eq!(patch["imagePullSecrets"], body["imagePullSecrets"]);
        } else {
            assert_eq!(origin(&verdict), "adopted");
        }
        let same = live(&account, |_| ());
        let verdict = decide(&account, &none(), Some(same));
        assert_eq!(origin(&verdict), "adopted", "there is nothing to change");
        let absent = decide(&account, &none(), None);
        assert!(matches!(absent, Verdict::Wait(_)), "{absent:?}");
    }
    let account = account(Existing::Fail, true);
    let begun = |digest: Value| {
        live(&account, |it| {
            it["metadata"]["annotations"] =
                json!({ "refloat.io/updated": "restore-2", "refloat.io/digest": digest });
        })
    };
    let verdict = decide(&account, &none(), Some(begun(Value::Null)));
    let digest = digest(&account.object);
    let annotations = &patch(&verdict).0["metadata"]["annotations"];
    assert_eq!(annotations["refloat.io/digest"], json!(digest));
    let verdict = decide(&account, &none(), Some(begun(json!(digest))));
    assert_eq!(origin(&verdict), "updated");
    let authority = Writing {
        adopt: true,
        ..settings(Existing::Update)
    };
    let theirs = live(&authority, |it| it["data"]["url"] = json!("new"));
    let verdict = decide(&authority, &none(), Some(theirs));
    assert_eq!(origin(&verdict), "adopted");
}
