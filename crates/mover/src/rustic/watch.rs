//! What one operation shares among its threads: the first error, cancellation, progress.
//!
//! Must not do I/O. `rustic_core` drops errors of sources and, in places, of the store; whatever happens in our
//! readers and our backend is therefore remembered here, and nothing counts while anything is remembered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::control::{Control, Meter};
use crate::error::PartError;

#[derive(Debug)]
pub(super) struct Watch {
    control: Control,
    pub(super) meter: Meter,
    failed: AtomicBool,
    failures: AtomicU64,
    first: Mutex<Option<PartError>>,
    files_read: AtomicU64,
}

impl Watch {
    pub(super) fn new(control: &Control) -> Self {
        Self {
            control: control.clone(),
            meter: Meter::new(control),
            failed: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            first: Mutex::new(None),
            files_read: AtomicU64::new(0),
        }
    }

    /// Remembers an error; the first one is what the caller gets.
    pub(super) fn fail(&self, error: PartError) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        self.failures.fetch_add(1, Ordering::SeqCst);
        if first.is_none() {
            *first = Some(error);
        }
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.control.cancel.is_cancelled()
    }

    /// Says whether going on is pointless.
    pub(super) fn must_stop(&self) -> bool {
        self.has_failed() || self.is_cancelled()
    }

    /// Takes the first error out, or says that all is well so far.
    pub(super) fn check(&self) -> Result<(), PartError> {
        if self.is_cancelled() {
            return Err(PartError::Cancelled);
        }
        if !self.has_failed() {
            return Ok(());
        }
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Err(first.unwrap_or(PartError::Cancelled))
    }

    pub(super) fn count_read_file(&self) {
        self.files_read.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn files_read(&self) -> u64 {
        self.files_read.load(Ordering::Relaxed)
    }
}
