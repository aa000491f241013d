//! Longhorn. A volume is ready for its first pod when it stands by no more and nothing is left to restore; detached is as it
//! should be.

use super::super::fresh::Fresh;
use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "longhorn.io";
const HINT: &str = "look at the object's messages in Longhorn's dashboard";

const fn ended(kinds: &'static [&'static str], ready: &'static [Sign]) -> Rule {
    Rule {
        failed: &[Failure {
            sign: Sign::Text("/status/state", &["Error"]),
            after_seconds: 0,
            code: "operation-failed",
            hint: HINT,
        }],
        words: &["/status/error"],
        once: true,
        ..Rule::of(GROUP, kinds, ready)
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        failed: &[
            Failure {
                sign: Sign::Text("/status/robustness", &["faulted"]),
                after_seconds: 0,
                code: "volume-faulted",
                hint: HINT,
            },
            Failure {
                sign: Sign::Because("Restore", "False", "RestoreFailure"),
                after_seconds: 0,
                code: "restore-failed",
                hint: HINT,
            },
        ],
        ..Rule::of(
            GROUP,
            &["Volume"],
            &[
                Sign::Flag("/spec/Standby", false),
                Sign::Flag("/status/isStandby", false),
                Sign::Flag("/status/restoreRequired", false),
                Sign::Text("/status/state", &["detached", "attached"]),
            ],
        )
    },
    ended(&["Backup"], &[Sign::Text("/status/state", &["Completed"])]),
    ended(
        &["SystemBackup"],
        &[Sign::Text("/status/state", &["Ready"])],
    ),
    ended(
        &["SystemRestore"],
        &[Sign::Text("/status/state", &["Completed"])],
    ),
    // Without a URL, as it is installed, it says that it is not available. It stays available when nobody asks any more; the time
    // told is that of the beginning of the last sync, and one of many backups takes long.
    Rule {
        fresh: Some(Fresh {
            last: "/status/lastSyncedAt",
            interval: "/spec/pollInterval",
            intervals_max: 3,
            seconds_min: 3600,
        }),
        ..Rule::of(
            GROUP,
            &["BackupTarget"],
            &[Sign::When(
                &Sign::Filled("/spec/backupTargetURL"),
                &Sign::All(&[
                    Sign::Flag("/status/available", true),
                    Sign::Filled("/status/lastSyncedAt"),
                ]),
            )],
        )
    },
    // Its own bookkeeping and settings.
    Rule::of(
        GROUP,
        &[
            "Setting",
            "RecurringJob",
            "Node",
            "Engine",
            "Replica",
            "BackupVolume",
            "EngineImage",
        ],
        &[],
    ),
];
