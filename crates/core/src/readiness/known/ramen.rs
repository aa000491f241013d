//! Ramen, which moves an application between clusters. Its group of volumes (VRG) stands on the clusters, the placement that has it
//! moved (DRPC) on the hub. The placement is ready when the application is where it is to be: that its peer is ready, that it is protected
//! and that all is cleaned up needs the other site, which may be lost.

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
    Rule::of(
        GROUP,
        &["DRPlacementControl"],
        &[Sign::Condition("Available", "True")],
    ),
];
