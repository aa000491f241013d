//! Percona's operators for XtraDB Cluster, MongoDB, MySQL and PostgreSQL. Their `state` goes to `error` and comes back while a
//! cluster forms, and to `ready` before the last pod has settled (percona-xtradb-cluster-operator pull requests 242 and 1381).

use super::super::rule::{Failure, Rule, Settled, Sign};

const READY: Sign = Sign::Text("/status/state", &["ready"]);
const SUCCEEDED: Sign = Sign::Text("/status/state", &["Succeeded"]);
/// Stopped on purpose.
const PAUSED: Sign = Sign::All(&[
    Sign::Flag("/spec/pause", true),
    Sign::Text("/status/state", &["paused"]),
]);
/// Reached for good only after this long: a cluster that forms says it in between.
const ERROR: Failure = Failure {
    sign: Sign::Text("/status/state", &["error"]),
    after_seconds: 180,
    code: "cluster-error",
    hint: "look at the operator's log and at the cluster's pods",
};
const RUN_FAILED: Failure = Failure {
    sign: Sign::Text("/status/state", &["Failed", "Error", "error", "rejected"]),
    after_seconds: 0,
    code: "operation-failed",
    hint: "look at the operator's log; delete the object if it is not needed here",
};
const SETTLED: Option<Settled> = Some(Settled {
    condition: "ready",
    seconds: 5,
});
const WORDS: &[&str] = &[
    "/status/message",
    "/status/messages/0",
    "/status/error",
    "/status/comments",
];

const fn cluster(
    group: &'static str,
    kinds: &'static [&'static str],
    ready: &'static [Sign],
) -> Rule {
    Rule {
        excused: &[PAUSED],
        failed: &[ERROR],
        settled: SETTLED,
        words: WORDS,
        ..Rule::of(group, kinds, ready)
    }
}

const fn operation(
    group: &'static str,
    kinds: &'static [&'static str],
    ready: &'static [Sign],
) -> Rule {
    Rule {
        failed: &[RUN_FAILED],
        words: WORDS,
        once: true,
        ..Rule::of(group, kinds, ready)
    }
}

pub(super) const RULES: &[Rule] = &[
    // It was told ready without an address for clients (K8SPXC-1135).
    cluster(
        "pxc.percona.com",
        &["PerconaXtraDBCluster"],
        &[READY, Sign::Filled("/status/host")],
    ),
    operation(
        "pxc.percona.com",
        &["PerconaXtraDBClusterBackup", "PerconaXtraDBClusterRestore"],
        &[SUCCEEDED],
    ),
    cluster("psmdb.percona.com", &["PerconaServerMongoDB"], &[READY]),
    operation(
        "psmdb.percona.com",
        &["PerconaServerMongoDBBackup", "PerconaServerMongoDBRestore"],
        &[READY],
    ),
    cluster("ps.percona.com", &["PerconaServerMySQL"], &[READY]),
    operation(
        "ps.percona.com",
        &["PerconaServerMySQLBackup", "PerconaServerMySQLRestore"],
        &[SUCCEEDED],
    ),
    cluster("pgv2.percona.com", &["PerconaPGCluster"], &[READY]),
    operation(
        "pgv2.percona.com",
        &["PerconaPGBackup", "PerconaPGRestore"],
        &[SUCCEEDED],
    ),
];
