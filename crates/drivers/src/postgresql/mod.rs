//! PostgreSQL 12 to 17 in a StatefulSet or Deployment, without an operator.
//!
//! A server whose data directory, WAL and tablespaces lie on one volume is taken as `atomic-volume`: a storage snapshot
//! of one volume, cut at one moment, with `fsync` and `full_page_writes` on, starts like after a power cut and loses
//! nothing that was committed (PostgreSQL documentation, "File System Level Backup"). A server on several volumes is
//! taken as `held`: between `pg_backup_start` and `pg_backup_stop` of one session, the volume with the WAL after it. The
//! conditions are checked, each time; where one does not hold the copy is only `crash`.
//!
//! Of a primary and its standbys in one StatefulSet one is copied for all, a standby if it is hardly behind and its layout
//! allows it; it comes back as the first ordinal, and the others are rebuilt from it as they were first made.
//!
//! Reads and checkpoints through the image's own `psql` by exec. Cannot: several primaries of one StatefulSet, standbys
//! without their primary.

mod backup;
mod claim;
mod conditions;
mod hold;
mod places;
mod restore;
mod servers;
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
pub struct Postgresql;

static FACTS: Facts = Facts {
    id: "postgresql",
    summary: "PostgreSQL servers without an operator, on one volume or several",
    role: Role::Database,
    versions: "12 to 17 by its documentation, 15 tested",
    permissions: workload::EXEC_PERMISSIONS,
};

impl Driver for Postgresql {
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
            Op::Amend => hold::amend(task),
            Op::Expose | Op::Reap | Op::Restore => Ok(Verdict::Done(Outcome::default())),
        };
        verdict.unwrap_or_else(Verdict::from)
    }
}
