//! Tekton's runs. The time of its end is told of every run that has ended; of one that failed, was cancelled or timed out condition
//! Succeeded is False, of one that goes on it is Unknown.

use super::super::rule::{Failure, Rule, Sign};

pub(super) const RULES: &[Rule] = &[Rule {
    failed: &[Failure {
        sign: Sign::Condition("Succeeded", "False"),
        after_seconds: 0,
        code: "operation-failed",
        hint: "look at the run with `tkn`; delete the object if it is not needed here",
    }],
    once: true,
    ..Rule::of(
        "tekton.dev",
        &["TaskRun", "PipelineRun", "CustomRun"],
        &[Sign::Filled("/status/completionTime")],
    )
}];
