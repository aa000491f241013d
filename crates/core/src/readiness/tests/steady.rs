//! Gates that open only when a state has held; and clocks that differ.

use serde_json::{Value, json};

use super::{AWAY, DENIED, DENIED_SAYS, Scene, ago, pod, rolled_out, waited, workload};

fn restarted(ready_since: &str) -> Value {
    let mut pod = pod(&json!({ "restartCount": 1, "ready": true }));
    pod["status"]["conditions"] = json!([
        { "type": "Ready", "status": "True", "lastTransitionTime": ready_since },
    ]);
    pod
}

#[test]
fn a_workload_that_restarted_must_stay_ready_for_a_while_and_others_open_at_once() {
    let cases = [
        (ago(9), 100, "closed not-steady"),
        (ago(10), 100, "open"),
        // The wait is what counts when their clock is ahead or says nothing.
        (ago(-300), 9, "closed not-steady"),
        (ago(-300), 10, "open"),
        ("yesterday".to_owned(), 10, "open"),
        // Ready for long, and waited for since just now: bounded by the same time.
        (ago(500), 9, "closed not-steady"),
    ];
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        for (since, seconds, expected) in &cases {
            let scene = Scene::of("apps/v1", kind, workload(&rolled_out()))
                .pods(vec![restarted(since)])
                .after(*seconds);
            assert_eq!(scene.says(), *expected, "{kind} {since} {seconds}");
        }
        let calm = pod(&json!({ "restartCount": 0, "ready": true }));
        let scene = Scene::of("apps/v1", kind, workload(&rolled_out())).pods(vec![calm]);
        assert_eq!(scene.says(), "open", "{kind}");
    }
}

#[test]
fn a_workload_whose_pods_were_not_read_is_not_known_to_be_steady() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        let scene = || Scene::of("apps/v1", kind, workload(&rolled_out())).after(300);
        let pods = || scene().asks().remove(0);
        let away = scene().refused(pods(), AWAY);
        assert_eq!(away.says(), "closed unreachable", "{kind}");
        let denied = scene().refused(pods(), DENIED);
        assert_eq!(denied.says_then(), DENIED_SAYS, "{kind}");
    }
}

#[test]
fn a_cluster_that_flaps_must_stay_ready() {
    let live = |since: &str| {
        json!({ "metadata": { "name": "x" }, "status": {
            "state": "ready", "host": "x-haproxy.shop",
            "conditions": [{ "type": "ready", "status": "True", "lastTransitionTime": since }],
        } })
    };
    for (since, seconds, expected) in [
        (ago(4), 60, "closed not-steady"),
        (ago(5), 60, "open"),
        (ago(-100), 60, "open"),
    ] {
        let scene = Scene::of("pxc.percona.com/v1", "PerconaXtraDBCluster", live(&since));
        assert_eq!(scene.after(seconds).says(), expected, "{since}");
    }
}

#[test]
fn time_never_runs_backwards() {
    let none = waited(0);
    assert!(none.waited().is_zero());
    assert!(!none.is_past(1));
    assert!(none.is_past(0));
    assert!(waited(60).is_past(60) && !waited(59).is_past(60));
    assert!(waited(60).has_lasted(None, 60));
    assert!(!waited(60).has_lasted(Some(&ago(10)), 60));
    assert!(waited(60).has_lasted(Some("9999-99-99"), 60));
}
