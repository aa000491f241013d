//! Kinds of storage: volumes, pools, replication, snapshots.

use serde_json::{Value, json};

use super::{check, conditions, status, with_conditions};

#[test]
fn longhorn() {
    let api = "longhorn.io/v1beta2";
    let volume = |standby: bool, state: &str, robustness: &str| {
        json!({ "spec": { "Standby": standby }, "status": {
            "isStandby": standby, "restoreRequired": standby,
            "state": state, "robustness": robustness,
        } })
    };
    let failed = with_conditions(&[("Restore", "False", "RestoreFailure")]);
    let cases: &[(&Value, i64, &str)] = &[
        (&volume(false, "detached", "unknown"), 0, "open"),
        (&volume(true, "detached", "unknown"), 0, "closed not-ready"),
        (
            &volume(false, "attaching", "unknown"),
            0,
            "closed not-ready",
        ),
        (
            &volume(false, "detached", "faulted"),
            0,
            "failed volume-faulted",
        ),
        (&failed, 0, "failed restore-failed"),
    ];
    check(api, "Volume", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&status("state", "Completed"), 0, "open"),
        (&status("state", "InProgress"), 500, "closed not-ready"),
        (&status("state", "Error"), 0, "failed operation-failed"),
    ];
    check(api, "Backup", cases);
    let target =
        |url: &str, status: Value| json!({ "spec": { "backupTargetURL": url }, "status": status });
    let synced = json!({ "available": true, "lastSyncedAt": "2026-01-01T00:00:00Z" });
    let unsynced = json!({ "available": true });
    let unavailable = json!({ "available": false });
    let cases: &[(&Value, i64, &str)] = &[
        (&target("s3://backups@eu/", synced), 0, "open"),
        (&target("s3://backups@eu/", unsynced), 0, "closed not-ready"),
        (
            &target("s3://backups@eu/", unavailable.clone()),
            500,
            "closed not-ready",
        ),
        (&target("", unavailable), 0, "open"),
    ];
    check(api, "BackupTarget", cases);
}

#[test]
fn a_backup_target_of_longhorn_that_nobody_asks_any_more_is_not_ready() {
    let target = |interval: &str, last: &str| {
        json!({
            "spec": { "backupTargetURL": "s3://backups@eu/", "pollInterval": interval },
            "status": { "available": true, "lastSyncedAt": last },
        })
    };
    let month = "2025-12-01T12:00:00Z";
    let cases: &[(&Value, i64, &str)] = &[
        (&target("5m0s", month), 500, "closed not-fresh"),
        (&target("5m0s", "2026-01-01T11:00:00Z"), 0, "open"),
        (
            &target("5m0s", "2026-01-01T10:59:59Z"),
            0,
            "closed not-fresh",
        ),
        (&target("24h0m0s", "2025-12-29T12:00:00Z"), 0, "open"),
        (
            &target("24h0m0s", "2025-12-29T11:59:59Z"),
            0,
            "closed not-fresh",
        ),
        // Its clock is ahead.
        (&target("5m0s", "2026-01-01T13:00:00Z"), 0, "open"),
        // It is asked only when somebody wants it.
        (&target("0s", month), 0, "open"),
        (&target("often", month), 0, "open"),
        (&target("5m0s", "lately"), 0, "open"),
    ];
    check("longhorn.io/v1beta2", "BackupTarget", cases);
}

#[test]
fn rook() {
    let api = "ceph.rook.io/v1";
    let pool = |mirrored: bool, health: &str| {
        json!({ "spec": { "mirroring": { "enabled": mirrored } }, "status": {
            "phase": "Ready",
            "mirroringStatus": { "summary": { "health": health, "daemon_health": "OK" } },
        } })
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&pool(false, "WARNING"), 0, "open"),
        (&pool(true, "OK"), 0, "open"),
        (&pool(true, "WARNING"), 500, "closed not-ready"),
        (&pool(true, "ERROR"), 179, "closed not-ready"),
        (&pool(true, "ERROR"), 180, "failed mirror-error"),
    ];
    check(api, "CephBlockPool", cases);
    let cases: &[(&Value, i64, &str)] = &[
        (&status("phase", "Ready"), 0, "open"),
        (&status("phase", "Connected"), 0, "open"),
        (&status("phase", "Progressing"), 500, "closed not-ready"),
        (
            &status("phase", "Failure"),
            180,
            "failed reconciliation-failed",
        ),
    ];
    check(api, "CephCluster", cases);
}

#[test]
fn replication_of_volumes() {
    let live = |wanted: &str, state: &str, observed: u64, all: &[(&str, &str, &str)]| {
        let mut told = conditions(all);
        for one in told.as_array_mut().unwrap() {
            one["observedGeneration"] = json!(observed);
        }
        json!({
            "metadata": { "generation": 2 }, "spec": { "replicationState": wanted },
            "status": { "state": state, "observedGeneration": 2, "conditions": told },
        })
    };
    let promoted: &[_] = &[("Completed", "True", "Promoted")];
    let demoted: &[_] = &[("Completed", "True", "Demoted")];
    let refused: &[_] = &[("Completed", "False", "FailedToPromote")];
    let settled = |resyncing: &'static str| {
        [
            ("Completed", "True", "Demoted"),
            ("Degraded", "False", "Healthy"),
            ("Resyncing", resyncing, ""),
        ]
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&live("primary", "Primary", 2, promoted), 0, "open"),
        (
            &live("primary", "Secondary", 2, promoted),
            0,
            "closed not-ready",
        ),
        (
            &live("primary", "Primary", 1, promoted),
            0,
            "closed not-ready",
        ),
        (
            &live("primary", "Primary", 2, demoted),
            0,
            "closed not-ready",
        ),
        (
            &live("primary", "Unknown", 2, refused),
            59,
            "closed not-ready",
        ),
        (
            &live("primary", "Unknown", 2, refused),
            60,
            "failed replication-failed",
        ),
        (
            &live("secondary", "Secondary", 2, &settled("False")),
            0,
            "open",
        ),
        (
            &live("secondary", "Secondary", 2, &settled("True")),
            0,
            "closed not-ready",
        ),
        (
            &live("secondary", "Secondary", 2, demoted),
            0,
            "closed not-ready",
        ),
    ];
    let api = "replication.storage.openshift.io/v1alpha1";
    check(api, "VolumeReplication", cases);
    check(api, "VolumeGroupReplication", cases);
}

#[test]
fn stork_and_snapshots() {
    let cases: &[(&Value, i64, &str)] = &[
        (&status("status", "Successful"), 0, "open"),
        (&status("status", "InProgress"), 500, "closed not-ready"),
        (
            &status("status", "PartialSuccess"),
            0,
            "failed operation-failed",
        ),
    ];
    check("stork.libopenstorage.org/v1alpha1", "Migration", cases);
    let snapshot = |ready: bool, error: Value| {
        let mut live = json!({ "status": { "readyToUse": ready } });
        live["status"]["error"] = error;
        live
    };
    let full = json!({ "message": "pool is full" });
    let cases: &[(&Value, i64, &str)] = &[
        (&snapshot(true, Value::Null), 0, "open"),
        (&snapshot(false, Value::Null), 500, "closed not-ready"),
        (&snapshot(false, full.clone()), 119, "closed not-ready"),
        (
            &snapshot(false, full.clone()),
            120,
            "failed snapshot-failed",
        ),
        (&snapshot(true, full), 500, "open"),
    ];
    check("snapshot.storage.k8s.io/v1", "VolumeSnapshot", cases);
}
