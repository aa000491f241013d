//! The other ways, and what is not asked: policies, nobody there, the way that the user chose.

use serde_json::json;

use super::{Scene, decided, no, tcp};
use crate::driver::{ExecAnswer, Query, Seen, Verdict};
use crate::names::RunId;
use crate::probe::*;

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
fn with_credentials_a_pod_asks_where_a_client_in_a_container_is_refused() {
    let no_server = "ERROR 2002 (HY000): Can't connect to local server through socket";
    let not_root = "ERROR 1045 (28000): Access denied for user 'root'@'localhost'";
    let unready = "ERROR 1040 (08004): Too many connections";
    let asked = |stderr: &str, way, credentials: bool| {
        let answer = ExecAnswer {
            code: Some(1),
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        let probe = Probe::new("db", None, Ask::Mysql(Sql::default()));
        let mut scene = Scene::with_client(probe, answer);
        scene.probe.way = way;
        scene.probe.credentials = credentials.then(|| Credentials {
            secret: "shop".to_owned(),
            password_key: "password".to_owned(),
            user_key: None,
        });
        decided(&scene)
    };
    for refused in [no_server, not_root] {
        assert!(matches!(asked(refused, Way::Any, true), Verdict::Act(_)));
        assert!(matches!(asked(refused, Way::Exec, true), Verdict::Wait(_)));
        assert!(matches!(asked(refused, Way::Any, false), Verdict::Wait(_)));
    }
    assert!(matches!(asked(unready, Way::Any, true), Verdict::Wait(_)));
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
