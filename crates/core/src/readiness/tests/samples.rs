//! The tables of known operators, with objects as the operators write them.

mod ramen;
mod storage;

use serde_json::{Value, json};

use super::super::Told;
use super::{Scene, shown_for};

/// What an object of this kind says after so many seconds.
fn check(group_version: &str, kind: &str, samples: &[(&Value, i64, &str)]) {
    for (live, seconds, expected) in samples {
        let scene = Scene::of(group_version, kind, (*live).clone()).after(*seconds);
        let says = shown_for(&scene.says(), *seconds);
        assert_eq!(says, *expected, "{kind} {live} after {seconds} s");
    }
}

fn status(field: &str, value: &str) -> Value {
    json!({ "status": { field: value } })
}

fn conditions(all: &[(&str, &str, &str)]) -> Value {
    let all: Vec<Value> = all
        .iter()
        .map(|(kind, status, reason)| json!({ "type": kind, "status": status, "reason": reason }))
        .collect();
    json!(all)
}

fn with_conditions(all: &[(&str, &str, &str)]) -> Value {
    json!({ "status": { "conditions": conditions(all) } })
}

#[test]
fn cloudnative_pg() {
    let api = "postgresql.cnpg.io/v1";
    let healthy = |instances: Option<u64>| {
        json!({ "spec": { "instances": 3 }, "status": {
            "phase": "Cluster in healthy state", "readyInstances": instances,
            "conditions": conditions(&[("Ready", "True", "ClusterIsReady")]),
        } })
    };
    let lost = "Cluster is unrecoverable and needs manual intervention";
    // Fenced and hibernated clusters say that they are healthy (seen on 1.27.0).
    let mut hibernated = healthy(None);
    hibernated["metadata"] = json!({ "annotations": { "cnpg.io/hibernation": "on" } });
    let cases: &[(&Value, i64, &str)] = &[
        (&healthy(Some(3)), 0, "open"),
        (&healthy(Some(2)), 500, "closed not-ready"),
        (&healthy(None), 0, "closed not-ready"),
        (
            &status("phase", "Setting up primary"),
            500,
            "closed not-ready",
        ),
        (&status("phase", lost), 0, "failed cluster-unrecoverable"),
        (&hibernated, 0, "open"),
        (&json!({}), 500, "closed not-observed"),
    ];
    check(api, "Cluster", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&status("phase", "completed"), 0, "open"),
        (&status("phase", "running"), 500, "closed not-ready"),
        (&status("phase", "failed"), 0, "failed backup-failed"),
        (
            &status("phase", "walArchivingFailing"),
            0,
            "failed backup-failed",
        ),
    ];
    check(api, "Backup", cases);
    check(api, "ScheduledBackup", &[(&json!({}), 0, "open")]);
    check(
        "barmancloud.cnpg.io/v1",
        "ObjectStore",
        &[(&json!({}), 0, "open")],
    );
    let unapplied = json!({ "status": { "applied": false, "message": "no connection" } });
    check(api, "Database", &[(&unapplied, 0, "closed not-ready")]);
}

#[test]
fn percona() {
    let api = "pxc.percona.com/v1";
    let xtradb = |state: &str, host: &str| json!({ "status": { "state": state, "host": host } });
    let paused = json!({ "spec": { "pause": true }, "status": { "state": "paused" } });
    let cases: &[(&Value, i64, &str)] = &[
        (&xtradb("ready", "h"), 5, "open"),
        (&xtradb("ready", ""), 5, "closed not-ready"),
        (&xtradb("initializing", "h"), 5, "closed not-ready"),
        (&xtradb("error", "h"), 179, "closed not-ready"),
        (&xtradb("error", "h"), 180, "failed cluster-error"),
        (&paused, 0, "open"),
        (&status("state", "paused"), 0, "closed not-ready"),
    ];
    check(api, "PerconaXtraDBCluster", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&status("state", "Succeeded"), 0, "open"),
        (&status("state", "Restoring"), 500, "closed not-ready"),
        (&status("state", "Failed"), 0, "failed operation-failed"),
    ];
    check(api, "PerconaXtraDBClusterRestore", cases);
    check(api, "PerconaXtraDBClusterBackup", cases);
    check("pgv2.percona.com/v2", "PerconaPGBackup", cases);
    check("pgv2.percona.com/v2", "PerconaPGRestore", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&status("state", "ready"), 5, "open"),
        (&status("state", "initializing"), 500, "closed not-ready"),
        (&status("state", "error"), 180, "failed cluster-error"),
    ];
    check("psmdb.percona.com/v1", "PerconaServerMongoDB", cases);
    check("pgv2.percona.com/v2", "PerconaPGCluster", cases);
    check("ps.percona.com/v1", "PerconaServerMySQL", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&status("state", "ready"), 0, "open"),
        (&status("state", "running"), 500, "closed not-ready"),
        (&status("state", "rejected"), 0, "failed operation-failed"),
        (&status("state", "error"), 0, "failed operation-failed"),
    ];
    check("psmdb.percona.com/v1", "PerconaServerMongoDBRestore", cases);
}

#[test]
fn zalando() {
    let cases: &[(&Value, i64, &str)] = &[
        (&status("PostgresClusterStatus", "Running"), 0, "open"),
        (
            &status("PostgresClusterStatus", "Creating"),
            500,
            "closed not-ready",
        ),
        (
            &status("PostgresClusterStatus", "SyncFailed"),
            500,
            "closed not-ready",
        ),
        (
            &status("PostgresClusterStatus", "CreateFailed"),
            179,
            "closed not-ready",
        ),
        (
            &status("PostgresClusterStatus", "Invalid"),
            180,
            "failed cluster-error",
        ),
    ];
    check("acid.zalan.do/v1", "postgresql", cases);
}

#[test]
fn mongodb() {
    let live = |phase: &str, members: u64| {
        json!({
            "spec": { "members": 3 },
            "status": { "phase": phase, "currentMongoDBMembers": members },
        })
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&live("Running", 3), 0, "open"),
        (&live("Running", 1), 0, "closed not-ready"),
        (&live("Pending", 3), 500, "closed not-ready"),
        (&live("Failed", 1), 179, "closed not-ready"),
        (&live("Failed", 1), 180, "failed cluster-error"),
    ];
    check("mongodbcommunity.mongodb.com/v1", "MongoDBCommunity", cases);
}

#[test]
fn strimzi() {
    let api = "kafka.strimzi.io/v1";
    let kafka = |observed: u64, kind: &str| {
        json!({ "metadata": { "generation": 2 }, "status": {
            "observedGeneration": observed, "conditions": conditions(&[(kind, "True", "")]),
        } })
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&kafka(2, "Ready"), 0, "open"),
        (&kafka(1, "Ready"), 0, "closed not-observed"),
        (&kafka(2, "NotReady"), 299, "closed not-ready"),
        (&kafka(2, "NotReady"), 300, "failed not-ready-for-long"),
        (&kafka(2, "ReconciliationPaused"), 0, "open"),
    ];
    let creating = with_conditions(&[("NotReady", "True", "Creating")]);
    let unmanaged = with_conditions(&[("Unmanaged", "True", "")]);
    for kind in ["Kafka", "KafkaTopic", "KafkaUser"] {
        check(api, kind, cases);
        check(api, kind, &[(&creating, 500, "closed not-ready")]);
    }
    check(api, "KafkaTopic", &[(&unmanaged, 0, "open")]);
    check(api, "Kafka", &[(&unmanaged, 0, "closed not-ready")]);
    let mirror = |connector: &str, task: &str| {
        json!({ "status": {
            "conditions": conditions(&[("Ready", "True", "")]),
            "connectors": [{ "connector": { "state": connector }, "tasks": [{ "state": task }] }],
        } })
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&mirror("RUNNING", "RUNNING"), 0, "open"),
        (&mirror("STOPPED", "STOPPED"), 0, "open"),
        (&mirror("UNASSIGNED", "RUNNING"), 0, "closed not-ready"),
        (&mirror("RUNNING", "FAILED"), 59, "closed not-ready"),
        (&mirror("RUNNING", "FAILED"), 60, "failed task-failed"),
    ];
    check(api, "KafkaMirrorMaker2", cases);
    check(api, "KafkaNodePool", &[(&json!({}), 0, "open")]);
}

#[test]
fn rabbitmq() {
    let live = |replicas: &str, reconciled: &str| {
        with_conditions(&[
            ("ClusterAvailable", "True", ""),
            ("AllReplicasReady", replicas, ""),
            ("ReconcileSuccess", reconciled, ""),
        ])
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&live("True", "True"), 0, "open"),
        (&live("False", "True"), 500, "closed not-ready"),
        (&live("True", "Unknown"), 500, "closed not-ready"),
        (&live("True", "False"), 119, "closed not-ready"),
        (&live("True", "False"), 120, "failed reconciliation-failed"),
    ];
    check("rabbitmq.com/v1beta1", "RabbitmqCluster", cases);
    // Its topology operator's kinds.
    let stored = with_conditions(&[("Ready", "False", "FailedCreateOrUpdate")]);
    check(
        "rabbitmq.com/v1beta1",
        "Queue",
        &[(&stored, 0, "closed not-ready")],
    );
}

#[test]
fn cert_manager_and_external_secrets() {
    let certificate = |ready: &str, issuing: &str, reason: &str| {
        with_conditions(&[
            ("Ready", ready, "DoesNotExist"),
            ("Issuing", issuing, reason),
        ])
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&certificate("True", "False", ""), 0, "open"),
        (&certificate("True", "False", "Failed"), 500, "open"),
        (
            &certificate("False", "True", "DoesNotExist"),
            500,
            "closed not-ready",
        ),
        (
            &certificate("False", "False", "Failed"),
            59,
            "closed not-ready",
        ),
        (
            &certificate("False", "False", "Failed"),
            60,
            "failed issuance-failed",
        ),
    ];
    check("cert-manager.io/v1", "Certificate", cases);
    let ready = |status: &str, reason: &str| with_conditions(&[("Ready", status, reason)]);
    let cases: &[(&Value, i64, &str)] = &[
        (&ready("True", "ACMEAccountRegistered"), 0, "open"),
        (
            &ready("False", "ErrRegisterACMEAccount"),
            179,
            "closed not-ready",
        ),
        (
            &ready("False", "ErrRegisterACMEAccount"),
            180,
            "failed issuer-failed",
        ),
    ];
    check("cert-manager.io/v1", "ClusterIssuer", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&ready("True", "SecretSynced"), 0, "open"),
        (
            &ready("False", "SecretSyncedError"),
            119,
            "closed not-ready",
        ),
        (
            &ready("False", "SecretSyncedError"),
            120,
            "failed secret-not-synced",
        ),
    ];
    check("external-secrets.io/v1", "ExternalSecret", cases);
}

#[test]
fn gateways() {
    let live = |programmed: &str, observed: u64, addresses: Value| {
        let mut told = conditions(&[("Accepted", "True", ""), ("Programmed", programmed, "")]);
        for one in told.as_array_mut().unwrap() {
            one["observedGeneration"] = json!(observed);
        }
        let mut live = json!({ "metadata": { "generation": 1 } });
        live["status"] = json!({ "conditions": told });
        live["status"]["addresses"] = addresses;
        live
    };
    let address = json!([{ "value": "192.0.2.1" }]);
    let refused = with_conditions(&[("Accepted", "False", "InvalidParameters")]);
    let cases: &[(&Value, i64, &str)] = &[
        (&live("True", 1, address.clone()), 0, "open"),
        (&live("True", 1, json!([])), 0, "open"),
        (&live("Unknown", 1, address.clone()), 0, "closed not-ready"),
        (&live("True", 9, address.clone()), 0, "closed not-ready"),
        (&refused, 60, "failed gateway-refused"),
    ];
    let api = "gateway.networking.k8s.io/v1";
    check(api, "Gateway", cases);
    let had_one = Told {
        address: true,
        ..Told::default()
    };
    for (addresses, expected) in [(address, "open"), (json!([]), "closed not-ready")] {
        let scene = Scene::of(api, "Gateway", live("True", 1, addresses));
        assert_eq!(scene.told(had_one.clone()).says(), expected);
    }
}
