//! External Secrets. A store that does not answer is asked again, so an error counts after a while.

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "external-secrets.io";
const READY: &[Sign] = &[Sign::Condition("Ready", "True")];

pub(super) const RULES: &[Rule] = &[
    Rule {
        failed: &[Failure {
            sign: Sign::Because("Ready", "False", "SecretSyncedError"),
            after_seconds: 120,
            code: "secret-not-synced",
            hint: "see that the store can be reached from this cluster and holds the secret",
        }],
        ..Rule::of(GROUP, &["ExternalSecret"], READY)
    },
    Rule::of(
        GROUP,
        &[
            "ClusterExternalSecret",
            "SecretStore",
            "ClusterSecretStore",
            "PushSecret",
        ],
        READY,
    ),
];
