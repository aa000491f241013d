//! When a recovered workload with a hook counts as ready: its pod runs; what is inside it nobody here knows.

use refloat_core::driver::{Outcome, Problem, Seen, Task, Verdict};

use crate::workload;

pub(super) fn ready(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    workload::running_pod(task, seen)?;
    Ok(Verdict::Done(Outcome::default()))
}
