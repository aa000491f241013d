//! Rook's Ceph kinds and csi-addons' replication. A pool that is mirrored is ready when its mirror and the mirror's daemon are
//! well.

use super::super::rule::{Failure, Rule, Sign};

const ROOK: &str = "ceph.rook.io";
const REPLICATION: &str = "replication.storage.openshift.io";
const HINT: &str = "look at the operator's log and at `ceph status` in the toolbox";

const READY: Sign = Sign::Text("/status/phase", &["Ready"]);
const MIRRORED: Sign = Sign::Flag("/spec/mirroring/enabled", true);
/// Written when one reconciliation failed; the next one may do.
const FAILURE: Failure = Failure {
    sign: Sign::Text("/status/phase", &["Failure", "ReconcileFailed"]),
    after_seconds: 180,
    code: "reconciliation-failed",
    hint: HINT,
};
const PRIMARY: Sign = Sign::Text("/spec/replicationState", &["primary"]);
const SECONDARY: Sign = Sign::Text("/spec/replicationState", &["secondary", "resync"]);

pub(super) const RULES: &[Rule] = &[
    Rule {
        failed: &[
            FAILURE,
            Failure {
                sign: Sign::Text("/status/mirroringStatus/summary/health", &["ERROR"]),
                after_seconds: 180,
                code: "mirror-error",
                hint: HINT,
            },
        ],
        ..Rule::of(
            ROOK,
            &["CephBlockPool"],
            &[
                READY,
                Sign::When(
                    &MIRRORED,
                    &Sign::All(&[
                        Sign::Text("/status/mirroringStatus/summary/health", &["OK"]),
                        Sign::Text("/status/mirroringStatus/summary/daemon_health", &["OK"]),
                    ]),
                ),
            ],
        )
    },
    // One that is outside of Kubernetes ends in `Connected`.
    Rule {
        failed: &[FAILURE],
        words: &["/status/message"],
        ..Rule::of(
            ROOK,
            &["CephCluster"],
            &[Sign::Text("/status/phase", &["Ready", "Connected"])],
        )
    },
    Rule {
        failed: &[FAILURE],
        words: &["/status/message"],
        ..Rule::of(
            ROOK,
            &[
                "CephFilesystem",
                "CephFilesystemSubVolumeGroup",
                "CephObjectStore",
                "CephObjectStoreUser",
                "CephRBDMirror",
                "CephFilesystemMirror",
                "CephBlockPoolRadosNamespace",
            ],
            &[READY],
        )
    },
    Rule {
        failed: &[Failure {
            sign: Sign::Because("Completed", "False", "FailedTo"),
            after_seconds: 60,
            code: "replication-failed",
            hint: "look at the log of the csi-addons manager; never promote before the other site is fenced",
        }],
        words: &["/status/message"],
        ..Rule::of(
            REPLICATION,
            &["VolumeReplication", "VolumeGroupReplication"],
            &[
                Sign::Condition("Completed", "True"),
                Sign::When(
                    &PRIMARY,
                    &Sign::All(&[
                        Sign::Text("/status/state", &["Primary"]),
                        Sign::Because("Completed", "True", "Promoted"),
                    ]),
                ),
                Sign::When(
                    &SECONDARY,
                    &Sign::All(&[
                        Sign::Text("/status/state", &["Secondary"]),
                        Sign::Condition("Degraded", "False"),
                        Sign::Condition("Resyncing", "False"),
                    ]),
                ),
            ],
        )
    },
    Rule::of(
        REPLICATION,
        &["VolumeReplicationClass", "VolumeGroupReplicationClass"],
        &[],
    ),
    Rule {
        failed: &[Failure {
            sign: Sign::Text("/status/result", &["Failed"]),
            after_seconds: 60,
            code: "fencing-failed",
            hint: "look at the log of the csi-addons manager",
        }],
        words: &["/status/message"],
        ..Rule::of(
            "csiaddons.openshift.io",
            &["NetworkFence"],
            &[Sign::Text("/status/result", &["Succeeded"])],
        )
    },
];
