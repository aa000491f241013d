//! The pod that asks: what it may do, and what becomes of one that does not start, ends badly or is refused.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Scene, decided, tcp};
use crate::driver::{Effect, Problem, Verdict};
use crate::probe::*;

#[test]
fn a_pod_asks_once_and_is_gone_before_its_yes_counts() {
    let mut scene = tcp();
    let effects = scene.acts();
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let order: Probe = serde_json::from_str(
        object["spec"]["containers"][0]["env"][0]["value"]
            .as_str()
            .expect("an order"),
    )
    .expect("a probe");
    assert_eq!(order.host, "db.shop.svc");
    assert_eq!(object["metadata"]["namespace"], "refloat-system");
    assert_eq!(object["metadata"]["labels"]["refloat.io/run"], "recovery-1");
    assert_eq!(scene.waits().code, "probe-asking");
    scene.answers(&ProbeAnswer::yes("connected", 3));
    let effects = scene.acts();
    assert!(matches!(
        effects.as_slice(),
        [Effect::Delete { .. }, Effect::Keep(_)]
    ));
    assert!(scene.probe_pod.is_none());
    let Verdict::Done(outcome) = decided(&scene) else {
        panic!("not done");
    };
    assert_eq!(outcome.text("way"), Some("pod"));
    assert_eq!(outcome.text("said"), Some("connected"));
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
#[test]
fn a_probe_pod_keeps_to_the_strictest_standard() {
    let mut scene = tcp();
    let effects = scene.acts();
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let spec = &object["spec"];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        spec["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["restartPolicy"], "Never");
    assert_eq!(spec["nodeSelector"], json!({ "kubernetes.io/os": "linux" }));
    assert!(spec["activeDeadlineSeconds"].as_u64() < Some(200));
    let container = &spec["containers"][0];
    assert_eq!(
        container["securityContext"]["allowPrivilegeEscalation"],
        false
    );
    assert_eq!(
        container["securityContext"]["capabilities"]["drop"],
        json!(["ALL"])
    );
    assert!(container["resources"]["limits"]["cpu"].is_string());
    assert!(spec.get("volumes").is_none());
}

#[test]
fn a_password_goes_from_its_secret_into_the_pod_and_nowhere_else() {
    let mut probe = Probe::new("elsewhere.example.com", None, Ask::Redis);
    probe.credentials = Some(Credentials {
        secret: "cache".to_owned(),
        password_key: "pass".to_owned(),
        user_key: Some("who".to_owned()),
    });
    let mut scene = Scene::new(probe);
    let effects = scene.acts();
    let [Effect::Create { object, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(object["metadata"]["namespace"], "shop");
    let env = &object["spec"]["containers"][0]["env"];
    assert_eq!(
        env[1]["valueFrom"]["secretKeyRef"],
        json!({ "name": "cache", "key": "pass" })
    );
    assert_eq!(
        env[2]["valueFrom"]["secretKeyRef"],
        json!({ "name": "cache", "key": "who" })
    );
    scene.probe_pod.as_mut().expect("a pod")["status"] = json!({ "phase": "Pending", "containerStatuses": [
        { "name": "probe", "state": { "waiting": { "reason": "CreateContainerConfigError", "message": "secret \"cache\" not found" } } },
    ] });
    for _ in 1..3 {
        scene.acts();
        assert_eq!(scene.waits().code, "probe-credentials");
        scene.now += SignedDuration::from_secs(10);
        scene.acts();
        scene.probe_pod.as_mut().expect("a pod")["status"] = json!({ "containerStatuses": [
            { "name": "probe", "state": { "waiting": { "reason": "CreateContainerConfigError" } } },
        ] });
    }
    scene.acts();
    assert!(
        matches!(decided(&scene), Verdict::Stuck(problem) if problem.code == "probe-credentials")
    );
    assert!(scene.probe_pod.is_none());
}

#[test]
fn a_pod_that_is_going_is_waited_for() {
    let mut scene = tcp();
    scene.hears(&ProbeAnswer::yes("connected", 3));
    scene.probe_pod =
        Some(json!({ "metadata": { "uid": "u1", "deletionTimestamp": "2027-01-01T00:00:00Z" } }));
    assert_eq!(scene.waits().code, "probe-going");
    scene.probe_pod = None;
    assert!(matches!(decided(&scene), Verdict::Done(_)));
}

#[test]
fn a_pod_that_starts_says_why_it_does_not() {
    let mut scene = tcp();
    scene.acts();
    let mut with = |status: Value| {
        scene.probe_pod.as_mut().expect("a pod")["status"] = status;
        decided(&scene)
    };
    let waiting = |reason: &str| json!({ "containerStatuses": [{ "name": "probe", "state": { "waiting": { "reason": reason } } }] });
    let unscheduled = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }] });
    assert!(
        matches!(with(unscheduled), Verdict::Wait(why) if why.code == "probe-pod-unscheduled" && why.message.contains("0/1 nodes"))
    );
    assert!(
        matches!(with(waiting("ContainerCreating")), Verdict::Wait(why) if why.code == "probe-asking")
    );
    assert!(
        matches!(with(waiting("ErrImagePull")), Verdict::Wait(why) if why.code == "probe-asking")
    );
    assert!(matches!(with(waiting("ImagePullBackOff")), Verdict::Act(_)));
    assert!(matches!(with(json!(null)), Verdict::Wait(_)));
    assert!(matches!(with(json!("x")), Verdict::Wait(_)));
}

#[test]
fn a_pod_that_the_cluster_refuses_is_its_own_reason() {
    let cases = [
        (
            "quota-exceeded",
            "ResourceQuota of namespace refloat-system",
        ),
        ("admission-denied", "pod-security.kubernetes.io/* "),
        ("forbidden", "grant it"),
    ];
    for (code, hint) in cases {
        let mut scene = tcp();
        let problem = Problem::stuck(code, "pods \"x\" is forbidden", "grant it");
        for times in 1..=3 {
            let Verdict::Act(effects) = decided(&scene) else {
                panic!("no pod is tried");
            };
            scene.ran = refused(&effects[0], &problem, scene.ran.as_ref(), scene.now);
            if times < 3 {
                let why = scene.waits();
                assert_eq!(why.code, "probe-pod-refused");
                assert!(why.message.contains("is forbidden"), "{why:?}");
                assert!(
                    why.takes.contains(hint.trim()) || why.takes.contains("pod-security"),
                    "{why:?}"
                );
            }
            scene.now += SignedDuration::from_secs(11);
        }
        assert!(
            matches!(decided(&scene), Verdict::Stuck(problem) if problem.code == "probe-pod-refused")
        );
    }
    // What passes by itself, and every other object, is left to the loop.
    let retry = Problem::of(crate::driver::Class::Retry, "throttled", "busy", "none");
    let Verdict::Act(effects) = decided(&tcp()) else {
        panic!("no pod is tried");
    };
    assert_eq!(refused(&effects[0], &retry, None, tcp().now), None);
}
