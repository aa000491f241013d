//! What pods say, and which of it has failed for good.

use serde_json::{Value, json};

use super::super::Gate;
use super::{AWAY, DENIED, Scene, ago, event, pod, workload};
use crate::driver::{Answer, Query};

fn down() -> Value {
    workload(&json!({ "observedGeneration": 2, "currentRevision": "a", "updateRevision": "a" }))
}

fn with(pods: Vec<Value>, seconds: i64) -> Scene {
    Scene::of("apps/v1", "StatefulSet", down())
        .pods(pods)
        .after(seconds)
}

/// As the engine looks: with answers only to what a look asks for, and these events if it asks for events.
fn looked(mut scene: Scene, events: &[Value]) -> Scene {
    for query in scene.asks() {
        let Query::List(request) = &query else {
            panic!("{query:?}");
        };
        assert_eq!(request.resource.kind, "Event");
        scene.seen.insert(query, Answer::List(events.to_vec()));
    }
    assert_eq!(scene.asks(), Vec::<Query>::new());
    scene
}

fn waiting(reason: &str, restarts: u64) -> Value {
    pod(&json!({ "restartCount": restarts, "state": { "waiting": { "reason": reason } } }))
}

#[test]
fn what_never_passes_fails_at_once_and_what_may_pass_waits() {
    let cases = [
        ("ErrImageNeverPull", 0, 0, "failed image-unavailable"),
        ("InvalidImageName", 0, 0, "failed image-unavailable"),
        // A pull may fail now and go well at the next try: the engine counts for how long it is shown.
        ("ErrImagePull", 0, 0, "failing image-unavailable 120"),
        ("ImagePullBackOff", 0, 500, "failing image-unavailable 120"),
        ("ImageInspectError", 0, 500, "closed image-pulling"),
        ("CrashLoopBackOff", 2, 0, "closed container-crashed"),
        ("CrashLoopBackOff", 4, 500, "closed container-crashed"),
        ("CrashLoopBackOff", 5, 119, "closed container-crashed"),
        ("CrashLoopBackOff", 5, 120, "failed crash-loop"),
        ("CrashLoopBackOff", 8, 0, "failed crash-loop"),
        ("ContainerCreating", 0, 500, "closed container-waiting"),
        // A pod may be younger than the wait: the engine counts for how long it is shown.
        (
            "CreateContainerConfigError",
            0,
            0,
            "failing container-configuration 120",
        ),
        (
            "CreateContainerConfigError",
            0,
            500,
            "failing container-configuration 120",
        ),
    ];
    for (reason, restarts, seconds, expected) in cases {
        let scene = with(vec![waiting(reason, restarts)], seconds);
        assert_eq!(scene.says(), expected, "{reason} {restarts} {seconds}");
        assert!(
            scene.message().contains("0 of 1 ready"),
            "{}",
            scene.message()
        );
        assert!(scene.message().contains(reason), "{}", scene.message());
    }
}

#[test]
fn an_image_that_is_not_there_fails_at_once_and_one_that_cannot_be_pulled_now_does_not() {
    let says = |message: &str| {
        let pause = json!({ "reason": "ImagePullBackOff", "message": message });
        with(vec![pod(&json!({ "state": { "waiting": pause } }))], 0).says()
    };
    let missing = r#"Back-off pulling image "x:1": ErrImagePull: docker.io/library/x:1: not found"#;
    assert_eq!(says(missing), "failed image-unavailable");
    let throttled = r#"Back-off pulling image "x:1": ErrImagePull: pull QPS exceeded"#;
    assert_eq!(says(throttled), "failing image-unavailable 120");
}

#[test]
fn what_fails_when_it_stays_is_told_before_what_only_waits() {
    let slow = waiting("ContainerCreating", 0);
    let pulled = waiting("ImagePullBackOff", 0);
    let scene = with(vec![slow.clone(), pulled.clone()], 0);
    assert_eq!(scene.says(), "failing image-unavailable 120");
    let Gate::Closed(why) = scene.gate() else {
        panic!("it is not closed");
    };
    let problem = why.failing.expect("it fails when it stays").problem;
    assert!(problem.message.starts_with("StatefulSet shop/db: "));
    let mut both = slow;
    both["status"]["containerStatuses"] = json!([
        both["status"]["containerStatuses"][0],
        pulled["status"]["containerStatuses"][0],
    ]);
    assert_eq!(with(vec![both], 0).says(), "failing image-unavailable 120");
}

#[test]
fn a_program_that_cannot_be_started_fails_early_and_a_crash_tells_how_it_ended() {
    let crash = |restarts: u64, reason: &str| {
        pod(&json!({
            "restartCount": restarts, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 137, "reason": reason } },
        }))
    };
    assert_eq!(
        with(vec![crash(1, "StartError")], 0).says(),
        "closed container-crashed"
    );
    assert_eq!(
        with(vec![crash(2, "StartError")], 0).says(),
        "failed container-cannot-start"
    );
    let killed = with(vec![crash(2, "OOMKilled")], 0);
    assert_eq!(killed.says(), "closed container-crashed");
    assert!(
        killed.message().contains("with code 137 (OOMKilled)"),
        "{}",
        killed.message()
    );
}

fn unscheduled(reason: &str, message: &str, since: i64) -> Value {
    let mut pod = pod(&json!({}));
    pod["status"] = json!({ "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": ago(since),
    }] });
    pod["spec"] = json!({ "volumes": [{ "persistentVolumeClaim": { "claimName": "data-db-0" } }] });
    pod
}

#[test]
fn a_pod_without_a_node_waits_as_long_as_one_may_come() {
    let no_node = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. \
                   preemption: 0/2 nodes are available: 2 Insufficient cpu.";
    let no_room =
        "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {a: b}.";
    let volume =
        "pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are available";
    let rebooting = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.";
    let strange = "the stars are wrong";
    let cases = [
        (no_node, 59, 500, "closed pod-unschedulable"),
        (no_node, 500, 59, "closed pod-unschedulable"),
        (no_node, 60, 60, "failed pod-unschedulable"),
        // Its clock is ahead: the wait itself counts.
        (no_node, -500, 60, "failed pod-unschedulable"),
        (no_room, 179, 179, "closed pod-unschedulable"),
        (no_room, 180, 180, "failed pod-unschedulable"),
        (rebooting, 179, 179, "closed pod-unschedulable"),
        (volume, 500, 500, "closed pod-unschedulable"),
        (strange, 500, 500, "closed pod-unschedulable"),
    ];
    for (message, since, seconds, expected) in cases {
        let scene = with(vec![unscheduled("Unschedulable", message, since)], seconds);
        let scene = looked(scene, &[]);
        assert_eq!(scene.says(), expected, "{message} {since} {seconds}");
    }
    // Its events may tell of a node that is being made.
    let scene = || with(vec![unscheduled("Unschedulable", no_node, 60)], 60);
    let events = || scene().asks().remove(0);
    let away = scene().refused(events(), AWAY);
    assert_eq!(away.says(), "closed pod-unschedulable");
    let denied = scene().refused(events(), DENIED);
    assert_eq!(denied.says(), "failed pod-unschedulable");
    let gated = with(vec![unscheduled("SchedulingGated", "gated", 500)], 500);
    assert_eq!(gated.says(), "closed pod-gated");
}

#[test]
fn an_autoscaler_gets_its_time_and_a_claim_tells_why_it_is_not_bound() {
    let no_node = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    let of_pod = ("Pod", "db-0", "u-db-0");
    let no_room = "0/1 nodes are available: 1 Insufficient cpu.";
    let told = event(
        of_pod,
        ("Normal", "TriggeredScaleUp", "pod triggered scale-up"),
        200,
    );
    for message in [no_node, no_room] {
        // Nothing is kept from one look to the next.
        let scene = || with(vec![unscheduled("Unschedulable", message, 300)], 300);
        let scaling = looked(scene(), std::slice::from_ref(&told));
        assert_eq!(scaling.says(), "closed pod-unschedulable");
        assert!(scaling.message().contains("being scaled up"));
        assert_eq!(looked(scene(), &[]).says(), "failed pod-unschedulable");
    }
    let volume = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let claim = event(
        ("PersistentVolumeClaim", "data-db-0", "u"),
        ("Warning", "ProvisioningFailed", "pool is full"),
        5,
    );
    let scene = with(vec![unscheduled("Unschedulable", volume, 30)], 30).events(vec![claim]);
    assert!(
        scene.message().contains("pool is full"),
        "{}",
        scene.message()
    );
}

#[test]
fn the_worst_pod_speaks_and_pods_of_others_do_not() {
    let bad = waiting("ErrImageNeverPull", 0);
    let slow = waiting("ContainerCreating", 0);
    let gone = |mut pod: Value, pointer: &str, value: Value| {
        pod[pointer] = match pod[pointer].as_object() {
            Some(old) => {
                let mut new = old.clone();
                new.extend(value.as_object().unwrap().clone());
                Value::Object(new)
            }
            None => value,
        };
        pod
    };
    assert_eq!(
        with(vec![slow.clone(), bad.clone()], 0).says(),
        "failed image-unavailable"
    );
    let deleted = gone(
        bad.clone(),
        "metadata",
        json!({ "deletionTimestamp": ago(1) }),
    );
    let evicted = gone(bad.clone(), "status", json!({ "phase": "Failed" }));
    let owner = |uid: &str| json!({ "ownerReferences": [{ "kind": "StatefulSet", "controller": true, "uid": uid }] });
    let of_another = gone(bad.clone(), "metadata", owner("u-other"));
    for pod in [deleted, evicted, of_another] {
        assert_eq!(
            with(vec![pod, slow.clone()], 0).says(),
            "closed container-waiting"
        );
    }
    let own = gone(bad, "metadata", owner("u-db"));
    assert_eq!(with(vec![own, slow], 0).says(), "failed image-unavailable");
}

#[test]
fn pods_of_a_deployments_older_template_do_not_speak() {
    let of = |mut pod: Value, template: &str, made: i64| {
        pod["metadata"]["labels"] = json!({ "pod-template-hash": template });
        pod["metadata"]["creationTimestamp"] = json!(ago(made));
        pod
    };
    let says = |kind: &str, pods: Vec<Value>| {
        let down = workload(&json!({ "observedGeneration": 2 }));
        Scene::of("apps/v1", kind, down).pods(pods).says()
    };
    let (bad, slow) = (
        || waiting("ErrImageNeverPull", 0),
        || waiting("ContainerCreating", 0),
    );
    // The older one got a pod anew after the newer had its first.
    let replaced = [
        of(bad(), "old", 5),
        of(bad(), "old", 500),
        of(slow(), "new", 9),
    ];
    assert_eq!(
        says("Deployment", replaced.to_vec()),
        "closed container-waiting"
    );
    assert_eq!(
        says("StatefulSet", replaced.to_vec()),
        "failed image-unavailable"
    );
    let broken = vec![of(slow(), "old", 500), of(bad(), "new", 9)];
    assert_eq!(says("Deployment", broken), "failed image-unavailable");
    let unknown = vec![of(slow(), "new", 9), bad()];
    assert_eq!(says("Deployment", unknown), "failed image-unavailable");
}

#[test]
fn expressions_of_a_selector_count() {
    let with = |expression: Value, labels: Value| {
        let mut live = down();
        live["spec"]["selector"]["matchExpressions"] = json!([expression]);
        let mut bad = waiting("ErrImageNeverPull", 0);
        bad["metadata"]["labels"] = labels;
        Scene::of("apps/v1", "StatefulSet", live)
            .pods(vec![bad])
            .says()
    };
    let (mine, other) = ("failed image-unavailable", "closed rolling-out");
    let tier = |operator: &str| json!({ "key": "tier", "operator": operator, "values": ["a"] });
    let cases = [
        (tier("In"), json!({ "tier": "a" }), mine),
        (tier("In"), json!({ "tier": "b" }), other),
        (tier("NotIn"), json!({ "tier": "a" }), other),
        (tier("NotIn"), json!({}), mine),
        (tier("Exists"), json!({ "tier": "b" }), mine),
        (tier("Exists"), json!({}), other),
        (tier("DoesNotExist"), json!({}), mine),
        (tier("DoesNotExist"), json!({ "tier": "b" }), other),
    ];
    for (expression, labels, expected) in cases {
        assert_eq!(
            with(expression.clone(), labels.clone()),
            expected,
            "{expression} {labels}"
        );
    }
}

#[test]
fn a_probe_that_fails_is_told_in_its_own_words() {
    let mut unready = pod(&json!({ "ready": false, "state": { "running": {} } }));
    unready["status"]["conditions"] = json!([
        { "type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "c" },
    ]);
    let quiet = with(vec![unready.clone()], 10);
    assert_eq!(quiet.says(), "closed pod-not-ready");
    let told = event(
        ("Pod", "db-0", "u-db-0"),
        (
            "Warning",
            "Unhealthy",
            "Readiness probe failed: connection refused",
        ),
        1,
    );
    let scene = with(vec![unready], 10).events(vec![told]);
    assert!(
        scene.message().contains("connection refused"),
        "{}",
        scene.message()
    );
}

#[test]
fn a_pod_of_nobodys_is_ready_or_has_ended_well() {
    let cases = [
        (json!({ "phase": "Succeeded" }), "open"),
        (
            json!({ "conditions": [{ "type": "Ready", "status": "True" }] }),
            "open",
        ),
        (
            json!({ "conditions": [{ "type": "Ready", "status": "False" }] }),
            "closed pod-not-ready",
        ),
        (
            json!({ "conditions": [{ "type": "PodScheduled", "status": "False" }] }),
            "closed pod-unschedulable",
        ),
        (
            json!({ "phase": "Failed", "reason": "Evicted" }),
            "failed pod-failed",
        ),
        (json!({ "phase": "Pending" }), "closed pod-not-ready"),
    ];
    for (status, expected) in cases {
        let live = json!({ "metadata": { "name": "x" }, "status": status });
        assert_eq!(Scene::of("v1", "Pod", live).says(), expected, "{status}");
    }
}
