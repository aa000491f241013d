//! Several servers of one workload: which one is copied, as what it comes back, and what is refused.

use refloat_core::backup::{COMES_BACK_AS, LEFT_OUT};
use refloat_core::capture::Hold;
use refloat_core::driver::{Op, Outcome};
use serde_json::{Value, json};

use super::scene::{Scene, claim_id, good};

/// A primary `db-0` and a standby `db-1`, each on a volume of its own.
fn pair() -> Scene {
    let mut scene = good();
    scene.claim.volumes = vec![claim_id("data-db-0"), claim_id("data-db-1")];
    let volume = |name: &str| {
        json!({
            "claim": format!("shop/{name}"),
            "settings": { "csi_driver": "some.driver", "atomic": "true" },
        })
    };
    let volumes = json!([volume("data-db-0"), volume("data-db-1")]);
    scene.inputs.insert("volumes".to_owned(), volumes);
    let pod = |ordinal: u32| {
        let mut pod = scene.pods[0].clone();
        pod["metadata"]["name"] = json!(format!("db-{ordinal}"));
        pod["status"]["podIP"] = json!(format!("10.0.0.{ordinal}"));
        pod["spec"] = json!({
            "containers": [{ "name": "postgres", "volumeMounts": [
                { "name": "data", "mountPath": "/var/lib/postgresql/data" },
            ] }],
            "volumes": [
                { "name": "data", "persistentVolumeClaim": { "claimName": format!("data-db-{ordinal}") } },
            ],
        });
        pod
    };
    scene.pods = vec![pod(0), pod(1)];
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
    let mut standby = scene.said.clone();
    standby["in_recovery"] = json!(true);
    scene.others.insert("db-1".to_owned(), standby);
    scene.said["replicas"] = json!([{
        "address": "10.0.0.1", "state": "streaming", "behind_bytes": 4096, "behind_seconds": 0.2,
    }]);
    scene
}

fn left_out(outcome: &Outcome) -> &Value {
    &outcome.facts[LEFT_OUT]
}

#[test]
fn a_standby_is_copied_and_comes_back_as_the_first_ordinal() {
    let mut scene = pair();
    let checked = scene.outcome(Op::Check);
    assert_eq!(checked.text("mode"), Some("held"));
    assert_eq!(checked.text("pod"), Some("db-1"));
    assert_eq!(*left_out(&checked), json!(["shop/data-db-0"]));
    assert_eq!(
        checked.facts[COMES_BACK_AS],
        json!({ "shop/data-db-1": "shop/data-db-0" })
    );
    let evidence = checked.facts["evidence"].to_string();
    assert!(
        evidence.contains("copied from a standby: db-1 is 0.2 s and 4096 bytes behind"),
        "{evidence}"
    );
    // The capture holds the standby, cuts its volume, and the point tells where its files lie once it is back.
    scene.prior.insert("check shop/db".to_owned(), checked);
    let mut ran = Outcome::default().with("code", 0);
    ran = ran.with("stdout", format!("{}\n", scene.said));
    scene.ran = Some(ran);
    let prepared = scene.outcome(Op::Capture);
    let hold: Hold = serde_json::from_value(prepared.facts["hold"].clone()).unwrap();
    assert_eq!(hold.session.pod, "db-1");
    assert_eq!(hold.late_parts, ["shop/data-db-1"]);
    assert_eq!(hold.prove.len(), 2);
    assert!(hold.prove[0].text.contains("pg_stat_wal_receiver"));
    assert!(hold.prove[0].text.contains("min_recovery_end_timeline"));
    assert!(
        hold.prove_late[0]
            .text
            .contains("IF NOT pg_is_in_recovery()")
    );
    assert!(
        hold.prove[1].text.contains("pg_backup_stop"),
        "the stop is the last word"
    );
    let layout = prepared.text("layout").unwrap();
    assert!(
        layout.contains("shop/data-db-0") && !layout.contains("data-db-1"),
        "{layout}"
    );
}

#[test]
fn the_chosen_server_that_is_gone_is_waited_for() {
    let mut scene = pair();
    let checked = scene.outcome(Op::Check);
    scene.prior.insert("check shop/db".to_owned(), checked);
    scene.pods.pop();
    assert_eq!(scene.wait(Op::Capture), "pod-not-running");
}

/// What makes a standby unfit, and what is said of it.
#[test]
fn without_a_fit_standby_the_primary_is_copied() {
    type Change = fn(&mut Scene);
    let cases: [(Change, &str); 6] = [
        (
            |scene| scene.said["replicas"][0]["behind_seconds"] = json!(1.5),
            "db-1 is 1.5 s and 4096 bytes behind",
        ),
        (
            |scene| scene.said["replicas"][0]["behind_bytes"] = json!(20_000_000),
            "db-1 is 0.2 s and 20000000 bytes behind",
        ),
        (
            |scene| scene.said["replicas"][0]["state"] = json!("catchup"),
            "db-1 does not stream from db-0",
        ),
        (
            |scene| scene.said["replicas"] = Value::Null,
            "db-1 does not stream from db-0",
        ),
        (
            |scene| scene.others.get_mut("db-1").unwrap()["slots_free"] = json!(0),
            "db-1 is not fit: no replication slot is free",
        ),
        (
            |scene| {
                scene.inputs.insert("holds".to_owned(), json!("never"));
            },
            "db-1 is not fit: holds are forbidden",
        ),
    ];
    for (change, words) in cases {
        let mut scene = pair();
        change(&mut scene);
        let checked = scene.outcome(Op::Check);
        assert_eq!(checked.text("mode"), Some("atomic-volume"), "{words}");
        assert_eq!(checked.text("pod"), Some("db-0"), "{words}");
        assert_eq!(*left_out(&checked), json!(["shop/data-db-1"]));
        assert_eq!(checked.facts[COMES_BACK_AS], json!({}));
        let evidence = checked.facts["evidence"].to_string();
        let words = format!("copied from the primary: {words}");
        assert!(evidence.contains(&words), "{words}: {evidence}");
    }
}

#[test]
fn a_standby_whose_pages_may_be_newer_than_its_control_file_is_not_taken() {
    let mut scene = pair();
    for volume in scene.inputs["volumes"].as_array().unwrap().clone() {
        assert_eq!(volume["settings"]["atomic"], "true");
    }
    let torn = json!([
        { "claim": "shop/data-db-0", "settings": { "csi_driver": "some.driver", "atomic": "true" } },
        { "claim": "shop/data-db-1", "settings": { "csi_driver": "some.driver", "atomic": "false" } },
    ]);
    scene.inputs.insert("volumes".to_owned(), torn);
    let checked = scene.outcome(Op::Check);
    assert_eq!(checked.text("pod"), Some("db-0"));
    let evidence = checked.facts["evidence"].to_string();
    assert!(
        evidence.contains("not known to cut a volume at one moment"),
        "{evidence}"
    );
}

/// Servers that are no primary with its standbys: nothing is left out, since nothing could be rebuilt.
#[test]
fn servers_that_are_no_family_are_crash_consistent_at_best() {
    type Change = fn(&mut Scene);
    let cases: [(Change, &str); 3] = [
        (
            |scene| scene.others.get_mut("db-1").unwrap()["in_recovery"] = json!(false),
            "2 servers of it run and 2 of them are primaries: they are no one database",
        ),
        (
            |scene| scene.said["in_recovery"] = json!(true),
            "2 servers of it run and 0 of them are primaries: they are no one database",
        ),
        (
            |scene| scene.others.get_mut("db-1").unwrap()["system_identifier"] = json!("7"),
            "db-1 is no standby of db-0: their system identifiers differ",
        ),
    ];
    for (change, words) in cases {
        let mut scene = pair();
        change(&mut scene);
        let problem = scene.problem(Op::Check);
        assert_eq!(problem.code, "mode-too-weak");
        assert!(problem.message.contains(words), "{}", problem.message);
        let crash = json!("crash");
        scene.inputs.insert("minimum_mode".to_owned(), crash);
        let checked = scene.outcome(Op::Check);
        assert_eq!(checked.text("mode"), Some("crash"));
        assert!(!checked.facts.contains_key(LEFT_OUT));
    }
}
