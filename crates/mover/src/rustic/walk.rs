//! Walking a source: which files there are, in order, and which of them may hide a write.
//!
//! Must not read content. `source` and `save` use it.

use std::ffi::OsString;
use std::fs::Metadata as FileMetadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::attributes::timestamp;
use super::watch::Watch;
use crate::error::PartError;

const LOST_AND_FOUND: &str = "lost+found";
const DEPTH_MAX: usize = 512;
const TICK_RACE_WINDOW: SignedDuration = SignedDuration::from_millis(20);
const COARSE_RACE_WINDOW: SignedDuration = SignedDuration::from_secs(2);
const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_mins(1);

/// What a look through the source, before anything is read, found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Survey {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) directories: u64,
    pub(super) special_files: u64,
    newest_change: Option<Timestamp>,
}

pub(super) struct Found {
    /// Path below the source's root; empty for the root itself.
    pub(super) relative: PathBuf,
    pub(super) metadata: FileMetadata,
}

struct Level {
    directory: PathBuf,
    names: std::vec::IntoIter<OsString>,
}

/// Walks a tree depth first, names in byte order, links not followed.
pub(super) struct Walk {
    pub(super) root: PathBuf,
    levels: Vec<Level>,
    started: bool,
}

impl Walk {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            levels: Vec::new(),
            started: false,
        }
    }

    fn enter(&mut self, relative: &Path) -> Result<(), PartError> {
        let path = self.root.join(relative);
        let failed = |source| PartError::SourceRead {
            action: "list",
            path: path.clone(),
            source,
        };
        if self.levels.len() >= DEPTH_MAX {
            return Err(failed(io::Error::other("directories are nested too deep")));
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if self.levels.is_empty() && name == LOST_AND_FOUND {
                continue;
            }
            names.push(name);
        }
        names.sort_unstable();
        self.levels.push(Level {
            directory: relative.to_owned(),
            names: names.into_iter(),
        });
        Ok(())
    }

    pub(super) fn step(&mut self) -> Result<Option<Found>, PartError> {
        let relative = if self.started {
            loop {
                let Some(level) = self.levels.last_mut() else {
                    return Ok(None);
                };
                match level.names.next() {
                    Some(name) => break level.directory.join(name),
                    None => self.levels.pop(),
                };
            }
        } else {
            self.started = true;
            PathBuf::new()
        };
        let path = self.root.join(&relative);
        let metadata =
            std::fs::symlink_metadata(&path).map_err(|source| PartError::SourceRead {
                action: "look at",
                path,
                source,
            })?;
        if metadata.is_dir() {
            self.enter(&relative)?;
        } else if relative.as_os_str().is_empty() {
            return Err(PartError::SourceRead {
                action: "list",
                path: self.root.clone(),
                source: io::Error::from(io::ErrorKind::NotADirectory),
            });
        }
        Ok(Some(Found { relative, metadata }))
    }
}

/// Looks through the source: what must be stored, and when it last changed.
pub(super) fn survey(root: &Path, watch: &Watch) -> Result<Survey, PartError> {
    let mut survey = Survey::default();
    let mut walk = Walk::new(root);
    while let Some(found) = walk.step()? {
        watch.check()?;
        survey.count(&found.metadata);
    }
    Ok(survey)
}

impl Survey {
    pub(super) fn count(&mut self, metadata: &FileMetadata) {
        let kind = metadata.file_type();
        if is_special(metadata) {
            self.special_files += 1;
            return;
        }
        self.newest_change = self.newest_change.max(Some(changed_at(metadata)));
        if kind.is_dir() {
            self.directories += 1;
        } else {
            self.files += 1;
            if kind.is_file() {
                self.bytes += metadata.len();
            }
        }
    }

    /// Says whether a later write could have left the same times on this file.
    ///
    /// File times move in kernel ticks. A write after the cut, in the tick of the last write before it, leaves size and
    /// times as they are; the next backup would take the file for unchanged. Such files must be read again next time.
    pub(super) fn may_hide_a_write(&self, metadata: &FileMetadata, cut: Timestamp) -> bool {
        let Some(newest) = self.newest_change else {
            return false;
        };
        let quiet_since = newest.saturating_add(CLOCK_SKEW_MAX);
        if quiet_since.is_ok_and(|until| until < cut) {
            return false;
        }
        let window = if newest.subsec_nanosecond() == 0 {
            COARSE_RACE_WINDOW
        } else {
            TICK_RACE_WINDOW
        };
        newest.duration_since(changed_at(metadata)) <= window
    }
}

pub(super) fn changed_at(metadata: &FileMetadata) -> Timestamp {
    timestamp(metadata.ctime(), metadata.ctime_nsec())
}

pub(super) fn is_special(metadata: &FileMetadata) -> bool {
    let kind = metadata.file_type();
    kind.is_block_device() || kind.is_char_device() || kind.is_fifo() || kind.is_socket()
}
