//! The job of a mover pod: a request in JSON, progress lines, a report in JSON.
//!
//! Must not hold how bytes move (`MoverEngine`) nor read the process's environment. The binary's `mover` command reads
//! the request, calls [`run`] and writes the report to the pod's termination message.

mod processors;
mod report;
mod request;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

pub use report::{Failure, JobReport, Outcome};
pub use request::{Action, JobRequest, S3Location, StoreLocation};

use crate::control::{Control, Progress, ProgressSink};
use crate::engine::MoverEngine;
use crate::error::PartError;
use crate::rustic::RusticEngine;

/// Carries out one request; every failure is in the report.
///
/// Blocks, and works on threads of its own. `handle` is of a multi-threaded runtime.
pub fn run(request: &JobRequest, control: &Control, handle: &Handle) -> JobReport {
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            processors::limit();
            perform(request, control, handle)
        });
        worker.join()
    });
    let result = done.unwrap_or_else(|_| {
        Err(PartError::Panicked {
            step: "running the job",
            message: "see the pod's log".to_owned(),
        })
    });
    JobReport::new(request.part(), result)
}

fn perform(request: &JobRequest, control: &Control, handle: &Handle) -> Result<Outcome, PartError> {
    let key = request.key()?;
    let store = request.store.open()?;
    let engine = RusticEngine::new(store, &request.prefix()?, key, handle.clone());
    match &request.action {
        Action::Backup { path, save } => engine.save_tree(save, path, control).map(Outcome::Saved),
        Action::Restore { path, part, edits } => engine
            .restore_tree(part, edits, path, control)
            .map(Outcome::Restored),
        Action::Verify { part, read } => engine.verify(part, *read, control).map(Outcome::Verified),
    }
}

/// Writes progress as lines of JSON: `{"progress":{"bytes_done":…}}`.
pub struct ProgressLines<W> {
    out: Mutex<W>,
}

impl<W: Write + Send> ProgressLines<W> {
    /// Takes where the lines go.
    pub fn new(out: W) -> Arc<Self> {
        Arc::new(Self {
            out: Mutex::new(out),
        })
    }
}

impl<W: Write + Send> ProgressSink for ProgressLines<W> {
    fn report(&self, progress: Progress) {
        let line = serde_json::json!({ "progress": progress });
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        if let Err(error) = written {
            log::warn!("a progress line could not be written: {error}");
        }
    }
}

/// Reads progress back from a line of a mover's log; other lines are nothing.
pub fn parse_progress(line: &str) -> Option<Progress> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    serde_json::from_value(value.get("progress")?.clone()).ok()
}
