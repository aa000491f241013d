//! Any workload that can be held by a command of the user's own.
//!
//! The command is named by the protection (`capture.hooks`) or by annotations of the workload. Two forms: one that prints
//! a line when it holds and lets go at the end of its input, and a pair of freeze and thaw for what outlives its client.
//! Both run under a small holder in the pod, which lets go by itself when it hears nothing for five seconds: the death of
//! the engine, a cut link and a killed holder all end in the command's end of input.
//!
//! Promises `held` on the command's word: it had said that it holds before the first cut, and it still ran after the last
//! one. Whether what it does makes a copy that the application can be recovered from is the user's knowledge. Cannot: hold
//! several pods of one workload, or containers without a POSIX shell.

mod backup;
mod claim;
mod restore;
#[cfg(test)]
mod tests;
mod types;

use jiff::Timestamp;
use refloat_core::driver::{Claim, Driver, Facts, Op, Outcome, Query, Role, Seen, Task, Verdict};
use refloat_core::inventory::{Inventory, Thing};

use crate::workload;

/// The driver.
pub struct Hook;

static FACTS: Facts = Facts {
    id: "hook",
    summary: "Any workload, held by a command of yours",
    role: Role::Database,
    versions: "any container with a POSIX shell, `mkfifo` and `sleep`",
    permissions: workload::EXEC_PERMISSIONS,
};

impl Driver for Hook {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn claim(&self, thing: &Thing, inventory: &Inventory) -> Option<Claim> {
        claim::claim(thing, inventory)
    }

    fn look(&self, task: &Task<'_>) -> Vec<Query> {
        match task.op {
            Op::Check | Op::Ready | Op::Capture => vec![workload::pods(task)],
            Op::Amend | Op::Expose | Op::Reap | Op::Restore => Vec::new(),
        }
    }

    fn decide(&self, task: &Task<'_>, seen: &Seen, _now: Timestamp) -> Verdict {
        let verdict = match task.op {
            Op::Check => backup::check(task, seen),
            Op::Capture => backup::capture(task, seen),
            Op::Ready => restore::ready(task, seen),
            Op::Amend => Ok(Verdict::Done(
                Outcome::default().with("edits", serde_json::json!({})),
            )),
            Op::Expose | Op::Reap | Op::Restore => Ok(Verdict::Done(Outcome::default())),
        };
        verdict.unwrap_or_else(Verdict::from)
    }
}
