//! Which workloads are servers, in which mode each can be copied, and what is said on the session that holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::capture::Hold;
use refloat_core::driver::{
    Answer, Claim, Driver, ExecAnswer, Op, Outcome, Problem, Query, Role, Seen, Task, Verdict,
};
use refloat_core::inventory::{Inventory, Resource, Thing, ThingId};
use refloat_core::names::RunId;
use serde_json::{Value, json};

use super::Mariadb;
use super::hold::Version;

struct Scene {
    said: Value,
    client: (Option<i32>, String),
    places: (i32, String),
    atomic: &'static str,
    mounts: Value,
    inputs: BTreeMap<String, Value>,
    prior: BTreeMap<String, Outcome>,
}

fn good() -> Scene {
    Scene {
        said: json!({
            "version": "10.11.18-MariaDB-log", "data_directory": "/var/lib/mysql/", "read_only": "0", "doublewrite": "1", "replicates": 0,
            "innodb_read_only": 0, "force_recovery": 0, "flush_log_at_commit": 1, "log_bin": 1,
            "sync_binlog": 1, "log_directory": "./", "undo_directory": "./", "home_directory": null,
            "other_tables": 0, "other_engines": null, "long": 0,
        }),
        client: (Some(0), String::new()),
        places: (0, "/var/lib/mysql\n".repeat(4)),
        atomic: "true",
        mounts: json!([{ "name": "data", "mountPath": "/var/lib/mysql" }]),
        inputs: BTreeMap::new(),
        prior: BTreeMap::new(),
    }
}

impl Scene {
    fn answer(&self, query: &Query) -> Answer {
        let Query::Exec(request) = query else {
            return Answer::List(vec![json!({
                "metadata": { "name": "db-0", "ownerReferences": [{ "kind": "StatefulSet", "name": "db" }] },
                "spec": {
                    "containers": [{ "name": "server", "volumeMounts": self.mounts }],
                    "volumes": [
                        { "name": "data", "persistentVolumeClaim": { "claimName": "data-db-0" } },
                        { "name": "redo", "persistentVolumeClaim": { "claimName": "redo-db-0" } },
                    ],
                },
                "status": {
                    "phase": "Running",
                    "containerStatuses": [{ "name": "server", "state": { "running": {} } }],
                },
            })]);
        };
        assert_eq!(request.container.as_deref(), Some("server"));
        let is_client = request.command[2].contains("--skip-reconnect");
        let (code, stdout, stderr) = if is_client {
            (
                self.client.0,
                format!("{}\n", self.said),
                self.client.1.clone(),
            )
        } else {
            (
                Some(self.places.0),
                self.places.1.clone(),
                "sh: cd: no".to_owned(),
            )
        };
        Answer::Exec(ExecAnswer {
            code,
            stdout,
            stderr,
        })
    }

    fn decide(&self, op: Op) -> Verdict {
        let claim = Claim {
            driver: "mariadb".to_owned(),
            role: Role::Database,
            thing: ThingId::namespaced("apps", "StatefulSet", "shop", "db"),
            volumes: Vec::new(),
            settings: [("container", "server"), ("user", "root")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            notes: Vec::new(),
        };
        let volume = |name: &str| {
            json!({
                "claim": format!("shop/{name}-db-0"),
                "settings": { "csi_driver": "some.driver", "atomic": self.atomic },
            })
        };
        let mut inputs = self.inputs.clone();
        inputs.insert(
            "volumes".to_owned(),
            json!([volume("data"), volume("redo")]),
        );
        let task = Task {
            op,
            run: &RunId::new("run-1").unwrap(),
            step: "step",
            claim: &claim,
            inputs: &inputs,
            prior: &self.prior,
            ran: None,
        };
        let mut seen = Seen::default();
        let mut queries = Mariadb.look(&task);
        for _ in 0..5 {
            for query in queries {
                let answer = self.answer(&query);
                seen.insert(query, answer);
            }
            match Mariadb.decide(&task, &seen, Timestamp::UNIX_EPOCH) {
                Verdict::Look(more) => queries = more,
                verdict => return verdict,
            }
        }
        panic!("it reads for ever");
    }

    fn outcome(&self, op: Op) -> Outcome {
        match self.decide(op) {
            Verdict::Done(outcome) => outcome,
            other => panic!("not done: {other:?}"),
        }
    }

    fn problem(&self, op: Op) -> Problem {
        match self.decide(op) {
            Verdict::Stuck(problem) => problem,
            other => panic!("not stuck: {other:?}"),
        }
    }

    fn waits(&self, op: Op) -> String {
        match self.decide(op) {
            Verdict::Wait(why) => why.code,
            other => panic!("it does not wait: {other:?}"),
        }
    }
}

fn too_weak(change: impl FnOnce(&mut Scene)) -> String {
    let mut scene = good();
    change(&mut scene);
    let problem = scene.problem(Op::Check);
    assert_eq!(problem.code, "mode-too-weak");
    let reasons = problem.message.split("asks for `atomic-volume`: ").last();
    reasons.unwrap_or_default().to_owned()
}

#[test]
fn a_server_on_one_volume_is_held() {
    let outcome = good().outcome(Op::Check);
    assert_eq!(outcome.text("mode"), Some("held"));
    assert_eq!(outcome.text("version"), Some("10.11.18-MariaDB-log"));
}

#[test]
fn each_condition_that_is_broken_is_named_alone() {
    assert_eq!(
        too_weak(|scene| scene.said["flush_log_at_commit"] = json!(2)),
        "innodb_flush_log_at_trx_commit is not 1: a crash may lose committed transactions"
    );
    for on in [json!(1), json!("1"), json!("ON"), Value::Null] {
        assert!(too_weak(|scene| scene.said["read_only"] = on).starts_with("read_only"));
    }
    for off in [json!("0"), json!("OFF"), json!("DETECT_ONLY")] {
        let reason = too_weak(|scene| scene.said["doublewrite"] = off);
        assert!(reason.starts_with("innodb_doublewrite is off"), "{reason}");
    }
    let replica = too_weak(|scene| scene.said["replicates"] = json!(2));
    assert!(
        replica.starts_with("it replicates from another server"),
        "{replica}"
    );
    let old = too_weak(|scene| scene.said["version"] = json!("5.7.44"));
    assert!(old.starts_with("version 5.7.44 cannot be held"), "{old}");
    assert_eq!(
        too_weak(|scene| scene.atomic = "false"),
        "CSI driver some.driver is not known to cut a volume at one moment"
    );
    let forbidden = too_weak(|scene| {
        scene.inputs.insert("holds".to_owned(), json!("never"));
    });
    assert_eq!(
        forbidden,
        "holds are forbidden by the protection (`capture.holds: never`)"
    );
    let apart = too_weak(|scene| {
        scene.mounts = json!([
            { "name": "data", "mountPath": "/var/lib/mysql" }, { "name": "redo", "mountPath": "/redo" },
        ]);
        scene.places.1 = "/var/lib/mysql\n/redo\n/var/lib/mysql\n/var/lib/mysql\n".to_owned();
    });
    assert!(apart.contains("InnoDB's files lie on 2 volumes"), "{apart}");
    let away = too_weak(|scene| scene.places.1 = "/elsewhere\n".to_owned());
    assert_eq!(away, "/elsewhere is under none of the mounts");
    assert!(too_weak(|scene| scene.places.0 = 1).contains("could not be seen: sh: cd: no"));
}

#[test]
fn tables_that_are_not_transactional_are_said_in_the_point() {
    let mut scene = good();
    scene.said["other_tables"] = json!(3);
    scene.said["other_engines"] = json!("Aria,MyISAM");
    let evidence = |scene: &Scene| scene.outcome(Op::Check).facts["evidence"].to_string();
    assert!(
        evidence(&scene)
            .contains("3 tables are not InnoDB (Aria,MyISAM): taken whole under the hold")
    );
    scene.atomic = "false";
    scene
        .inputs
        .insert("minimum_mode".to_owned(), json!("crash"));
    assert!(evidence(&scene).contains("may be torn in this copy"));
    assert_eq!(scene.outcome(Op::Check).text("mode"), Some("crash"));
}

#[test]
fn what_the_client_says_is_told_apart() {
    for (code, said, expected) in [
        (
            1,
            "ERROR 1045 (28000): Access denied for user 'root'",
            "database-user",
        ),
        (127, "no mariadb or mysql client", "client-missing"),
        (
            1,
            "--------------\nERROR 1193 (HY000) at line 2: Unknown system variable",
            "database-error",
        ),
    ] {
        let mut scene = good();
        scene.client = (Some(code), said.to_owned());
        assert_eq!(scene.problem(Op::Check).code, expected);
    }
    for (code, said, expected) in [
        (
            Some(1),
            "ERROR 2002 (HY000): Can't connect to local server",
            "database-down",
        ),
        (
            Some(1),
            "ERROR 1040 (08004): Too many connections",
            "database-down",
        ),
        (None, "", "database-slow"),
    ] {
        let mut scene = good();
        scene.client = (code, said.to_owned());
        assert_eq!(scene.waits(Op::Check), expected);
    }
}

fn held(version: &str) -> Hold {
    let mut scene = good();
    scene.said["version"] = json!(version);
    let checked = scene.outcome(Op::Check);
    scene.prior.insert("check shop/db".to_owned(), checked);
    let outcome = scene.outcome(Op::Capture);
    serde_json::from_value(outcome.facts["hold"].clone()).unwrap()
}

#[test]
fn long_statements_are_waited_for_before_anything_is_locked() {
    let mut scene = good();
    let checked = scene.outcome(Op::Check);
    scene.prior.insert("check shop/db".to_owned(), checked);
    scene.said["long"] = json!(2);
    assert_eq!(scene.waits(Op::Capture), "long-statement");
    // Without a hold nothing is locked, and nothing is waited for.
    let crash = Outcome::default().with("mode", "crash");
    scene.prior.insert("check shop/db".to_owned(), crash);
    assert!(!scene.outcome(Op::Capture).facts.contains_key("hold"));
}

#[test]
fn commits_are_blocked_last_and_every_statement_has_a_limit_below_the_deadline() {
    let hold = held("10.11.18-MariaDB-log");
    assert!(hold.freezes);
    let said: Vec<&str> = hold.open.iter().map(|one| one.text.as_str()).collect();
    for limit in [
        "wait_timeout = 5",
        "lock_wait_timeout = 4",
        "max_statement_time = 4",
    ] {
        assert!(said[0].contains(limit), "{}", said[0]);
    }
    assert!(!said[1].contains("BLOCK_COMMIT") && said[1].contains("BLOCK_DDL"));
    assert!(said[2].starts_with("BACKUP STAGE BLOCK_COMMIT; SELECT JSON_OBJECT('gtid'"));
    assert!(
        hold.prove
            .last()
            .unwrap()
            .text
            .starts_with("BACKUP STAGE END;")
    );
    let beat = hold.session.beat.unwrap();
    assert!(beat.every_milliseconds + beat.late_milliseconds < 5000);
}

#[test]
fn servers_without_stages_are_locked() {
    let hold = held("8.0.36");
    assert!(
        hold.open[2]
            .text
            .starts_with("FLUSH TABLES WITH READ LOCK;")
    );
    assert!(hold.open[2].text.contains("performance_schema.log_status"));
    let proof = &hold.prove.last().unwrap().text;
    let seen = proof.find("metadata_locks").unwrap();
    assert!(seen < proof.find("UNLOCK TABLES").unwrap(), "{proof}");
    let hold = held("5.5.5-10.3.39-MariaDB");
    assert!(
        hold.open[2]
            .text
            .starts_with("FLUSH TABLES WITH READ LOCK;")
    );
    assert!(!hold.prove.last().unwrap().text.contains("metadata_locks"));
}

#[test]
fn versions_are_told_apart() {
    for (text, version) in [
        (
            "10.11.18-MariaDB-0+deb12u1-log",
            Some(Version::MariadbStaged),
        ),
        ("10.4.1-MariaDB", Some(Version::MariadbStaged)),
        ("10.4.0-MariaDB", Some(Version::Mariadb)),
        ("11.4.2-MariaDB-ubu2404", Some(Version::MariadbStaged)),
        ("5.5.5-10.3.39-MariaDB-log", Some(Version::Mariadb)),
        ("8.0.36-28", Some(Version::Mysql)),
        ("9.1.0", Some(Version::Mysql)),
        ("5.7.44", None),
        ("", None),
        ("x", None),
    ] {
        assert_eq!(Version::of(text), version, "{text}");
    }
}

#[test]
fn a_server_that_takes_no_writes_is_waited_for() {
    assert_eq!(
        good().outcome(Op::Ready).text("version"),
        Some("10.11.18-MariaDB-log")
    );
    for key in ["read_only", "innodb_read_only", "force_recovery"] {
        for value in [json!(1), Value::Null] {
            let mut scene = good();
            scene.said[key] = value;
            assert_eq!(scene.waits(Op::Ready), "database-read-only", "{key}");
        }
    }
}

fn claims(container: &Value) -> bool {
    let thing = |resource: Resource, object: Value| Thing::new(resource, object).unwrap();
    let claim = thing(
        Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        json!({ "metadata": { "name": "data-db-0", "namespace": "shop" } }),
    );
    let set = thing(
        Resource::namespaced("apps/v1", "StatefulSet", "statefulsets"),
        json!({
            "metadata": { "name": "db", "namespace": "shop" },
            "spec": {
                "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
                "template": { "spec": { "containers": [container] } },
            },
        }),
    );
    let inventory = Inventory::of([claim, set.clone()]);
    Mariadb.claim(&set, &inventory).is_some()
}

#[test]
fn servers_are_known_by_image_variable_or_program() {
    let mounts = json!([{ "name": "data", "mountPath": "/var/lib/mysql" }]);
    let with = |extra: Value| {
        let mut container = json!({ "name": "server", "volumeMounts": mounts });
        for (key, value) in extra.as_object().into_iter().flatten() {
            container[key] = value.clone();
        }
        container
    };
    for known in [
        json!({ "image": "docker.io/library/mariadb:10.11" }),
        json!({ "image": "mysql@sha256:abc" }),
        json!({ "image": "own/database:1", "env": [{ "name": "MYSQL_ROOT_PASSWORD", "value": "x" }] }),
        json!({ "image": "own/database:1", "command": ["/usr/sbin/mariadbd", "--user=mysql"] }),
    ] {
        assert!(claims(&with(known.clone())), "{known}");
    }
    for other in [
        json!({ "image": "postgres:15" }),
        json!({ "image": "own/mysql-client-of-mine:1" }),
        json!({ "image": "mariadb:10", "volumeMounts": [] }),
    ] {
        assert!(!claims(&with(other.clone())), "{other}");
    }
}
