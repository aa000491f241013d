//! Argo Workflows. A Workflow that is suspended goes on saying that it is running.

use super::super::rule::{Failure, Rule, Sign};

pub(super) const RULES: &[Rule] = &[Rule {
    failed: &[Failure {
        sign: Sign::Text("/status/phase", &["Failed", "Error"]),
        after_seconds: 0,
        code: "operation-failed",
        hint: "look at the workflow with `argo get`; delete the object if it is not needed here",
    }],
    words: &["/status/message"],
    once: true,
    status_apart: false,
    // Templates of the kind `resource`, with `setOwnerReference`.
    makes_for_others: true,
    ..Rule::of(
        "argoproj.io",
        &["Workflow"],
        &[Sign::Text("/status/phase", &["Succeeded"])],
    )
}];
