//! CloudNativePG 1.27 and its Barman plugin. A cluster that is fenced or hibernated goes on saying that it is healthy: only its
//! count of instances tells (seen on 1.27.0).

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "postgresql.cnpg.io";

const HIBERNATED: Sign = Sign::Text("/metadata/annotations/cnpg.io~1hibernation", &["on"]);

pub(super) const RULES: &[Rule] = &[
    Rule {
        excused: &[HIBERNATED],
        failed: &[Failure {
            sign: Sign::Text(
                "/status/phase",
                &["Cluster is unrecoverable and needs manual intervention"],
            ),
            after_seconds: 0,
            code: "cluster-unrecoverable",
            hint: "look at the operator's log and at the cluster with `kubectl cnpg status`",
        }],
        words: &["/status/phaseReason"],
        ..Rule::of(
            GROUP,
            &["Cluster"],
            &[
                Sign::Text("/status/phase", &["Cluster in healthy state"]),
                Sign::Condition("Ready", "True"),
                Sign::Count("/status/readyInstances", "/spec/instances"),
            ],
        )
    },
    Rule {
        failed: &[Failure {
            sign: Sign::Text(
                "/status/phase",
                &["failed", "walArchivingFailing", "invalid backup definition"],
            ),
            after_seconds: 0,
            code: "backup-failed",
            hint: "look at the operator's log; delete the Backup if it is not needed here",
        }],
        words: &["/status/error"],
        once: true,
        ..Rule::of(
            GROUP,
            &["Backup"],
            &[Sign::Text("/status/phase", &["completed"])],
        )
    },
    // `applied: false` with a message is told until the cluster takes connections.
    Rule {
        words: &["/status/message"],
        ..Rule::of(
            GROUP,
            &["Database", "Publication", "Subscription"],
            &[Sign::Flag("/status/applied", true)],
        )
    },
    // These tell something only once the first backup has run.
    Rule::of(
        GROUP,
        &["ScheduledBackup", "ImageCatalog", "ClusterImageCatalog"],
        &[],
    ),
    Rule::of("barmancloud.cnpg.io", &["ObjectStore"], &[]),
];
