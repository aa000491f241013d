//! The mode in which a server can be copied: every condition broken once, every refusal by its code.

use refloat_core::driver::{Effect, Op, Outcome, Repeat, Verdict};
use serde_json::{Value, json};

use super::scene::{Scene, claim_id, good, pod};

/// What stands in the refusal when only this is changed.
fn too_weak(change: impl FnOnce(&mut Scene)) -> String {
    let mut scene = good();
    change(&mut scene);
    let problem = scene.problem(Op::Check);
    assert_eq!(problem.code, "mode-too-weak");
    let reasons = problem.message.split("asks for `atomic-volume`: ").last();
    reasons.unwrap_or_default().to_owned()
}

#[test]
fn a_server_that_meets_every_condition_is_taken_as_one_volume_at_one_moment() {
    let outcome = good().outcome(Op::Check);
    assert_eq!(outcome.text("mode"), Some("atomic-volume"));
    assert_eq!(outcome.text("version"), Some("15.18"));
    let evidence = outcome.facts["evidence"].as_array().unwrap();
    let wanted = [
        "fsync = on",
        "full_page_writes = on",
        "not in recovery",
        "one volume",
        "CSI driver btrfs.csi.refloat.io cuts a volume at one moment",
        "data directory /var/lib/postgresql/data/pgdata is on the volume",
        "data, WAL and tablespaces on one file system",
    ];
    assert_eq!(*evidence, wanted.map(Value::from));
}

#[test]
fn each_condition_that_is_broken_is_named_alone() {
    let setting = |key: &'static str| move |scene: &mut Scene| scene.said[key] = json!("off");
    assert_eq!(
        too_weak(setting("fsync")),
        "fsync = off: a crash may lose or tear committed pages"
    );
    assert_eq!(
        too_weak(setting("full_page_writes")),
        "full_page_writes = off: a crash may lose or tear committed pages"
    );
    // Where its files lie is not seen: on which of its volumes, nobody knows.
    let several = too_weak(|scene| scene.claim.volumes.push(claim_id("wal-db-0")));
    assert!(
        several.ends_with("is under none of the mounts"),
        "{several}"
    );
    assert_eq!(
        too_weak(|scene| "64 data /d\n65 wal /w\n".clone_into(&mut scene.devices.1)),
        "data, WAL and tablespaces lie on 2 file systems"
    );
    assert_eq!(
        too_weak(
            |scene| "64 data /d\n64 wal /d/w\n70 tablespace /1\n71 tablespace /2\n"
                .clone_into(&mut scene.devices.1)
        ),
        "data, WAL and tablespaces lie on 3 file systems"
    );
    assert_eq!(
        too_weak(|scene| scene.devices = (1, String::new(), "stat: not found\n".to_owned())),
        "where WAL and tablespaces lie could not be seen: stat: not found"
    );
}

#[test]
fn a_standby_is_not_taken_for_a_server_that_takes_writes() {
    for unsure in [json!(true), Value::Null] {
        let reasons = too_weak(|scene| scene.said["in_recovery"] = unsure);
        assert_eq!(
            reasons,
            "in recovery: a copy of a standby starts as a standby and takes no writes"
        );
    }
}

#[test]
fn a_look_that_saw_only_half_is_not_enough() {
    let reasons = too_weak(|scene| "64 data /d\n".clone_into(&mut scene.devices.1));
    assert!(
        reasons.contains("where the WAL lies could not be seen"),
        "{reasons}"
    );
}

#[test]
fn a_directory_beside_the_mounts_is_named() {
    for directory in [
        "/var/lib/postgresql/database",
        "/var/lib/postgresql",
        "/data",
    ] {
        let reasons = too_weak(|scene| scene.said["data_directory"] = json!(directory));
        assert_eq!(
            reasons,
            format!(
                "data directory {directory} is under none of the mounts (/etc/certs,/var/lib/postgresql/data)"
            )
        );
    }
    let mut scene = good();
    scene.said["data_directory"] = json!("/var/lib/postgresql/data");
    assert_eq!(scene.outcome(Op::Check).text("mode"), Some("atomic-volume"));
}

#[test]
fn a_volume_that_is_not_cut_at_one_moment_or_not_taken_is_named() {
    let reasons = too_weak(|scene| {
        let volume = json!({ "settings": { "csi_driver": "nfs", "atomic": "false" } });
        scene.inputs.insert("volumes".to_owned(), json!([volume]));
    });
    assert_eq!(
        reasons,
        "CSI driver nfs is not known to cut a volume at one moment"
    );
    let reasons = too_weak(|scene| {
        scene.inputs.insert("volumes".to_owned(), json!([]));
    });
    assert_eq!(reasons, "no volume of it is taken");
}

#[test]
fn all_that_is_broken_is_named_at_once_and_may_be_allowed() {
    let broken = |scene: &mut Scene| {
        scene.said["fsync"] = json!("off");
        scene.said["full_page_writes"] = json!("off");
    };
    assert_eq!(too_weak(broken).split("; ").count(), 2);
    let mut scene = good();
    broken(&mut scene);
    scene
        .inputs
        .insert("minimum_mode".to_owned(), json!("crash"));
    let outcome = scene.outcome(Op::Check);
    assert_eq!(outcome.text("mode"), Some("crash"));
    let evidence = outcome.facts["evidence"].to_string();
    assert!(evidence.contains("\"not: fsync = off"), "{evidence}");
}

#[test]
fn more_than_a_volume_can_promise_is_refused() {
    let mut scene = good();
    scene
        .inputs
        .insert("minimum_mode".to_owned(), json!("held"));
    assert_eq!(scene.problem(Op::Check).code, "mode-too-weak");
}

#[test]
fn a_failed_psql_is_told_apart_by_what_it_says() {
    let fatal = |text: &str| format!("psql: error: FATAL:  {text}\n");
    let stuck = [
        (127, "sh: psql: not found".to_owned(), "psql-missing"),
        (126, "exec failed".to_owned(), "psql-missing"),
        (2, fatal("role \"shop\" does not exist"), "database-user"),
        (
            2,
            fatal("password authentication failed for user \"shop\""),
            "database-user",
        ),
        (
            2,
            "psql: error: fe_sendauth: no password supplied".to_owned(),
            "database-user",
        ),
        (
            3,
            "ERROR:  permission denied for function pg_control_system".to_owned(),
            "database-user",
        ),
        (
            2,
            fatal("database \"shop\" does not exist"),
            "database-missing",
        ),
        (3, "ERROR:  division by zero".to_owned(), "database-error"),
    ];
    for (code, text, wanted) in stuck {
        for op in [Op::Check, Op::Ready] {
            let mut scene = good();
            scene.psql = (Some(code), text.clone());
            assert_eq!(scene.problem(op).code, wanted, "{text}");
        }
    }
    let waits = [
        (
            Some(2),
            fatal("the database system is starting up"),
            "database-starting",
        ),
        (
            Some(2),
            fatal("the database system is shutting down"),
            "database-starting",
        ),
        (
            Some(2),
            fatal("the database system is in recovery mode"),
            "database-starting",
        ),
        (
            Some(2),
            "psql: error: connection to server on socket \"/x\" failed: No such file or directory"
                .to_owned(),
            "database-down",
        ),
        (
            Some(2),
            "psql: could not connect to server".to_owned(),
            "database-down",
        ),
        (None, String::new(), "database-slow"),
    ];
    for (code, text, wanted) in waits {
        for op in [Op::Check, Op::Ready] {
            let mut scene = good();
            scene.psql = (code, text.clone());
            assert_eq!(scene.wait(op), wanted, "{text}");
        }
    }
}

#[test]
fn a_server_without_a_free_connection_is_waited_for() {
    for text in [
        "connection to server failed: FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for non-replication superuser connections",
    ] {
        let mut scene = good();
        scene.psql = (Some(2), text.to_owned());
        assert_eq!(scene.wait(Op::Check), "database-full", "{text}");
    }
}

#[test]
fn an_answer_that_is_none_is_not_guessed_at() {
    for said in [json!("text"), json!(17)] {
        let mut scene = good();
        scene.said = said;
        assert_eq!(scene.problem(Op::Check).code, "database-answer");
    }
}

#[test]
fn only_the_workloads_own_running_pod_is_asked() {
    let stateful_set = |name: &str| json!({ "kind": "StatefulSet", "name": name });
    let cases = [
        ("no pod", vec![]),
        (
            "another's pod",
            vec![pod(&stateful_set("other"), "Running")],
        ),
        (
            "a Deployment of that name",
            vec![pod(
                &json!({ "kind": "ReplicaSet", "name": "db-5d9f" }),
                "Running",
            )],
        ),
        ("pending", vec![pod(&stateful_set("db"), "Pending")]),
    ];
    for (what, pods) in cases {
        let mut scene = good();
        scene.pods = pods;
        assert_eq!(scene.wait(Op::Check), "pod-not-running", "{what}");
    }
    let mut scene = good();
    scene.pods[0]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(scene.wait(Op::Ready), "pod-not-running", "it is going");
    let mut scene = good();
    scene.pods[0]["status"]["containerStatuses"][0]["state"] = json!({ "waiting": {} });
    assert_eq!(
        scene.wait(Op::Ready),
        "pod-not-running",
        "its container waits"
    );
}

#[test]
fn a_container_that_is_not_there_is_named_with_those_that_are() {
    let mut scene = good();
    scene
        .claim
        .settings
        .insert("container".to_owned(), "pg".to_owned());
    let problem = scene.problem(Op::Check);
    assert_eq!(problem.code, "container-missing");
    assert!(problem.hint.contains("postgres, exporter"), "{problem:?}");
}

#[test]
fn the_pod_of_a_deployment_is_known_by_its_replica_set() {
    let mut scene = good();
    "Deployment".clone_into(&mut scene.claim.thing.kind);
    let asked = |scene: &mut Scene, set: &str| {
        let owner = json!({ "kind": "ReplicaSet", "name": set });
        scene.pods = vec![pod(&owner, "Running")];
        matches!(scene.decide(Op::Check), Verdict::Done(_))
    };
    assert!(asked(&mut scene, "db-5d9f"));
    assert!(
        !asked(&mut scene, "db-replica-5d9f"),
        "another Deployment's"
    );
}

#[test]
fn a_checkpoint_is_asked_for_once_and_its_answer_is_the_servers_identity() {
    let mut scene = good();
    let Verdict::Act(effects) = scene.decide(Op::Capture) else {
        panic!("it asks for nothing");
    };
    let [Effect::Exec { request, repeat }] = effects.as_slice() else {
        panic!("not one command: {effects:?}");
    };
    assert_eq!(*repeat, Repeat::Safe);
    assert!(request.input.trim_start().starts_with("CHECKPOINT;"));
    let ran = |code: i32, stdout: &str| {
        Outcome::default()
            .with("code", code)
            .with("stdout", stdout)
            .with("stderr", "FATAL:  the database system is starting up")
    };
    scene.ran = Some(ran(0, "{\"redo_lsn\": \"0/3000028\", \"timeline\": 1}\n"));
    let outcome = scene.outcome(Op::Capture);
    assert_eq!(outcome.text("redo_lsn"), Some("0/3000028"));
    scene.ran = Some(ran(2, ""));
    assert_eq!(
        scene.problem(Op::Capture).code,
        "database-starting",
        "one try"
    );
}
