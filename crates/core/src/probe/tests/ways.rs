//! Which way a probe goes, from the first look to a pod that is gone.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::driver::{
    Answer, Effect, ExecAnswer, LOOK_ROUNDS_MAX, Outcome, Problem, Query, Seen, Verdict, Why,
};
use crate::names::RunId;
use crate::probe::*;

/// A cluster in one namespace, and what its containers answer.
pub(super) struct Scene {
    pub(super) probe: Probe,
    pub(super) service: Option<Value>,
    pub(super) pods: Vec<Value>,
    pub(super) client: Option<ExecAnswer>,
    pub(super) probe_pod: Option<Value>,
    pub(super) policies: Vec<Value>,
    pub(super) ran: Option<Outcome>,
    pub(super) attempt: u32,
    pub(super) now: Timestamp,
}

impl Scene {
    pub(super) fn new(probe: Probe) -> Self {
        Self {
            probe,
            service: Some(json!({
                "metadata": { "name": "db", "namespace": "shop" },
                "spec": { "selector": { "app": "db" }, "ports": [{ "port": 80, "targetPort": "main" }] },
            })),
            pods: vec![pod("db-0", "docker.io/library/postgres:17")],
            client: None,
            probe_pod: None,
            policies: Vec::new(),
            ran: None,
            attempt: 0,
            now: Timestamp::from_second(1_800_000_000).expect("a time"),
        }
    }

    pub(super) fn with_client(probe: Probe, answer: ExecAnswer) -> Self {
        Self {
            client: Some(answer),
            ..Self::new(probe)
        }
    }

    fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::Object(object) => Answer::Object(match object.resource.kind.as_str() {
                "Service" => self.service.clone().filter(|_| object.name == "db"),
                "Pod" => self.probe_pod.clone(),
                "Namespace" => Some(json!({
                    "metadata": { "name": object.name, "labels": { "name": object.name } },
                })),
                other => panic!("{other}"),
            }),
            Query::List(list) => Answer::List(match list.resource.kind.as_str() {
                "Pod" => self.pods.clone(),
                "NetworkPolicy" => {
                    let here = |policy: &&Value| {
                        policy
                            .pointer("/metadata/namespace")
                            .and_then(Value::as_str)
                            == list.namespace.as_deref()
                    };
                    self.policies.iter().filter(here).cloned().collect()
                }
                other => panic!("{other}"),
            }),
            Query::Exec(_) => match &self.client {
                Some(answer) => Answer::Exec(answer.clone()),
                None => Answer::Refused(Problem::stuck("command-not-started", "no shell", "none")),
            },
            Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => {
                panic!("{query:?} is asked for")
            }
        }
    }

    fn act(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Create { object, .. } => {
                    assert!(self.probe_pod.is_none(), "a second probe pod");
                    let mut object = object.clone();
                    object["metadata"]["uid"] = json!("u1");
                    self.probe_pod = Some(object);
                }
                Effect::Delete { precondition, .. } => {
                    assert_eq!(precondition.uid.as_deref(), Some("u1"));
                    self.probe_pod = None;
                }
                Effect::Keep(outcome) => {
                    assert!(self.probe_pod.is_none(), "kept before the pod was gone");
                    self.ran = Some(outcome.clone());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn ends(&mut self, message: &str) {
        let pod = self.probe_pod.as_mut().expect("a probe pod");
        pod["status"] = json!({ "phase": "Succeeded", "podIP": "10.9.0.7", "containerStatuses": [
            { "name": "sidecar", "state": { "running": {} } },
            { "name": "probe", "state": { "terminated": { "message": message, "reason": "Completed" } } },
        ] });
    }

    fn answers(&mut self, answer: &ProbeAnswer) {
        self.ends(&serde_json::to_string(answer).expect("plain data"));
    }

    fn acts(&mut self) -> Vec<Effect> {
        match decided(self) {
            Verdict::Act(effects) => {
                self.act(&effects);
                effects
            }
            other => panic!("{other:?}"),
        }
    }

    fn waits(&self) -> Why {
        match decided(self) {
            Verdict::Wait(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// One whole try by a pod.
    fn hears(&mut self, answer: &ProbeAnswer) {
        assert!(matches!(self.acts().as_slice(), [Effect::Create { .. }]));
        self.answers(answer);
        assert_eq!(self.acts().len(), 2);
    }
}

pub(super) fn pod(name: &str, image: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": "db" } },
        "spec": { "containers": [{ "name": "main", "image": image, "ports": [{ "name": "main", "containerPort": 5432 }] }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "main", "state": { "running": {} } }],
        },
    })
}

/// The verdict after as many looks as one turn has.
pub(super) fn decided(scene: &Scene) -> Verdict {
    let run = RunId::new("recovery-1").expect("a name");
    let task = ProbeTask {
        run: &run,
        step: "gate web",
        attempt: scene.attempt,
        namespace: "shop",
        probe: &scene.probe,
        image: "refloat:1",
        ran: scene.ran.as_ref(),
    };
    let mut seen = Seen::default();
    let mut queries = look(&task);
    for _ in 0..=LOOK_ROUNDS_MAX {
        for query in queries {
            let answer = scene.answer(&query);
            seen.insert(query, answer);
        }
        match decide(&task, &seen, scene.now) {
            Verdict::Look(more) => queries = more,
            verdict => return verdict,
        }
    }
    panic!("it never stops looking")
}

fn tcp() -> Scene {
    Scene::new(Probe::new("db", Some(80), Ask::Tcp))
}

fn no(cause: Cause) -> ProbeAnswer {
    ProbeAnswer::no(cause, "said so", 7)
}

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
fn a_no_is_asked_again_after_a_pause_with_a_new_pod() {
    let mut scene = tcp();
    for _ in 0..20 {
        scene.hears(&no(Cause::Refused));
        let why = scene.waits();
        assert_eq!(why.code, "probe-refused");
        assert!(
            why.message.contains("TCP db:80") && why.message.contains("said so"),
            "{why:?}"
        );
        scene.now += SignedDuration::from_secs(4);
    }
    scene.hears(&ProbeAnswer::yes("connected", 3));
    assert!(matches!(decided(&scene), Verdict::Done(_)));
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_up_the_next_try() {
    let mut scene = tcp();
    scene.hears(&no(Cause::Refused));
    scene.now -= SignedDuration::from_hours(5);
    assert!(matches!(scene.acts().as_slice(), [Effect::Create { .. }]));
}

#[test]
fn every_cause_has_its_words_and_only_some_are_for_good() {
    let causes = [
        (Cause::NameUnknown, "probe-name-unknown", false),
        (Cause::NameOther, "probe-name-other", false),
        (Cause::NameUnasked, "probe-name-unasked", false),
        (Cause::Refused, "probe-refused", false),
        (Cause::TimedOut, "probe-timed-out", false),
        (Cause::Unreachable, "probe-unreachable", false),
        (Cause::Silent, "probe-silent", false),
        (Cause::Closed, "probe-closed", false),
        (Cause::Tls, "probe-tls", false),
        (Cause::OtherProtocol, "probe-other-protocol", false),
        (Cause::NotReady, "probe-not-ready", false),
        (Cause::OtherAnswer, "probe-other-answer", false),
        (Cause::BadQuestion, "probe-bad-question", false),
        (Cause::Unauthorized, "probe-unauthorized", true),
        (Cause::BadOrder, "probe-bad-order", true),
    ];
    let protocols = [
        (Ask::Tcp, Some(80)),
        (Ask::Dns { address: None }, None),
        (
            Ask::Http(Http {
                tls: Some(Tls::Verify),
                ..Http::default()
            }),
            None,
        ),
        (Ask::Grpc(Grpc::default()), Some(80)),
        (Ask::Postgresql(Sql::default()), None),
        (
            Ask::Mysql(Sql {
                expected: Some("1".to_owned()),
                ..Sql::default()
            }),
            None,
        ),
        (Ask::Redis, None),
    ];
    for (ask, port) in protocols {
        for (cause, code, for_good) in causes {
            let mut scene = Scene::new(Probe::new("db", port, ask.clone()));
            scene.probe.way = if port.is_some() { Way::Any } else { Way::Pod };
            for _ in 0..2 {
                scene.hears(&no(cause));
                let why = scene.waits();
                assert_eq!(why.code, code);
                assert!(!why.takes.is_empty() && why.failing.is_none(), "{why:?}");
                scene.now += SignedDuration::from_secs(4);
            }
            scene.hears(&no(cause));
            let stuck = matches!(decided(&scene), Verdict::Stuck(_));
            assert_eq!(stuck, for_good, "{cause:?}");
        }
    }
}

#[test]
fn a_name_that_nobody_outside_knows_is_for_good() {
    let mut scene = Scene::new(Probe::new("db.example.com", Some(80), Ask::Tcp));
    for _ in 0..3 {
        scene.hears(&no(Cause::NameUnknown));
        scene.now += SignedDuration::from_secs(4);
    }
    assert!(
        matches!(decided(&scene), Verdict::Stuck(problem) if problem.code == "probe-name-unknown")
    );
}

#[test]
fn a_word_of_an_earlier_engine_does_not_count() {
    let mut scene = tcp();
    scene.acts();
    scene.answers(&ProbeAnswer::yes("connected", 3));
    // Killed here, started again.
    scene.attempt = 1;
    scene.ran = None;
    assert!(matches!(scene.acts().as_slice(), [Effect::Delete { .. }]));
    assert!(matches!(scene.acts().as_slice(), [Effect::Create { .. }]));
}

#[test]
fn a_pod_that_says_nothing_of_ours_is_no_answer() {
    let messages = [
        "",
        "{}",
        "yes",
        "{\"yes\":{}}",
        "[1]",
        "\u{0}",
        "{\"no\":{\"cause\":\"other-things\",\"said\":\"\",\"milliseconds\":1}}",
    ];
    for message in messages {
        let mut scene = tcp();
        scene.acts();
        scene.ends(message);
        scene.acts();
        let why = scene.waits();
        assert_eq!(why.code, "probe-pod-failed", "{message}");
        assert!(scene.probe_pod.is_none());
    }
    let mut scene = tcp();
    scene.acts();
    scene.probe_pod.as_mut().expect("a pod")["status"] =
        json!({ "phase": "Failed", "reason": "DeadlineExceeded" });
    scene.acts();
    assert!(scene.waits().message.contains("DeadlineExceeded"));
    let mut scene = tcp();
    scene.acts();
    scene.ends(r#"{"no":{"cause":"refused","said":"a\u001b[2J\nb","milliseconds":1}}"#);
    scene.acts();
    assert!(
        scene.waits().message.ends_with("a [2J b"),
        "{}",
        scene.waits().message
    );
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

#[test]
fn a_policy_that_keeps_the_probe_out_is_named() {
    let deny = json!({ "metadata": { "name": "deny-all", "namespace": "shop" }, "spec": { "podSelector": {} } });
    let mut scene = tcp();
    scene.policies = vec![deny.clone()];
    scene.hears(&no(Cause::TimedOut));
    let why = scene.waits();
    assert_eq!(why.code, "probe-blocked-by-policy");
    assert!(
        why.message.contains("deny-all") && why.message.contains("namespace shop"),
        "{why:?}"
    );
    // Refused is an answer: the way there is open, whatever a policy says.
    let mut scene = tcp();
    scene.policies = vec![deny.clone()];
    scene.hears(&no(Cause::Refused));
    assert_eq!(scene.waits().code, "probe-refused");
    // A server that is not ready may be silent for its own reasons.
    let mut scene = tcp();
    scene.policies = vec![deny];
    scene.pods[0]["status"]["conditions"] = json!([]);
    scene.hears(&no(Cause::TimedOut));
    assert_eq!(scene.waits().code, "probe-timed-out");
    // No policy, no accusation.
    let mut scene = tcp();
    scene.hears(&no(Cause::TimedOut));
    assert_eq!(scene.waits().code, "probe-timed-out");
}

#[test]
fn a_policy_that_keeps_the_probe_in_is_named() {
    let inside = json!({ "metadata": { "name": "inside", "namespace": "shop" }, "spec": {
        "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": [{ "podSelector": {} }] }],
    } });
    let mut probe = Probe::new("db.example.com", Some(80), Ask::Tcp);
    probe.from = Some("shop".to_owned());
    let mut scene = Scene::new(probe);
    scene.policies = vec![inside];
    scene.hears(&no(Cause::TimedOut));
    let why = scene.waits();
    assert_eq!(why.code, "probe-blocked-by-policy");
    assert!(why.message.contains("does not let out"), "{why:?}");
}

#[test]
fn nobody_is_asked_when_nobody_is_there() {
    let mut scene = tcp();
    scene.service = None;
    assert_eq!(scene.waits().code, "probe-no-service");
    let mut scene = tcp();
    scene.pods[0]["status"]["phase"] = json!("Pending");
    assert_eq!(scene.waits().code, "probe-no-pod");
    let mut scene = tcp();
    scene.pods[0]["metadata"]["deletionTimestamp"] = json!("2027-01-01T00:00:00Z");
    assert_eq!(scene.waits().code, "probe-no-pod");
    // One without a selector has pods that nobody knows.
    let mut scene = tcp();
    scene.service = Some(json!({ "spec": {} }));
    scene.pods.clear();
    assert!(matches!(decided(&scene), Verdict::Act(_)));
    // A name may be asked for before there is anything behind it.
    let mut scene = Scene::new(Probe::new("db", None, Ask::Dns { address: None }));
    scene.service = None;
    assert!(matches!(decided(&scene), Verdict::Act(_)));
}

#[test]
fn the_ways_can_be_chosen() {
    let yes = || ExecAnswer {
        code: Some(0),
        stdout: "PONG\n".to_owned(),
        stderr: String::new(),
    };
    let with = |way, client: Option<ExecAnswer>| {
        let mut scene = Scene::new(Probe::new("db", None, Ask::Redis));
        scene.probe.way = way;
        scene.client = client;
        decided(&scene)
    };
    assert!(matches!(with(Way::Any, Some(yes())), Verdict::Done(_)));
    assert!(matches!(with(Way::Exec, Some(yes())), Verdict::Done(_)));
    assert!(matches!(with(Way::Pod, Some(yes())), Verdict::Act(_)));
    assert!(matches!(with(Way::Any, None), Verdict::Act(_)));
    assert!(
        matches!(with(Way::Exec, None), Verdict::Stuck(problem) if problem.code == "probe-no-client")
    );
}

#[test]
fn the_server_is_asked_in_its_own_container_and_read_only() {
    let mut scene = Scene::new(Probe::new("db", None, Ask::Postgresql(Sql::default())));
    scene.pods[0]["spec"]["containers"] = json!([
        { "name": "exporter", "image": "quay.io/postgres-exporter:1" },
        { "name": "proxy", "image": "proxy:1" },
        { "name": "main", "image": "registry.example.com:5000/library/postgres:17@sha256:0" },
    ]);
    scene.pods[0]["status"]["containerStatuses"] = json!([
        { "name": "exporter", "state": { "running": {} } },
        { "name": "proxy", "state": { "running": {} } },
        { "name": "main", "state": { "running": {} } },
    ]);
    let run = RunId::new("r").expect("a name");
    let task = ProbeTask {
        run: &run,
        step: "s",
        attempt: 0,
        namespace: "shop",
        probe: &scene.probe,
        image: "i",
        ran: None,
    };
    let mut seen = Seen::default();
    for query in look(&task) {
        let answer = scene.answer(&query);
        seen.insert(query, answer);
    }
    let Verdict::Look(queries) = decide(&task, &seen, scene.now) else {
        panic!("nothing is asked");
    };
    let [Query::Exec(request)] = queries.as_slice() else {
        panic!("{queries:?}");
    };
    assert_eq!(request.container.as_deref(), Some("main"));
    assert_eq!(
        request.input,
        "BEGIN READ ONLY\n;\nSELECT 1\n;\nROLLBACK\n;\n"
    );
    assert!(request.limit_seconds <= 10);
}
