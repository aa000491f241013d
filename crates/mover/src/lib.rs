//! The mover: bytes between volumes and the encrypted repository, and back.
//!
//! Holds the [`MoverEngine`] port, its one implementation over the restic repository format
//! ([`RusticEngine`]) and the job that a mover pod runs ([`job`]). It must not hold decisions about what
//! is moved or when, nor the vault's own formats. The mover pod, the engine and the CLI call it.
//!
//! Everything here blocks. Async callers use `tokio::task::spawn_blocking`, never a worker thread, on a
//! multi-threaded runtime (the store's requests run on the same runtime).

mod control;
mod engine;
mod error;
pub mod job;
mod key;
mod rustic;

pub use control::{CancelFlag, Control, Progress, ProgressSink};
pub use engine::{
    Amount, Edit, Labels, MoverEngine, ObjectFile, ObjectFiles, ObjectLimits, PartReference,
    ReadData, Restored, SaveRequest, Saved, Verified,
};
pub use error::PartError;
pub use key::{KeyError, RepositoryKey};
pub use rustic::{FileReader, RusticEngine, SourceReader, StoreLimits};
