//! MariaDB 10.3 to 11 and MySQL 8 in a StatefulSet or Deployment, without an operator.
//!
//! Taken as `held`: one session of the image's own client blocks commits (`BACKUP STAGE BLOCK_COMMIT`, MariaDB 10.4.1 and
//! newer) or everything (`FLUSH TABLES WITH READ LOCK`) from before the first cut until after the last one, so that
//! tables of every storage engine and the binary log are of one moment, and that moment's position is known. InnoDB writes
//! pages and its log in the background all the same: all of it must lie on one volume that is cut at one moment. Where it
//! does not the copy is only `crash`. (MariaDB documentation, "BACKUP STAGE"; MySQL manual, "FLUSH TABLES".)
//!
//! Writers wait while it holds. Tables that are not transactional are named in the point: taken without a hold they may be
//! torn. Cannot: Galera, standbys by choice, several pods of one StatefulSet.

mod backup;
mod claim;
mod hold;
mod restore;
#[cfg(test)]
mod tests;
mod types;

use jiff::Timestamp;
use refloat_core::driver::{
    Claim, Driver, Facts, Op, Outcome, Problem, Query, Role, Seen, Task, Verdict,
};
use refloat_core::inventory::{Inventory, Thing};

use crate::workload;

/// The driver.
pub struct Mariadb;

static FACTS: Facts = Facts {
    id: "mariadb",
    summary: "MariaDB and MySQL servers without an operator",
    role: Role::Database,
    versions: "MariaDB 10.3 to 11 and MySQL 8 by their documentation, MariaDB 10.11 tested",
    permissions: workload::EXEC_PERMISSIONS,
};

impl Driver for Mariadb {
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
        let verdict: Result<Verdict, Problem> = match task.op {
            Op::Check => backup::check(task, seen),
            Op::Capture => backup::capture(task, seen),
            Op::Ready => restore::ready(task, seen),
            // Crash recovery of the engines needs nothing: the files are of one moment.
            Op::Amend => Ok(Verdict::Done(
                Outcome::default().with("edits", serde_json::json!({})),
            )),
            Op::Expose | Op::Reap | Op::Restore => Ok(Verdict::Done(Outcome::default())),
        };
        verdict.unwrap_or_else(Verdict::from)
    }
}
