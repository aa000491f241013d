//! What stands in the way of writing one object, in words: what is there already, what the server refuses, and what is gone. Called by
//! `write` and by the loop.

use serde_json::Value;

use super::existing::holds_others;
use super::write::Writing;
use crate::driver::{Effect, Problem};
use crate::names::ANNOTATION_RECOVERY;

/// Words by which an API server says that a field does not change (1.34: `field is immutable`, `may not change once set`, `updates
/// to … are forbidden`, `cannot change roleRef`, `pod updates may not change fields`).
const IMMUTABLE: &[&str] = &[
    "immutable",
    "may not change",
    "are forbidden",
    "cannot change",
];

impl Writing {
    pub(super) fn in_use(&self, live: &Value) -> Problem {
        let created = live
            .pointer("/metadata/creationTimestamp")
            .and_then(Value::as_str)
            .unwrap_or("an unknown time");
        Problem::stuck(
            "already-exists",
            format!(
                "{} is already there (since {created}) and was not written by this recovery",
                self.target().id()
            ),
            "remove it and run the same command again; a new recovery may keep what is there (`--existing skip`), update it (`update`) or replace it (`replace`)",
        )
    }

    pub(super) fn holds_data(&self) -> Problem {
        Problem::stuck(
            "volume-exists",
            format!(
                "{} is already there and may hold data: it is neither updated nor replaced",
                self.target().id()
            ),
            "remove it yourself if its data is of no use, then run the same command again",
        )
    }

    /// What a refused write means here, and what to do about it.
    pub fn explain(&self, effect: &Effect, problem: Problem) -> Problem {
        let problem = without_namespace(effect, problem);
        let of_another = matches!(effect, Effect::Patch { object, .. } if *object != self.target());
        if problem.code != "invalid" || of_another {
            return problem;
        }
        let says = |words: &[&str]| words.iter().any(|words| problem.message.contains(words));
        let id = self.target().id();
        match effect {
            Effect::Patch { .. } if says(IMMUTABLE) => Problem::stuck(
                "field-immutable",
                format!(
                    "{id} cannot be given the content of the point, a field of it never changes: {}",
                    problem.message
                ),
                if holds_others(&self.resource) {
                    "see what differs and mend it yourself: Refloat never deletes what holds other things"
                } else {
                    "delete it and run the same command again: it is created anew; a new recovery with `--existing replace` does so by itself"
                },
            ),
            Effect::Create { .. } if says(&["provided port is already allocated"]) => {
                Problem::stuck(
                    "node-port-taken",
                    format!(
                        "{id} keeps its node ports, and another Service has one of them: {}",
                        problem.message
                    ),
                    "free the port (`kubectl get services -A`) and run the same command again, or recover without `--preserve-node-ports`",
                )
            }
            Effect::Create { .. }
            | Effect::Patch { .. }
            | Effect::Delete { .. }
            | Effect::Exec { .. }
            | Effect::GrantVault { .. }
            | Effect::Capture(_)
            | Effect::StoreObjects
            | Effect::Keep(_)
            | Effect::Seal(_) => problem,
        }
    }
}

/// What it means for a recovery that a namespace is not there. It was written before its content, or was there when the recovery was
/// planned: it was deleted since. To create it would bring back the rest alone, for what is done is not done again.
pub(crate) fn without_namespace(effect: &Effect, problem: Problem) -> Problem {
    if problem.code != "namespace-missing" {
        return problem;
    }
    let run = match effect {
        Effect::Create { object, .. } => object
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(ANNOTATION_RECOVERY)?.as_str()),
        Effect::Patch { .. }
        | Effect::Delete { .. }
        | Effect::Exec { .. }
        | Effect::GrantVault { .. }
        | Effect::Capture(_)
        | Effect::StoreObjects
        | Effect::Keep(_)
        | Effect::Seal(_) => None,
    };
    Problem {
        hint: format!(
            "what this recovery had written in it went with it: take back the rest with `refloat rollback --run {}`, then recover anew",
            run.unwrap_or("RUN")
        ),
        ..problem
    }
}
