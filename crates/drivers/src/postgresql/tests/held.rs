//! Servers on several volumes: what a hold needs, what it says on its session, what a restore changes.

use refloat_core::capture::Hold;
use refloat_core::driver::{Op, Outcome, Verdict};
use refloat_core::recovery::Edit;
use serde_json::{Value, json};

use super::scene::{Scene, claim_id, good};

/// Data, WAL and one tablespace on a volume each.
fn spread() -> Scene {
    let mut scene = good();
    let names = ["data-db-0", "wal-db-0", "space"];
    scene.claim.volumes = names.map(claim_id).to_vec();
    let volume = |name: &str| {
        json!({
            "claim": format!("shop/{name}"),
            "settings": { "csi_driver": "some.driver", "atomic": "false" },
        })
    };
    let volumes = Value::Array(names.map(volume).to_vec());
    scene.inputs.insert("volumes".to_owned(), volumes);
    scene.pods[0]["spec"] = json!({
        "containers": [{ "name": "postgres", "volumeMounts": [
            { "name": "data", "mountPath": "/var/lib/postgresql/data/" },
            { "name": "wal", "mountPath": "/wal", "subPath": "db/0" },
            { "name": "space", "mountPath": "/space" },
            { "name": "scratch", "mountPath": "/scratch" },
        ] }],
        "volumes": [
            { "name": "data", "persistentVolumeClaim": { "claimName": "data-db-0" } },
            { "name": "wal", "persistentVolumeClaim": { "claimName": "wal-db-0" } },
            { "name": "space", "persistentVolumeClaim": { "claimName": "space" } },
            { "name": "scratch", "emptyDir": {} },
        ],
    });
    "64 data /var/lib/postgresql/data/pgdata\n65 wal /wal/pg_wal\n66 tablespace /space/one\n"
        .clone_into(&mut scene.devices.1);
    for (key, value) in [
        ("version_number", json!(150_018)),
        ("wal_level", json!("replica")),
        ("segment_bytes", json!(16_777_216)),
        ("slots_free", json!(10)),
        ("may_replicate", json!(true)),
        ("may_hold", json!(true)),
        ("may_stop", json!(true)),
    ] {
        scene.said[key] = value;
    }
    scene
}

fn too_weak(change: impl FnOnce(&mut Scene)) -> String {
    let mut scene = spread();
    change(&mut scene);
    let problem = scene.problem(Op::Check);
    assert_eq!(problem.code, "mode-too-weak");
    let reasons = problem.message.split("asks for `atomic-volume`: ").last();
    reasons.unwrap_or_default().to_owned()
}

#[test]
fn a_server_on_several_volumes_is_held() {
    let outcome = spread().outcome(Op::Check);
    assert_eq!(outcome.text("mode"), Some("held"), "{outcome:?}");
    let layout = &outcome.facts["layout"];
    assert_eq!(
        layout["wal"],
        json!({ "part": "shop/wal-db-0", "path": "db/0/pg_wal" })
    );
    assert_eq!(layout["data"]["path"], "pgdata");
    assert_eq!(layout["tablespaces"][0]["part"], "shop/space");
    let mut asked = spread();
    asked
        .inputs
        .insert("minimum_mode".to_owned(), json!("held"));
    assert_eq!(asked.outcome(Op::Check).text("mode"), Some("held"));
}

#[test]
fn each_condition_of_a_hold_that_is_broken_is_named_alone() {
    let set = |key: &'static str, value: Value| move |scene: &mut Scene| scene.said[key] = value;
    for (key, value, reason) in [
        (
            "fsync",
            json!("off"),
            "fsync = off: a crash may lose or tear committed pages",
        ),
        (
            "in_recovery",
            json!(true),
            "in recovery: a copy of a standby starts as a standby and takes no writes",
        ),
        (
            "wal_level",
            json!("minimal"),
            "wal_level = minimal: a held backup needs `replica`",
        ),
        (
            "slots_free",
            json!(0),
            "no replication slot is free (`max_replication_slots`): the WAL could not be pinned",
        ),
    ] {
        assert_eq!(too_weak(set(key, value)), reason);
    }
    let forbid = |scene: &mut Scene| {
        scene.inputs.insert("holds".to_owned(), json!("never"));
    };
    assert_eq!(
        too_weak(forbid),
        "holds are forbidden by the protection (`capture.holds: never`)"
    );
    for key in ["may_replicate", "may_hold", "may_stop"] {
        let reason = too_weak(set(key, Value::Null));
        assert!(
            reason.starts_with("user shop may not hold a backup"),
            "{reason}"
        );
    }
    // Full pages are written while a backup is held, whatever the setting says.
    let mut torn = spread();
    torn.said["full_page_writes"] = json!("off");
    assert_eq!(torn.outcome(Op::Check).text("mode"), Some("held"));
}

#[test]
fn a_place_that_is_not_on_a_taken_volume_cannot_be_held() {
    for (wal, word) in [
        (
            "/scratch/wal",
            "/scratch/wal is on no PersistentVolumeClaim",
        ),
        ("/elsewhere", "/elsewhere is under none of the mounts"),
        ("/walled", "/walled is under none of the mounts"),
    ] {
        let reasons = too_weak(|scene| {
            scene.devices.1 = format!("64 data /var/lib/postgresql/data/pgdata\n65 wal {wal}\n");
        });
        assert_eq!(reasons, word, "{wal}");
    }
    let left_out = |scene: &mut Scene| {
        let volumes = scene.inputs["volumes"].as_array().unwrap()[..1].to_vec();
        scene
            .inputs
            .insert("volumes".to_owned(), Value::Array(volumes));
    };
    assert_eq!(
        too_weak(left_out),
        "/wal/pg_wal is on shop/wal-db-0, which is not taken"
    );
}

#[test]
fn a_volume_that_the_server_does_not_use_makes_no_hold_necessary() {
    let mut scene = spread();
    "64 data /var/lib/postgresql/data/pgdata\n64 wal /var/lib/postgresql/data/pgdata/pg_wal\n"
        .clone_into(&mut scene.devices.1);
    let volumes = scene.inputs.get_mut("volumes").unwrap();
    volumes[0]["settings"]["atomic"] = json!("true");
    let outcome = scene.outcome(Op::Check);
    assert_eq!(outcome.text("mode"), Some("atomic-volume"));
}

#[test]
fn wal_that_shares_a_volume_wants_that_volume_cut_at_one_moment() {
    let shared = |scene: &mut Scene| {
        "64 data /var/lib/postgresql/data/pgdata\n64 wal /var/lib/postgresql/data/pgdata/pg_wal\n66 tablespace /space/one\n"
            .clone_into(&mut scene.devices.1);
    };
    assert_eq!(
        too_weak(shared),
        "CSI driver some.driver is not known to cut a volume at one moment"
    );
    let mut atomic = spread();
    shared(&mut atomic);
    for volume in atomic
        .inputs
        .get_mut("volumes")
        .unwrap()
        .as_array_mut()
        .unwrap()
    {
        volume["settings"]["atomic"] = json!("true");
    }
    assert_eq!(atomic.outcome(Op::Check).text("mode"), Some("held"));
    atomic.said["full_page_writes"] = json!("off");
    assert_eq!(atomic.problem(Op::Check).code, "mode-too-weak");
}

#[test]
fn one_volume_needs_no_hold_and_says_so() {
    let mut scene = good();
    scene
        .inputs
        .insert("minimum_mode".to_owned(), json!("held"));
    let problem = scene.problem(Op::Check);
    assert_eq!(problem.code, "mode-too-weak");
    assert!(
        problem.message.contains("needs no hold"),
        "{}",
        problem.message
    );
    assert!(problem.hint.contains("atomic-volume"), "{}", problem.hint);
}

fn prepared(version: u64) -> Hold {
    let mut scene = spread();
    scene.said["version_number"] = json!(version);
    let checked = scene.outcome(Op::Check);
    scene.prior.insert("check shop/db".to_owned(), checked);
    scene.ran = Some(
        Outcome::default()
            .with("code", 0)
            .with("stdout", scene.said.to_string())
            .with("stderr", ""),
    );
    let outcome = scene.outcome(Op::Capture);
    serde_json::from_value(outcome.facts["hold"].clone()).unwrap()
}

#[test]
fn the_session_has_a_deadline_pins_the_wal_and_only_then_starts() {
    let hold = prepared(150_018);
    assert!(!hold.freezes);
    assert_eq!(hold.late_parts, ["shop/wal-db-0"]);
    let said: Vec<&str> = hold.open.iter().map(|one| one.text.as_str()).collect();
    assert!(
        said[0].contains("idle_session_timeout = '5s'"),
        "{}",
        said[0]
    );
    assert!(said[0].contains("statement_timeout = '4s'"), "{}", said[0]);
    assert!(
        said[1].contains("('refloat_run_1', true, true)"),
        "{}",
        said[1]
    );
    assert!(said[2].contains("pg_backup_start(label => 'refloat run-1', fast => true)"));
    let kept = &hold.prove_late[0].text;
    assert!(
        kept.contains("wal_status IS DISTINCT FROM 'lost'")
            && kept.contains("IF pg_is_in_recovery()")
    );
    assert!(
        hold.prove[0]
            .text
            .contains("pg_backup_stop(wait_for_archive => false)")
    );
    let beat = hold.session.beat.unwrap();
    assert!(beat.every_milliseconds + beat.late_milliseconds < 5000);
    for statement in hold.open.iter().chain(&hold.prove) {
        let mark = match &statement.until {
            refloat_core::capture::Until::Line(mark) => mark,
            refloat_core::capture::Until::AnyLine => panic!("any line"),
        };
        assert!(
            statement.text.ends_with(&format!("\\echo {mark}\n")),
            "{}",
            statement.text
        );
    }
}

#[test]
fn older_servers_are_held_by_the_functions_and_deadlines_that_they_have() {
    let hold = prepared(140_011);
    assert!(hold.open[0].text.contains("idle_session_timeout"));
    assert!(
        hold.open[2]
            .text
            .contains("pg_start_backup('refloat run-1', true, false)")
    );
    assert!(hold.prove[0].text.contains("pg_stop_backup(false, false)"));
    let hold = prepared(120_020);
    assert!(
        !hold.prove_late[0].text.contains("wal_status"),
        "it has no such column"
    );
    assert!(
        hold.open[0]
            .text
            .contains("idle_in_transaction_session_timeout = '5s'; BEGIN;")
    );
    assert!(!hold.open[0].text.contains("idle_session_timeout"));
}

fn engine() -> Value {
    let layout = json!({
        "data": { "part": "shop/data-db-0", "path": "pgdata" },
        "wal": { "part": "shop/wal-db-0", "path": "pg_wal" },
        "tablespaces": [{ "part": "shop/space", "path": "one" }],
    });
    json!({
        "label": "START WAL LOCATION: 1/FE000028\n", "map": "16400 /space/one\n",
        "start_lsn": "1/FE000028", "stop_lsn": "2/138", "timeline": "3",
        "segment_bytes": "16777216", "layout": layout.to_string(),
    })
}

fn edits(engine: &Value) -> std::collections::BTreeMap<String, Vec<Edit>> {
    let mut scene = spread();
    scene.inputs.insert("engine".to_owned(), engine.clone());
    let outcome = scene.outcome(Op::Amend);
    serde_json::from_value(outcome.facts["edits"].clone()).unwrap()
}

#[test]
fn a_restore_writes_label_and_map_and_reads_no_further_than_the_stop() {
    let all = edits(&engine());
    let data = &all["shop/data-db-0"];
    assert!(data.contains(&Edit::Write {
        path: "pgdata/backup_label".to_owned(),
        text: "START WAL LOCATION: 1/FE000028\n".to_owned(),
    }));
    assert!(data.contains(&Edit::Write {
        path: "pgdata/tablespace_map".to_owned(),
        text: "16400 /space/one\n".to_owned(),
    }));
    assert!(data.contains(&Edit::Remove {
        path: "pgdata/postmaster.pid".to_owned()
    }));
    let wanted = [
        "0000000300000001000000FE",
        "0000000300000001000000FF",
        "000000030000000200000000",
    ];
    let mut expected: Vec<Edit> = wanted
        .iter()
        .map(|name| Edit::Require {
            path: format!("pg_wal/{name}"),
        })
        .collect();
    expected.push(Edit::RemoveAfter {
        directory: "pg_wal".to_owned(),
        name: wanted[2].to_owned(),
    });
    assert_eq!(all["shop/wal-db-0"], expected);
}

#[test]
fn a_stop_at_the_end_of_a_segment_belongs_to_that_segment() {
    let mut engine = engine();
    engine["stop_lsn"] = json!("2/1000000");
    let all = edits(&engine);
    let last = all["shop/wal-db-0"].last().unwrap();
    let expected = Edit::RemoveAfter {
        directory: "pg_wal".to_owned(),
        name: "000000030000000200000000".to_owned(),
    };
    assert_eq!(*last, expected);
}

#[test]
fn wal_that_shares_a_volume_is_read_to_its_end() {
    let mut engine = engine();
    let layout = json!({
        "data": { "part": "shop/data-db-0", "path": "pgdata" },
        "wal": { "part": "shop/data-db-0", "path": "pgdata/pg_wal" },
        "tablespaces": [{ "part": "shop/space", "path": "one" }],
    });
    engine["layout"] = json!(layout.to_string());
    let all = edits(&engine);
    assert_eq!(all.len(), 1);
    let removes = |edit: &Edit| matches!(edit, Edit::RemoveAfter { .. });
    assert!(!all["shop/data-db-0"].iter().any(removes));
}

#[test]
fn a_point_that_says_half_is_refused_and_one_without_a_label_needs_nothing() {
    for key in [
        "layout",
        "start_lsn",
        "stop_lsn",
        "timeline",
        "segment_bytes",
    ] {
        for broken in [Value::Null, json!("nonsense"), json!("0")] {
            let mut scene = spread();
            let mut engine = engine();
            engine[key] = broken.clone();
            scene.inputs.insert("engine".to_owned(), engine);
            match scene.decide(Op::Amend) {
                Verdict::Stuck(problem) => assert_eq!(problem.code, "hold-facts-missing"),
                // Timeline 0 is odd, but it is a number.
                Verdict::Done(_) if key == "timeline" && broken == json!("0") => {}
                other => panic!("{key} = {broken}: {other:?}"),
            }
        }
    }
    let mut reversed = engine();
    reversed["stop_lsn"] = json!("1/10");
    let mut scene = spread();
    scene.inputs.insert("engine".to_owned(), reversed);
    assert_eq!(scene.problem(Op::Amend).code, "hold-facts-missing");
    assert!(edits(&json!({ "version": "15.18" })).is_empty());
}
