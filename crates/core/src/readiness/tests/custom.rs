//! Custom resources that no table knows.

use serde_json::{Value, json};

use super::super::{Told, told};
use super::{Scene, conditions};

fn says(live: &Value, told: Told, seconds: i64) -> String {
    let scene = Scene::of("shop.example.com/v1", "Campaign", live.clone());
    scene.told(told).after(seconds).says()
}

#[test]
fn conditions_decide_for_the_newest_generation_only() {
    let with =
        |status: Value| json!({ "metadata": { "name": "x", "generation": 2 }, "status": status });
    let one = |kind: &str, status: &str, observed: u64| json!([{ "type": kind, "status": status, "observedGeneration": observed }]);
    let cases = [
        (conditions(&[("Ready", "True")]), "open"),
        (conditions(&[("Ready", "False")]), "closed not-ready"),
        (conditions(&[("Ready", "Unknown")]), "closed not-ready"),
        (conditions(&[("Available", "True")]), "open"),
        (conditions(&[("Available", "False")]), "closed not-ready"),
        (
            conditions(&[("Ready", "True"), ("Reconciling", "True")]),
            "closed reconciling",
        ),
        (
            conditions(&[("Ready", "True"), ("Stalled", "True")]),
            "failed stalled",
        ),
        (
            conditions(&[("Ready", "True"), ("Stalled", "False")]),
            "open",
        ),
        (conditions(&[]), "open"),
        (
            with(json!({ "observedGeneration": 1, "phase": "x" })),
            "closed not-observed",
        ),
        // A status that was carried along from another cluster.
        (
            with(json!({ "observedGeneration": 9, "phase": "x" })),
            "closed not-observed",
        ),
        (
            with(json!({ "observedGeneration": 2, "phase": "x" })),
            "open",
        ),
        (
            with(json!({ "observedGeneration": "2", "phase": "x" })),
            "open",
        ),
        (
            with(json!({ "conditions": one("Ready", "True", 1) })),
            "closed not-observed",
        ),
        (
            with(json!({ "conditions": one("Ready", "False", 1) })),
            "closed not-observed",
        ),
        (
            with(json!({ "conditions": one("Ready", "True", 2) })),
            "open",
        ),
        (
            with(json!({ "conditions": one("Ready", "True", 0) })),
            "open",
        ),
        (
            with(json!({ "conditions": one("Stalled", "True", 1) })),
            "open",
        ),
    ];
    for (live, expected) in cases {
        assert_eq!(says(&live, Told::default(), 0), expected, "{live}");
    }
}

#[test]
fn one_that_told_something_at_its_source_is_waited_for_until_it_does_and_not_for_ever() {
    let silent = json!({ "metadata": { "name": "x" } });
    let empty = json!({ "metadata": { "name": "x" }, "status": {} });
    let phase = json!({ "metadata": { "name": "x" }, "status": { "phase": "Creating" } });
    let status = Told {
        status: true,
        ..Told::default()
    };
    let ready = Told {
        status: true,
        ready: true,
        ..Told::default()
    };
    let cases = [
        (&silent, &Told::default(), 0, "open"),
        (&silent, &status, 0, "closed no-status"),
        (&empty, &status, 29, "closed no-status"),
        (&silent, &status, 30, "assumed no-status"),
        (&phase, &status, 0, "open"),
        (&phase, &ready, 0, "closed not-ready"),
        (&phase, &ready, 299, "closed not-ready"),
        (&phase, &ready, 300, "assumed not-ready"),
    ];
    for (live, told, seconds, expected) in cases {
        assert_eq!(
            says(live, told.clone(), seconds),
            expected,
            "{live} {told:?} {seconds}"
        );
    }
}

#[test]
fn one_that_was_not_ready_at_its_source_is_not_waited_for_for_ever() {
    let unready = conditions(&[("Ready", "False")]);
    for (before, seconds, expected) in [
        (told(&unready), 299, "closed not-ready"),
        (told(&unready), 300, "assumed not-ready"),
        (
            told(&conditions(&[("Ready", "True")])),
            300,
            "closed not-ready",
        ),
        (
            told(&conditions(&[("Available", "True")])),
            300,
            "closed not-ready",
        ),
        // It had no status: nobody knows.
        (Told::default(), 300, "closed not-ready"),
    ] {
        assert_eq!(
            says(&unready, before.clone(), seconds),
            expected,
            "{before:?}"
        );
    }
}

#[test]
fn groups_of_definitions_are_told_from_those_of_kubernetes() {
    let live = conditions(&[("Ready", "False")]);
    for (group_version, expected) in [
        ("cluster.x-k8s.io/v1beta1", "closed not-ready"),
        ("shop.example.com/v1", "closed not-ready"),
        ("policy/v1", "open"),
        ("node.k8s.io/v1", "open"),
    ] {
        assert_eq!(
            Scene::of(group_version, "Thing", live.clone()).says(),
            expected
        );
    }
}

#[test]
fn what_an_object_told_is_read_from_its_record() {
    let parents = json!([{ "conditions": [{ "type": "Accepted", "status": "True" }] }]);
    let cases = [
        (json!({}), (false, false, false)),
        (json!({ "status": {} }), (false, false, false)),
        (json!({ "status": null }), (false, false, false)),
        (json!({ "status": { "phase": "x" } }), (true, false, false)),
        (conditions(&[("Ready", "True")]), (true, true, false)),
        (conditions(&[("Ready", "False")]), (true, false, false)),
        (conditions(&[("Available", "True")]), (true, true, false)),
        (
            json!({ "status": { "parents": parents } }),
            (true, true, false),
        ),
        (
            json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } }),
            (true, false, true),
        ),
        (
            json!({ "status": { "addresses": [{ "value": "x" }] } }),
            (true, false, true),
        ),
    ];
    for (object, expected) in cases {
        let found = told(&object);
        assert_eq!(
            (found.status, found.ready, found.address),
            expected,
            "{object}"
        );
    }
}

#[test]
fn one_that_tells_its_state_in_a_word_is_ready_when_it_says_the_same_again() {
    let of = |word: &str| json!({ "metadata": { "name": "x" }, "status": { "phase": word } });
    let then = told(&of("Running"));
    for (word, seconds, expected) in [
        ("Running", 0, "open"),
        ("Creating", 0, "closed not-ready"),
        ("Creating", 299, "closed not-ready"),
        ("Creating", 300, "assumed not-ready"),
    ] {
        assert_eq!(says(&of(word), then.clone(), seconds), expected, "{word}");
    }
    let silent = json!({ "metadata": { "name": "x" }, "status": { "observedGeneration": 1 } });
    for (seconds, expected) in [
        (0, "closed not-ready"),
        (299, "closed not-ready"),
        (300, "assumed not-ready"),
    ] {
        assert_eq!(says(&silent, then.clone(), seconds), expected, "no word");
    }
    assert_eq!(
        says(&of("Creating"), Told::default(), 0),
        "open",
        "it told none"
    );
    for (then, now) in [
        (
            json!({ "status": "Completed" }),
            json!({ "status": "InProgress" }),
        ),
        (
            json!({ "currentState": "Initialized" }),
            json!({ "currentState": "Provisioning MinIO Statefulset" }),
        ),
        (
            json!({ "cluster": { "status": "ONLINE" } }),
            json!({ "cluster": { "status": "PENDING" } }),
        ),
    ] {
        let of = |status: &Value| json!({ "metadata": { "name": "x" }, "status": status });
        let before = told(&of(&then));
        assert_eq!(says(&of(&then), before.clone(), 0), "open", "{then}");
        assert_eq!(says(&of(&now), before, 0), "closed not-ready", "{now}");
    }
}
