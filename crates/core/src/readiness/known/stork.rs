//! Stork's operations and pairs.

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "stork.libopenstorage.org";
const HINT: &str = "look at the resources in its status and at Stork's log";

pub(super) const RULES: &[Rule] = &[
    Rule {
        failed: &[Failure {
            sign: Sign::Text(
                "/status/status",
                &["Failed", "PartialSuccess", "RollbackFailed"],
            ),
            after_seconds: 0,
            code: "operation-failed",
            hint: HINT,
        }],
        words: &["/status/reason"],
        once: true,
        status_apart: false,
        ..Rule::of(
            GROUP,
            &[
                "Migration",
                "Action",
                "ApplicationBackup",
                "ApplicationRestore",
                "ApplicationClone",
            ],
            &[Sign::Text("/status/status", &["Successful"])],
        )
    },
    Rule {
        failed: &[Failure {
            sign: Sign::Text("/status/storageStatus", &["Error"]),
            after_seconds: 120,
            code: "pair-error",
            hint: HINT,
        }],
        ..Rule::of(
            GROUP,
            &["ClusterPair"],
            &[
                Sign::Text("/status/schedulerStatus", &["Ready"]),
                Sign::Text("/status/storageStatus", &["Ready", "NotProvided"]),
            ],
        )
    },
    Rule::of(
        GROUP,
        &[
            "SchedulePolicy",
            "NamespacedSchedulePolicy",
            "MigrationSchedule",
            "BackupLocation",
            "Rule",
        ],
        &[],
    ),
];
