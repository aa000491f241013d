//! Writing proven pieces into open files; the last piece closes a file and sets its attributes.
//!
//! Must not open paths (`target` does). The fetcher's workers call it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustic_core::repofile::Metadata;

use super::super::attributes::{self, Skipped};
use super::super::blobs::Deliver;
use super::Watch;
use crate::error::PartError;

/// A file that still waits for pieces.
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    metadata: Metadata,
    /// Pieces to come, and one for the planner.
    holds: AtomicUsize,
}

impl OpenFile {
    pub(super) fn new(file: File, path: PathBuf, metadata: Metadata) -> Self {
        Self {
            file,
            path,
            metadata,
            holds: AtomicUsize::new(1),
        }
    }

    /// Gives one hold back; whoever gives the last one finishes the file.
    pub(super) fn release(&self, watch: &Watch) -> Result<Skipped, PartError> {
        if self.holds.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Ok(0);
        }
        let failed = |action| {
            move |source| PartError::TargetWrite {
                action,
                path: self.path.clone(),
                source,
            }
        };
        let size = self.file.metadata().map_err(failed("look at"))?.len();
        if size != self.metadata.size {
            return Err(failed("write")(std::io::Error::other(
                "the file has another size than was written",
            )));
        }
        let skipped = attributes::apply(&self.file, &self.metadata)
            .map_err(failed("set the attributes of"))?;
        watch.meter.add_file();
        Ok(skipped)
    }
}

/// Where in a file a piece belongs.
pub(super) struct Destination {
    file: Arc<OpenFile>,
    offset: u64,
}

impl Destination {
    pub(super) fn new(file: &Arc<OpenFile>, offset: u64) -> Self {
        file.holds.fetch_add(1, Ordering::AcqRel);
        Self {
            file: Arc::clone(file),
            offset,
        }
    }
}

/// Writes what the workers deliver.
pub(super) struct FileWriter<'a> {
    watch: &'a Watch,
    attributes_skipped: AtomicU64,
}

impl<'a> FileWriter<'a> {
    pub(super) fn new(watch: &'a Watch) -> Self {
        Self {
            watch,
            attributes_skipped: AtomicU64::new(0),
        }
    }

    pub(super) fn attributes_skipped(&self) -> u64 {
        self.attributes_skipped.load(Ordering::Relaxed)
    }
}

impl Deliver<Destination> for FileWriter<'_> {
    fn deliver(&self, content: &[u8], destinations: Vec<Destination>) -> Result<(), PartError> {
        for Destination { file, offset } in destinations {
            file.file
                .write_all_at(content, offset)
                .map_err(|source| PartError::TargetWrite {
                    action: "write",
                    path: file.path.clone(),
                    source,
                })?;
            self.watch.meter.add_bytes(content.len() as u64);
            let skipped = file.release(self.watch)?;
            self.attributes_skipped
                .fetch_add(skipped, Ordering::Relaxed);
        }
        Ok(())
    }
}
