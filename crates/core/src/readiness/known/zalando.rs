//! Zalando's operator for PostgreSQL. `UpdateFailed` and `SyncFailed` are of one reconciliation and are left by the next; of the others
//! the operator comes back only when its user changes something (postgres-operator, `pkg/apis/acid.zalan.do/v1/const.go`).

use super::super::rule::{Failure, Rule, Sign};

pub(super) const RULES: &[Rule] = &[Rule {
    failed: &[Failure {
        sign: Sign::Text(
            "/status/PostgresClusterStatus",
            &["CreateFailed", "Invalid"],
        ),
        after_seconds: 180,
        code: "cluster-error",
        hint: "look at the operator's log and at the cluster's pods",
    }],
    ..Rule::of(
        "acid.zalan.do",
        &["postgresql"],
        &[Sign::Text("/status/PostgresClusterStatus", &["Running"])],
    )
}];
