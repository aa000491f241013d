//! Velero's operations. A Backup that has ended lies in the object store, from where Velero lists it anew; one
//! that is being deleted had ended before, and would be made once more.

use super::super::rule::{Failure, Rule, Sign};

pub(super) const RULES: &[Rule] = &[Rule {
    failed: &[Failure {
        sign: Sign::Text(
            "/status/phase",
            &["Failed", "PartiallyFailed", "FailedValidation", "Deleting"],
        ),
        after_seconds: 0,
        code: "operation-failed",
        hint: "see `velero backup describe` or `velero restore describe`; delete the object if it is not needed here",
    }],
    words: &["/status/failureReason", "/status/validationErrors/0"],
    once: true,
    status_apart: false,
    ..Rule::of(
        "velero.io",
        &["Backup", "Restore"],
        &[Sign::Text("/status/phase", &["Completed"])],
    )
}];
