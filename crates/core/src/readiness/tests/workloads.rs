//! Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs.

use serde_json::{Value, json};

use super::{Scene, conditions, event, pod, rolled_out, workload};

const KINDS: &[&str] = &["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"];

fn says(kind: &str, live: &Value) -> String {
    Scene::of("apps/v1", kind, live.clone()).says()
}

#[test]
fn a_workload_is_ready_when_its_controller_has_seen_it_and_its_pods_are() {
    for kind in KINDS {
        assert_eq!(says(kind, &workload(&rolled_out())), "open", "{kind}");
        for observed in [1, 3] {
            let mut stale = rolled_out();
            stale["observedGeneration"] = json!(observed);
            assert_eq!(
                says(kind, &workload(&stale)),
                "closed not-observed",
                "{kind}"
            );
        }
        let mut down = rolled_out();
        for field in ["readyReplicas", "availableReplicas", "numberAvailable"] {
            down[field] = json!(0);
        }
        assert_eq!(says(kind, &workload(&down)), "closed rolling-out", "{kind}");
        for nothing in [json!({}), json!(null), json!("x")] {
            assert_eq!(
                says(kind, &workload(&nothing)),
                "closed not-observed",
                "{kind}"
            );
        }
    }
}

#[test]
fn a_deployment_tells_its_deadline_and_one_that_is_paused_never_comes() {
    let mut down = rolled_out();
    down["availableReplicas"] = json!(0);
    down["conditions"] = json!([
        { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" },
    ]);
    assert_eq!(
        says("Deployment", &workload(&down)),
        "failed rollout-failed"
    );
    let mut old = rolled_out();
    old["replicas"] = json!(2);
    assert_eq!(says("Deployment", &workload(&old)), "closed rolling-out");
    let mut paused = workload(&json!({ "observedGeneration": 2 }));
    paused["spec"]["paused"] = json!(true);
    assert_eq!(says("Deployment", &paused), "failed rollout-paused");
    paused["spec"]["replicas"] = json!(0);
    assert_eq!(says("Deployment", &paused), "open");
}

#[test]
fn a_stateful_set_is_of_its_newest_revision() {
    let updating = |strategy: Value, updated: u64| {
        let mut status = rolled_out();
        status["updateRevision"] = json!("b");
        status["updatedReplicas"] = json!(updated);
        let mut live = workload(&status);
        live["spec"]["updateStrategy"] = strategy;
        live
    };
    let rolling = json!({ "type": "RollingUpdate" });
    assert_eq!(
        says("StatefulSet", &updating(rolling, 0)),
        "closed rolling-out"
    );
    let kept = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } });
    assert_eq!(says("StatefulSet", &updating(kept, 0)), "open");
    let by_hand = updating(json!({ "type": "OnDelete" }), 0);
    for (hash, expected) in [("a", "closed rolling-out"), ("b", "open")] {
        let mut pod = pod(&json!({}));
        pod["metadata"]["labels"] = json!({ "controller-revision-hash": hash });
        let scene = Scene::of("apps/v1", "StatefulSet", by_hand.clone()).pods(vec![pod]);
        assert_eq!(scene.says(), expected, "{hash}");
    }
    let mut settling = workload(&rolled_out());
    settling["spec"]["minReadySeconds"] = json!(10);
    assert_eq!(says("StatefulSet", &settling), "open");
    settling["status"]["availableReplicas"] = json!(0);
    assert_eq!(says("StatefulSet", &settling), "closed rolling-out");
}

#[test]
fn pods_that_are_refused_are_told_by_conditions_and_by_events() {
    let quota = "pods \"db-0\" is forbidden: exceeded quota: small";
    let security = "pods \"db-0\" is forbidden: violates PodSecurity \"restricted:latest\"";
    let hook = "Internal error occurred: failed calling webhook \"x\"";
    let cases = [
        (quota, 59, "closed pod-not-created"),
        (quota, 60, "failed quota-exceeded"),
        (security, 5, "failed pod-refused"),
        (hook, 500, "closed pod-not-created"),
    ];
    for (message, seconds, expected) in cases {
        let told = json!({ "observedGeneration": 2, "conditions": [
            { "type": "ReplicaFailure", "status": "True", "message": message },
        ] });
        for kind in ["Deployment", "ReplicaSet"] {
            let scene = Scene::of("apps/v1", kind, workload(&told)).after(seconds);
            assert_eq!(scene.says(), expected, "{kind} {message}");
        }
        for kind in ["StatefulSet", "DaemonSet"] {
            let down = workload(&json!({
                "observedGeneration": 2, "desiredNumberScheduled": 1,
                "currentRevision": "a", "updateRevision": "a",
            }));
            let refused = event(
                (kind, "db", "u-db"),
                ("Warning", "FailedCreate", message),
                1,
            );
            let scene = Scene::of("apps/v1", kind, down.clone())
                .after(seconds)
                .events(vec![refused.clone()]);
            assert_eq!(scene.says(), expected, "{kind} {message}");
            // It went well since.
            let created = event((kind, "db", "u-db"), ("Normal", "SuccessfulCreate", "x"), 0);
            let scene = Scene::of("apps/v1", kind, down)
                .after(seconds)
                .events(vec![refused, created]);
            assert_eq!(scene.says(), "closed rolling-out", "{kind} {message}");
        }
    }
}

#[test]
fn a_job_is_complete_not_begun() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "closed job-running"),
        (&[("Complete", "True")], "open"),
        (&[("SuccessCriteriaMet", "True")], "closed job-running"),
        (&[("Failed", "True")], "failed job-failed"),
        (&[("FailureTarget", "True")], "failed job-failed"),
        (&[("Failed", "False")], "closed job-running"),
    ];
    for (pairs, expected) in cases {
        assert_eq!(
            Scene::of("batch/v1", "Job", conditions(pairs)).says(),
            *expected,
            "{pairs:?}"
        );
    }
    let suspended = json!({ "spec": { "suspend": true } });
    assert_eq!(Scene::of("batch/v1", "Job", suspended).says(), "open");
    let bad = pod(&json!({ "state": { "waiting": { "reason": "ErrImageNeverPull" } } }));
    let scene = Scene::of("batch/v1", "Job", workload(&json!({}))).pods(vec![bad]);
    assert_eq!(scene.says(), "failed image-unavailable");
}

#[test]
fn pods_are_asked_for_by_the_whole_selector() {
    let scene = Scene::of("apps/v1", "Deployment", workload(&json!({})));
    assert_eq!(scene.asks().len(), 1);
    let mut bare = workload(&json!({}));
    bare["spec"]["selector"] = json!({});
    assert_eq!(Scene::of("apps/v1", "Deployment", bare).asks(), Vec::new());
}
