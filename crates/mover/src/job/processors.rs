//! How many processors the mover uses.
//!
//! The library runs as many threads as there are processors, each with buffers: on a large node, memory without bound.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const PROCESSORS_MAX: usize = 4;

/// Binds this thread, and so those that it starts, to a few of the processors allowed to it.
pub(super) fn limit() {
    let bound = sched_getaffinity(Pid::from_raw(0)).and_then(|allowed| {
        let usable: Vec<usize> = (0..CpuSet::count())
            .filter(|number| allowed.is_set(*number).unwrap_or(false))
            .collect();
        if usable.len() <= PROCESSORS_MAX {
            return Ok(());
        }
        // Not always the first ones: several movers may share a node.
        let start = std::process::id() as usize % usable.len();
        let mut chosen = CpuSet::new();
        for number in usable.iter().cycle().skip(start).take(PROCESSORS_MAX) {
            chosen.set(*number)?;
        }
        sched_setaffinity(Pid::from_raw(0), &chosen)
    });
    if let Err(error) = bound {
        log::warn!("the mover could not limit its processors: {error}");
    }
}
