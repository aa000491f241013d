//! Strimzi: Kafka, its nodes, topics, users and mirrors. `Ready` of a mirror does not say that its tasks run. `NotReady` may
//! be left over from an earlier reconciliation while the next one goes on (strimzi-kafka-operator issue 12575), so it
//! counts only after long; for the reason `Creating` it is the first word about a cluster that is being made.

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "kafka.strimzi.io";

const READY: Sign = Sign::Condition("Ready", "True");
const PAUSED: Sign = Sign::Condition("ReconciliationPaused", "True");
/// Told instead of `Ready` of a topic that its user has taken from the operator (since Strimzi 0.44).
const UNMANAGED: Sign = Sign::Condition("Unmanaged", "True");
/// Mirrors are stopped after a failover.
const GOES: &[&str] = &["RUNNING", "STOPPED", "PAUSED"];
const CONNECTOR_GOES: Sign = Sign::All(&[
    Sign::Text("/connector/state", GOES),
    Sign::Each("/tasks", &Sign::Text("/state", GOES)),
]);
const TASK_FAILED: Sign = Sign::Some("/tasks", &Sign::Text("/state", &["FAILED"]));

const NOT_READY: Failure = Failure {
    sign: Sign::NotBecause("NotReady", "True", "Creating"),
    after_seconds: 300,
    code: "not-ready-for-long",
    hint: "look at the operator's log and at the pods of the cluster",
};
const HINT: &str = "look at the connector's trace in its status; restart it with the annotation `strimzi.io/restart`";

pub(super) const RULES: &[Rule] = &[
    Rule {
        excused: &[PAUSED],
        failed: &[NOT_READY],
        ..Rule::of(
            GROUP,
            &["Kafka", "KafkaConnect", "KafkaBridge", "KafkaUser"],
            &[READY],
        )
    },
    Rule {
        excused: &[PAUSED, UNMANAGED],
        failed: &[NOT_READY],
        ..Rule::of(GROUP, &["KafkaTopic"], &[READY])
    },
    Rule {
        excused: &[PAUSED],
        failed: &[
            NOT_READY,
            Failure {
                sign: Sign::Some("/status/connectors", &TASK_FAILED),
                after_seconds: 60,
                code: "task-failed",
                hint: HINT,
            },
        ],
        ..Rule::of(
            GROUP,
            &["KafkaMirrorMaker2"],
            &[READY, Sign::Each("/status/connectors", &CONNECTOR_GOES)],
        )
    },
    Rule {
        excused: &[PAUSED],
        failed: &[
            NOT_READY,
            Failure {
                sign: Sign::Some(
                    "/status/connectorStatus/tasks",
                    &Sign::Text("/state", &["FAILED"]),
                ),
                after_seconds: 60,
                code: "task-failed",
                hint: HINT,
            },
        ],
        ..Rule::of(
            GROUP,
            &["KafkaConnector"],
            &[
                READY,
                Sign::Each("/status/connectorStatus/tasks", &Sign::Text("/state", GOES)),
            ],
        )
    },
    // Pools tell their node ids and no condition; their cluster's gate says the rest. Proposals wait for people.
    Rule::of(
        GROUP,
        &["KafkaNodePool", "KafkaRebalance", "StrimziPodSet"],
        &[],
    ),
];
