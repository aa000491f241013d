//! Which workloads have a hook, what a malformed one gets, and what is held how. The holder itself runs under real shells
//! in the testkit's tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::capture::Hold;
use refloat_core::driver::{
    Answer, Claim, Driver, Op, Outcome, Problem, Role, Seen, Task, Verdict,
};
use refloat_core::inventory::{Inventory, Resource, Thing, ThingId};
use refloat_core::names::RunId;
use serde_json::{Value, json};

use super::Hook;

fn workload(annotations: &Value, of_template: &Value) -> Thing {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": "files", "namespace": "shop", "annotations": annotations },
        "spec": {
            "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
            "template": {
                "metadata": { "annotations": of_template },
                "spec": { "containers": [
                    { "name": "proxy", "image": "proxy" },
                    { "name": "files", "image": "files", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] },
                ] },
            },
        },
    });
    let resource = Resource::namespaced("apps/v1", "StatefulSet", "statefulsets");
    Thing::new(resource, object).unwrap()
}

fn claim(annotations: &Value, of_template: &Value) -> Option<Claim> {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data-files-0", "namespace": "shop" },
    });
    let resource = Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims");
    let mut inventory = Inventory::default();
    inventory.insert(Thing::new(resource, claim).unwrap());
    Hook.claim(&workload(annotations, of_template), &inventory)
}

#[test]
fn a_workload_is_claimed_by_its_annotations_or_those_of_its_template() {
    assert!(claim(&json!({}), &json!({ "other": "word" })).is_none());
    let hold = r#"["sh", "-c", "lock"]"#;
    for (own, of_template) in [
        (json!({ "refloat.io/hold-command": hold }), json!({})),
        (json!({}), json!({ "refloat.io/hold-command": hold })),
    ] {
        let claim = claim(&own, &of_template).unwrap();
        assert_eq!(claim.driver, "hook");
        assert_eq!(claim.settings["hold"], hold);
        assert_eq!(claim.settings["container"], "proxy", "the first one");
        let volume = ThingId::namespaced("", "PersistentVolumeClaim", "shop", "data-files-0");
        assert_eq!(claim.volumes, [volume], "volumes of all containers");
    }
    let named = json!({ "refloat.io/hold-command": hold, "refloat.io/hold-container": "files" });
    let claim = claim(&named, &json!({})).unwrap();
    assert_eq!(claim.settings["container"], "files");
}

fn decide(op: Op, settings: &[(&str, &str)], pods: usize) -> Verdict {
    decide_with(op, settings, pods, &json!({}), &BTreeMap::new())
}

fn decide_with(
    op: Op,
    settings: &[(&str, &str)],
    pods: usize,
    more: &Value,
    prior: &BTreeMap<String, Outcome>,
) -> Verdict {
    let mut settings: BTreeMap<String, String> = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    settings.insert("container".to_owned(), "files".to_owned());
    let claim = Claim {
        driver: "hook".to_owned(),
        role: Role::Database,
        thing: ThingId::namespaced("apps", "StatefulSet", "shop", "files"),
        volumes: Vec::new(),
        settings,
        notes: Vec::new(),
    };
    let pod = |number: usize| {
        json!({
            "metadata": {
                "name": format!("files-{number}"),
                "ownerReferences": [{ "kind": "StatefulSet", "name": "files" }],
            },
            "status": {
                "phase": "Running",
                "containerStatuses": [{ "name": "files", "state": { "running": {} } }],
            },
        })
    };
    let mut inputs = BTreeMap::from([("hold_seconds_max".to_owned(), json!(20))]);
    inputs.extend(more.as_object().unwrap().clone());
    let run = RunId::new("backup-1").unwrap();
    let task = Task {
        op,
        run: &run,
        step: "step",
        claim: &claim,
        inputs: &inputs,
        prior,
        ran: None,
    };
    let mut seen = Seen::default();
    for query in Hook.look(&task) {
        seen.insert(query, Answer::List((0..pods).map(pod).collect()));
    }
    Hook.decide(&task, &seen, Timestamp::UNIX_EPOCH)
}

fn refused(settings: &[(&str, &str)], pods: usize) -> Problem {
    match decide(Op::Check, settings, pods) {
        Verdict::Stuck(problem) => problem,
        other => panic!("{settings:?}: {other:?}"),
    }
}

#[test]
fn malformed_hooks_say_what_is_wrong_with_them() {
    for (settings, word) in [
        (&[("hold", "flock /data")][..], "no JSON list of words"),
        (&[("hold", "[]")], "names no program"),
        (&[("hold", "[\"\"]")], "names no program"),
        (&[("hold", "[\"a\\u0000b\"]")], "zero byte"),
        (&[("hold", "[1]")], "no JSON list of words"),
        (&[("freeze", "[\"a\"]")], "needs a `thaw`"),
        (&[("thaw", "[\"a\"]")], "needs a `freeze`"),
        (
            &[("hold", "[\"a\"]"), ("thaw", "[\"a\"]")],
            "either `hold`, or",
        ),
    ] {
        let problem = refused(settings, 1);
        assert_eq!(problem.code, "hook-malformed");
        assert!(problem.message.contains(word), "{}", problem.message);
        assert!(problem.message.contains("shop/files"));
    }
}

#[test]
fn one_running_pod_is_held_and_several_are_refused() {
    let settings = [("hold", r#"["lock", "it's"]"#)];
    assert_eq!(refused(&settings, 2).code, "hook-several-pods");
    let Verdict::Wait(why) = decide(Op::Check, &settings, 0) else {
        panic!("no pod runs");
    };
    assert_eq!(why.code, "pod-not-running");
    let Verdict::Done(checked) = decide(Op::Check, &settings, 1) else {
        panic!("it can be held");
    };
    assert_eq!(checked.text("mode"), Some("held"));
    let evidence = checked.facts["evidence"][0].as_str().unwrap();
    assert!(evidence.contains(r"'lock' 'it'\''s'"), "{evidence}");
}

#[test]
fn what_outlives_its_client_is_undone_from_outside_too() {
    let sticky = hold(&[("freeze", r#"["freeze"]"#), ("thaw", r#"["thaw", "now"]"#)]).sticky;
    let sticky = sticky.unwrap();
    assert_eq!(sticky.command, ["thaw", "now"]);
    assert!(sticky.deadline_seconds >= 20 + 5);
    assert_eq!(hold(&[("hold", r#"["hold"]"#)]).sticky, None);
}

fn hold(settings: &[(&str, &str)]) -> Hold {
    match decide(Op::Capture, settings, 1) {
        Verdict::Done(outcome) => serde_json::from_value(outcome.facts["hold"].clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_holds_are_forbidden_nothing_is_held() {
    let settings = [("hold", r#"["lock"]"#)];
    let none = BTreeMap::new();
    let never = |minimum: &str| json!({ "holds": "never", "minimum_mode": minimum });
    match decide_with(Op::Check, &settings, 1, &never("held"), &none) {
        Verdict::Stuck(problem) => assert_eq!(problem.code, "mode-too-weak"),
        other => panic!("{other:?}"),
    }
    let checked = match decide_with(Op::Check, &settings, 1, &never("crash"), &none) {
        Verdict::Done(checked) => checked,
        other => panic!("{other:?}"),
    };
    assert_eq!(checked.text("mode"), Some("crash"));
    let prior = BTreeMap::from([("check shop/files".to_owned(), checked)]);
    match decide_with(Op::Capture, &settings, 1, &json!({}), &prior) {
        Verdict::Done(outcome) => assert!(outcome.facts.is_empty(), "{outcome:?}"),
        other => panic!("{other:?}"),
    }
}
