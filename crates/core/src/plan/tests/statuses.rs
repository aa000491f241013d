//! Which statuses come back, and what is said of the others.

use serde_json::{Value, json};

use super::ground::{object, with};
use crate::inventory::Thing;
use crate::json::Json;
use crate::plan::Planned;
use crate::run::Work;

fn definition(subresources: &Value) -> Thing {
    let version = json!({ "name": "v1", "served": true, "subresources": subresources });
    let spec = json!({ "group": "example.com", "names": { "kind": "Cache", "plural": "caches" },
        "versions": [{ "name": "v2", "subresources": { "status": {} } }, version] });
    object(
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
        "caches.example.com",
        json!({ "spec": spec }),
    )
}

fn cache(word: &str) -> Thing {
    let status = json!({
        "observedGeneration": 7, "primary": "one-1",
        "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": 7 }],
    });
    let annotations = json!({ "refloat.io/status": word });
    let body = json!({ "spec": {}, "status": status, "annotations": annotations });
    object("example.com/v1 Cache", "shop/one", body)
}

fn status(planned: &Planned, step: &str) -> Option<Value> {
    match &planned.plan.step(step).unwrap().work {
        Work::Write(writing) => writing.status.as_ref().map(Json::to_value),
        other => panic!("{other:?}"),
    }
}

const CACHE: &str = "write Cache.example.com shop/one";

#[test]
fn a_status_comes_back_when_its_author_says_so_and_the_definition_keeps_one() {
    let planned = with([definition(&json!({ "status": {} })), cache("restore")])
        .plan()
        .unwrap();
    let wanted = json!({
        "primary": "one-1", "conditions": [{ "type": "Ready", "status": "True" }],
    });
    assert_eq!(status(&planned, CACHE), Some(wanted));
    assert!(!planned.warnings.iter().any(|one| one.contains("status")));
}

#[test]
fn any_other_status_stays_behind_and_the_plan_says_so() {
    let plain = object(
        "example.com/v1 Cache",
        "shop/one",
        json!({ "status": { "a": 1 } }),
    );
    let built_in = object(
        "Service",
        "shop/one",
        json!({ "spec": {}, "status": { "a": 1 }, "annotations": { "refloat.io/status": "restore" } }),
    );
    let has = || definition(&json!({ "status": {} }));
    let cases: [(Vec<Thing>, &str, Option<&str>); 4] = [
        (vec![has(), plain], CACHE, None),
        (
            vec![definition(&json!({ "scale": {} })), cache("restore")],
            CACHE,
            Some("the definition of caches example.com/v1 has no subresource `status`"),
        ),
        (
            vec![has(), cache("yes")],
            CACHE,
            Some("refloat.io/status says `yes`, it can say `restore` only"),
        ),
        (
            vec![built_in],
            "write Service shop/one",
            Some("Kubernetes itself writes it"),
        ),
    ];
    for (things, step, why) in cases {
        let planned = with(things).plan().unwrap();
        assert_eq!(status(&planned, step), None);
        let mut told = planned.warnings.iter().filter(|one| one.contains("status"));
        match (why, told.next()) {
            (None, None) => {}
            (Some(why), Some(line)) => assert!(line.ends_with(why), "{line}"),
            other => panic!("{other:?}"),
        }
    }
}
