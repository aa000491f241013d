//! cert-manager. A failed issuance is tried again after an hour, so its certificate is taken for failed after a while; not one that is
//! ready and failed to be renewed.

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "cert-manager.io";

pub(super) const RULES: &[Rule] = &[
    Rule {
        failed: &[Failure {
            sign: Sign::All(&[
                Sign::Because("Issuing", "False", "Failed"),
                Sign::Condition("Ready", "False"),
            ]),
            after_seconds: 60,
            code: "issuance-failed",
            hint: "look at its CertificateRequest and Order with `cmctl status certificate`",
        }],
        ..Rule::of(GROUP, &["Certificate"], &[Sign::Condition("Ready", "True")])
    },
    Rule {
        failed: &[Failure {
            sign: Sign::Because("Ready", "False", "Err"),
            after_seconds: 180,
            code: "issuer-failed",
            hint: "look at cert-manager's log: its account or its key is missing or refused",
        }],
        ..Rule::of(
            GROUP,
            &["Issuer", "ClusterIssuer"],
            &[Sign::Condition("Ready", "True")],
        )
    },
];
