//! A status that comes back: written once, before the object counts as complete.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{Answer, Effect, FieldOwner, Patch, Query, Seen, Verdict};
use crate::inventory::Resource;
use crate::names::RunId;
use crate::readiness::{Clock, Told};
use crate::recovery::{Existing, Writing, digest};
use crate::run::Deeds;

fn writing() -> Writing {
    Writing {
        resource: Resource::namespaced("example.com/v1", "Database", "databases"),
        object: json!({
            "apiVersion": "example.com/v1", "kind": "Database",
            "metadata": { "name": "db", "namespace": "shop" }, "spec": { "size": 3 },
        })
        .into(),
        owner: FieldOwner::refloat(),
        managers: Vec::new(),
        existing: Existing::Fail,
        adopt: false,
        told: Told::default(),
        owns: Vec::new(),
        operated: false,
        duty: None,
        status: Some(
            json!({ "primary": "db-1", "conditions": [{ "type": "Ready", "status": "True" }] })
                .into(),
        ),
    }
}

fn decide(live: Option<Value>) -> Verdict {
    let mut seen = Seen::default();
    seen.insert(Query::Object(writing().target()), Answer::Object(live));
    let clock = Clock {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        waited: Duration::ZERO,
    };
    let run = RunId::new("restore-1").unwrap();
    writing().decide(&run, &Deeds::default(), &seen, clock)
}

#[expect(clippy::unnecessary_wraps, reason = "as an answer holds it")]
fn live(change: impl FnOnce(&mut Value)) -> Option<Value> {
    let mut live = writing().object.to_value();
    live["metadata"]["uid"] = json!("new");
    live["metadata"]["resourceVersion"] = json!("7");
    live["metadata"]["annotations"] = json!({ "refloat.io/recovery": "restore-1" });
    change(&mut live);
    Some(live)
}

fn patch(verdict: &Verdict) -> (&Value, Option<&str>) {
    match verdict {
        Verdict::Act(effects) => match &effects[..] {
            [
                Effect::Patch {
                    patch: Patch::Merge(patch),
                    subresource,
                    precondition,
                    ..
                },
            ] => {
                assert_eq!(precondition.resource_version.as_deref(), Some("7"));
                (patch, subresource.as_deref())
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_status_is_written_after_the_object_and_before_its_digest() {
    let Verdict::Act(effects) = decide(None) else {
        panic!("it is not created");
    };
    let Effect::Create { object, .. } = &effects[0] else {
        panic!("{effects:?}");
    };
    assert_eq!(object["status"], Value::Null);
    assert_eq!(
        object["metadata"]["annotations"],
        json!({ "refloat.io/recovery": "restore-1" })
    );
    let status = json!({ "status": writing().status });
    assert_eq!(patch(&decide(live(|_| {}))), (&status, Some("status")));
    let early = decide(live(|it| it["status"] = json!({ "primary": "db-0" })));
    assert_eq!(patch(&early), (&status, Some("status")));
    let whole = digest(&writing().object);
    let complete = json!({ "metadata": { "annotations": { "refloat.io/digest": whole } } });
    let written = decide(live(|it| it["status"] = status["status"].clone()));
    assert_eq!(patch(&written), (&complete, None));
    // The operator has gone on from it.
    let changed = decide(live(|it| {
        it["status"] = json!({ "primary": "db-2" });
        it["metadata"]["managedFields"] =
            json!([{ "manager": "refloat", "operation": "Update", "subresource": "status" }]);
    }));
    assert_eq!(patch(&changed), (&complete, None));
}

#[test]
fn what_a_restored_status_says_is_not_taken_for_the_operators_word() {
    let complete = |status: Value| {
        decide(live(|it| {
            it["metadata"]["annotations"]["refloat.io/digest"] = json!(digest(&writing().object));
            it["status"] = status;
        }))
    };
    let Verdict::Done(outcome) = complete(writing().status.unwrap().to_value()) else {
        panic!();
    };
    assert_eq!(outcome.text("assumed"), Some("status-restored"));
    let now = json!({ "primary": "db-2", "conditions": [{ "type": "Ready", "status": "True" }] });
    let Verdict::Done(outcome) = complete(now) else {
        panic!();
    };
    assert_eq!(outcome.text("assumed"), None);
}
