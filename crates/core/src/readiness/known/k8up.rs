//! K8up's operations. Condition Completed is True when its Job has ended, for the reason Succeeded or Failed. A Backup whose pod
//! before it did not start in time has no Job: it ends with condition PreBackupPodReady, False with reason Failed. With another
//! reason (CreationFailed, RetrievalFailed) K8up tries again.

use super::super::rule::{Failure, Rule, Sign};

pub(super) const RULES: &[Rule] = &[Rule {
    failed: &[
        Failure {
            sign: Sign::Because("Completed", "True", "Failed"),
            after_seconds: 0,
            code: "operation-failed",
            hint: "look at the log of its Job; delete the object if it is not needed here",
        },
        Failure {
            sign: Sign::Because("PreBackupPodReady", "False", "Failed"),
            after_seconds: 0,
            code: "operation-failed",
            hint: "look at the pod of its PreBackupPod; delete the object if it is not needed here",
        },
    ],
    once: true,
    ..Rule::of(
        "k8up.io",
        &["Backup", "Restore", "Archive", "Check", "Prune"],
        &[Sign::Condition("Completed", "True")],
    )
}];
