//! When a condition over an object is open, and what it says while it is closed.

use serde_json::json;

use super::{decide, gating, seen, web};
use crate::driver::{Answer, Query, Seen, Verdict};

#[test]
fn a_condition_says_why_it_is_closed_and_what_it_takes() {
    let ready = gating(json!({ "cel": "object.status.readyReplicas == object.spec.replicas" }));
    let Verdict::Wait(why) = decide(&ready, &seen(web())) else {
        panic!("it is open");
    };
    assert_eq!(
        why.message,
        "`object.status.readyReplicas == object.spec.replicas` is false: 1 == 3"
    );
    assert_eq!(
        why.takes,
        "`object.status.readyReplicas == object.spec.replicas` is true"
    );
    assert_eq!(why.failing, None);
    let mut live = web();
    live["status"]["readyReplicas"] = json!(3);
    assert!(matches!(
        decide(&ready, &seen(live.clone())),
        Verdict::Done(_)
    ));
    live["status"] = json!({});
    let Verdict::Wait(why) = decide(&ready, &seen(live)) else {
        panic!("it is open");
    };
    assert_eq!(
        why.message,
        "no such key: `readyReplicas` in `object.status`"
    );
    let mut none = Seen::default();
    none.insert(Query::Object(ready.of.clone()), Answer::Object(None));
    let Verdict::Wait(why) = decide(&ready, &none) else {
        panic!("it is open");
    };
    assert_eq!(why.message, "Deployment.apps shop/web is not there");
}

#[test]
fn a_condition_sees_who_owns_which_fields_though_answers_keep_it_as_text() {
    let scaled = gating(
        json!({ "cel": "'f:replicas' in object.metadata.managedFields[0].fieldsV1['f:spec']" }),
    );
    let mut live = web();
    live["metadata"]["managedFields"] = json!([
        { "manager": "hpa", "operation": "Update", "fieldsV1": { "f:spec": { "f:replicas": {} } } },
    ]);
    let answer = Answer::Object(Some(live)).folded();
    assert!(matches!(
        &answer,
        Answer::Object(Some(object)) if object["metadata"]["managedFields"][0]["fieldsV1"].is_string()
    ));
    let mut seen = Seen::default();
    seen.insert(Query::Object(scaled.of.clone()), answer);
    assert!(matches!(decide(&scaled, &seen), Verdict::Done(_)));
}

#[test]
fn a_condition_that_cannot_be_judged_needs_a_person_when_it_stays_so() {
    let wrong = gating(json!({ "cel": "object.spec.replicas.x == 1" }));
    let Verdict::Wait(why) = decide(&wrong, &seen(web())) else {
        panic!("it is open");
    };
    let failing = why.failing.expect("it is a failure if it stays");
    assert_eq!(
        (failing.problem.code.as_str(), failing.seconds),
        ("gate-wrong", 60)
    );
    assert!(failing.problem.message.starts_with(
        "gate ready of Deployment.apps shop/web: `object.spec.replicas` is an integer"
    ));
    assert!(failing.problem.hint.contains("`--skip-gate ready`"));
}
