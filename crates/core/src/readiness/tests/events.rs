//! When events are read, and what is made of them.

use serde_json::json;

use super::{Scene, event, rolled_out, workload};
use crate::driver::Query;

fn down() -> Scene {
    let status = json!({ "observedGeneration": 2, "currentRevision": "a", "updateRevision": "a" });
    Scene::of("apps/v1", "StatefulSet", workload(&status)).pods(vec![])
}

#[test]
fn events_are_read_only_of_gates_that_have_been_closed_for_a_while() {
    let kinds = |scene: &Scene| -> Vec<String> {
        scene
            .asks()
            .into_iter()
            .filter_map(|query| match query {
                Query::List(request) => Some(request.resource.kind.clone()),
                Query::Object(_)
                | Query::Exec(_)
                | Query::Log(_)
                | Query::Served(_)
                | Query::Rehearsal(_) => None,
            })
            .collect()
    };
    assert_eq!(kinds(&down()), Vec::<String>::new());
    assert_eq!(kinds(&down().after(5)), ["Event"]);
    assert_eq!(kinds(&down().events(vec![]).after(5)), Vec::<String>::new());
    let up = Scene::of("apps/v1", "StatefulSet", workload(&rolled_out())).pods(vec![]);
    assert_eq!(kinds(&up.after(500)), Vec::<String>::new());
}

#[test]
fn the_newest_warning_is_part_of_the_reason() {
    let own = ("StatefulSet", "db", "u-db");
    let told = |name, uid, kind, seconds| {
        event(
            (kind, name, uid),
            ("Warning", "Odd", "something is wrong"),
            seconds,
        )
    };
    let has = |events| {
        down()
            .events(events)
            .after(10)
            .message()
            .contains("something is wrong")
    };
    assert!(has(vec![told("db", "u-db", "StatefulSet", 5)]));
    assert!(!has(vec![told("other", "u-db", "StatefulSet", 5)]));
    assert!(
        !has(vec![told("db", "u-old", "StatefulSet", 5)]),
        "of one that is gone"
    );
    assert!(!has(vec![told("db", "u-db", "Pod", 5)]));
    let good = event(own, ("Normal", "SuccessfulCreate", "x"), 1);
    assert!(!has(vec![
        told("db", "u-db", "StatefulSet", 5),
        good.clone()
    ]));
    assert!(has(vec![good, told("db", "u-db", "StatefulSet", 0)]));
}
