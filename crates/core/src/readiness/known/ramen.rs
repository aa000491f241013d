//! Ramen, which moves an application between clusters. Its group of volumes (VRG) stands on the clusters, the placement that has it
//! moved (DRPC) on the hub. The placement is ready when it could be moved once more; condition Protected came later than the others.

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "ramendr.openshift.io";
const HINT: &str = "look at the conditions of the VolumeReplicationGroup on its cluster and at Ramen's log; never promote before the other site is fenced";
const PRIMARY: Sign = Sign::Text("/spec/replicationState", &["primary"]);
const SECONDARY: Sign = Sign::Text("/spec/replicationState", &["secondary"]);

/// Ramen tries again, but not before somebody sees to it.
const fn error(condition: &'static str, code: &'static str) -> Failure {
    Failure {
        sign: Sign::Because(condition, "False", "Error"),
        after_seconds: 180,
        code,
        hint: HINT,
    }
}

pub(super) const RULES: &[Rule] = &[
    // Data and objects are there before its pods may start.
    Rule {
        failed: &[
            error("DataReady", "replication-failed"),
            error("ClusterDataReady", "restore-failed"),
        ],
        ..Rule::of(
            GROUP,
            &["VolumeReplicationGroup"],
            &[
                Sign::When(
                    &PRIMARY,
                    &Sign::All(&[
                        Sign::Text("/status/state", &["Primary"]),
                        Sign::Condition("DataReady", "True"),
                        Sign::Condition("ClusterDataReady", "True"),
                    ]),
                ),
                Sign::When(&SECONDARY, &Sign::Text("/status/state", &["Secondary"])),
            ],
        )
    },
    Rule {
        failed: &[error("Protected", "not-protected")],
        ..Rule::of(
            GROUP,
            &["DRPlacementControl"],
            &[
                Sign::When(
                    &Sign::Some("/status/conditions", &Sign::Text("/type", &["Protected"])),
                    &Sign::Condition("Protected", "True"),
                ),
                Sign::Condition("Available", "True"),
                Sign::Condition("PeerReady", "True"),
                Sign::Text("/status/progression", &["Completed"]),
            ],
        )
    },
];
