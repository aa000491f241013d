//! RabbitMQ's cluster operator. Its topology operator's kinds tell `Ready`, which means "stored", and go by the rules for unknown
//! kinds.

use super::super::rule::{Failure, Rule, Sign};

pub(super) const RULES: &[Rule] = &[Rule {
    excused: &[Sign::Text(
        "/metadata/labels/rabbitmq.com~1pauseReconciliation",
        &["true"],
    )],
    failed: &[Failure {
        sign: Sign::Condition("ReconcileSuccess", "False"),
        after_seconds: 120,
        code: "reconciliation-failed",
        hint: "look at the operator's log and at the cluster's pods",
    }],
    ..Rule::of(
        "rabbitmq.com",
        &["RabbitmqCluster"],
        &[
            Sign::Condition("ReconcileSuccess", "True"),
            Sign::Condition("AllReplicasReady", "True"),
            Sign::Condition("ClusterAvailable", "True"),
        ],
    )
}];
