//! MongoDB's own operators: Community and Enterprise. `Failed` is written on any error of one reconciliation, so it counts only
//! when it is still there after a while.

use super::super::rule::{Failure, Rule, Sign};

const RUNNING: Sign = Sign::Text("/status/phase", &["Running"]);
const FAILED: Failure = Failure {
    sign: Sign::Text("/status/phase", &["Failed"]),
    after_seconds: 180,
    code: "cluster-error",
    hint: "look at the operator's log and at the cluster's pods",
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        failed: &[FAILED],
        words: &["/status/message"],
        ..Rule::of(
            "mongodbcommunity.mongodb.com",
            &["MongoDBCommunity"],
            &[
                RUNNING,
                Sign::Count("/status/currentMongoDBMembers", "/spec/members"),
            ],
        )
    },
    Rule {
        failed: &[FAILED],
        words: &["/status/message"],
        ..Rule::of(
            "mongodb.com",
            &["MongoDB", "MongoDBMultiCluster"],
            &[RUNNING],
        )
    },
];
