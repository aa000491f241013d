//! When a command in a ready pod opens a gate, and what is said until then.

use serde_json::{Value, json};

use super::{decide, gating, seen, web};
use crate::driver::{Answer, Class, ExecAnswer, ExecRequest, ListRequest, Problem, Query, Verdict};
use crate::inventory::Resource;

fn pods(list: Vec<Value>) -> (Query, Answer) {
    let request = ListRequest {
        resource: Resource::namespaced("v1", "Pod", "pods"),
        namespace: Some("shop".to_owned()),
        labels: [("app".to_owned(), "web".to_owned())].into(),
    };
    (Query::List(request), Answer::List(list))
}

fn pod(name: &str, ready: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "shop" },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] },
    })
}

fn asked(answer: Answer) -> Verdict {
    let warm = gating(
        json!({ "exec": { "container": "web", "command": ["/bin/warm", "--check"], "trySeconds": 7 } }),
    );
    let mut seen = seen(web());
    let (query, list) = pods(vec![
        pod("web-3", "True"),
        pod("web-1", "False"),
        pod("web-2", "True"),
    ]);
    let Verdict::Look(queries) = decide(&warm, &seen) else {
        panic!("it does not look for pods");
    };
    assert_eq!(queries, std::slice::from_ref(&query));
    seen.insert(query, list);
    let Verdict::Look(queries) = decide(&warm, &seen) else {
        panic!("it does not run the command");
    };
    let request = ExecRequest {
        namespace: "shop".to_owned(),
        pod: "web-2".to_owned(),
        container: Some("web".to_owned()),
        command: vec!["/bin/warm".to_owned(), "--check".to_owned()],
        input: String::new(),
        limit_seconds: 7,
    };
    assert_eq!(queries, [Query::Exec(request.clone())]);
    seen.insert(Query::Exec(request), answer);
    decide(&warm, &seen)
}

fn ended(code: Option<i32>, stdout: &str, stderr: &str) -> Answer {
    Answer::Exec(ExecAnswer {
        code,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    })
}

#[test]
fn a_command_opens_by_exit_code_0_in_a_ready_pod() {
    assert!(matches!(
        asked(ended(Some(0), "warm\n", "")),
        Verdict::Done(_)
    ));
    for (answer, message) in [
        (
            ended(Some(3), "12 of 40\n", "cold:\n  12 of 40 loaded \u{7}\n\n"),
            "`/bin/warm --check` in pod web-2 ended with code 3: 12 of 40 loaded",
        ),
        (
            ended(Some(1), "", ""),
            "`/bin/warm --check` in pod web-2 ended with code 1",
        ),
        (
            ended(None, "still at it\n", ""),
            "`/bin/warm --check` in pod web-2 did not end within 7 s: still at it",
        ),
    ] {
        let Verdict::Wait(why) = asked(answer) else {
            panic!("it is open: {message}");
        };
        assert_eq!(why.message, message);
    }
    let refused = Problem::of(
        Class::Wait,
        "pod-not-running",
        "pod web-2 does not run",
        "wait",
    );
    assert!(matches!(asked(Answer::Refused(refused)), Verdict::Wait(_)));
    let refused = Problem::stuck("forbidden", "no exec", "grant it");
    let Verdict::Stuck(problem) = asked(Answer::Refused(refused)) else {
        panic!("it waits for what will not come");
    };
    assert!(
        problem.hint.contains("--skip-gate ready"),
        "{}",
        problem.hint
    );
}

#[test]
fn without_a_ready_pod_a_command_waits() {
    let warm = gating(json!({ "exec": { "command": ["true"] } }));
    let mut seen = seen(web());
    let (query, list) = pods(vec![pod("web-1", "False")]);
    seen.insert(query, list);
    let Verdict::Wait(why) = decide(&warm, &seen) else {
        panic!("it is open");
    };
    assert_eq!(why.message, "Deployment.apps shop/web has no ready pod");
    assert!(why.failing.is_none());
}

#[test]
fn a_workload_that_is_scaled_to_0_is_told_and_needs_a_person_before_the_limit() {
    let warm = gating(json!({ "exec": { "command": ["true"] } }));
    let mut live = web();
    live["spec"]["replicas"] = json!(0);
    let mut seen = seen(live);
    let (query, list) = pods(Vec::new());
    seen.insert(query, list);
    let Verdict::Wait(why) = decide(&warm, &seen) else {
        panic!("it is open");
    };
    assert!(why.message.contains("has 0 replicas"), "{}", why.message);
    let failing = why.failing.expect("it fails when it stays");
    assert_eq!(failing.seconds, 60);
    let hint = &failing.problem.hint;
    assert!(hint.contains("--skip-gate ready"), "{hint}");
}
