//! How a caller follows and stops an operation: progress and the cancel flag.
//!
//! Must not hold anything about what is moved. Every operation of the engine takes a [`Control`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How far an operation has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes of file content handled.
    pub bytes_done: u64,
    /// Bytes of file content to handle; 0 while it is not known.
    pub bytes_total: u64,
    /// Files handled completely.
    pub files_done: u64,
}

/// Who wants to hear about progress.
pub trait ProgressSink: Send + Sync {
    /// Takes the newest progress; called about once a second and once at the end.
    fn report(&self, progress: Progress);
}

/// A flag that stops an operation at its next read or write.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the operation to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Says whether the operation was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What the caller of an operation gives along.
#[derive(Clone, Default)]
pub struct Control {
    /// Set by the caller to stop the operation.
    pub cancel: CancelFlag,
    /// Where progress goes; nowhere if absent.
    pub progress: Option<Arc<dyn ProgressSink>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Control")
            .field("cancel", &self.cancel)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// Counts what is done and tells the sink about it, at most once per interval.
#[derive(Debug)]
pub(crate) struct Meter {
    control: Control,
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    files_done: AtomicU64,
    told: Mutex<Instant>,
}

const TELL_INTERVAL: Duration = Duration::from_secs(1);

impl Meter {
    pub(crate) fn new(control: &Control) -> Self {
        Self {
            control: control.clone(),
            bytes_done: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
            files_done: AtomicU64::new(0),
            told: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn expect_bytes(&self, total: u64) {
        self.bytes_total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.tell_if_due();
    }

    pub(crate) fn add_file(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
        self.tell_if_due();
    }

    pub(crate) fn finish(&self) {
        if let Some(sink) = &self.control.progress {
            sink.report(self.now());
        }
    }

    pub(crate) fn now(&self) -> Progress {
        Progress {
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            bytes_total: self.bytes_total.load(Ordering::Relaxed),
            files_done: self.files_done.load(Ordering::Relaxed),
        }
    }

    fn tell_if_due(&self) {
        let Some(sink) = &self.control.progress else {
            return;
        };
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() < TELL_INTERVAL {
                return;
            }
            *told = Instant::now();
        }
        sink.report(self.now());
    }
}
