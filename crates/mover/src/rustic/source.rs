//! A directory tree as a source: walked in order, every reader watched.
//!
//! Must not decide what is saved beyond leaving out special files and `lost+found`. `save` uses it.

use std::fs::{Metadata as FileMetadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{ReadSource, ReadSourceEntry, ReadSourceOpen, RusticResult};

use super::attributes::{extended_attributes, mode_to_go, timestamp};
use super::walk::{Found, Survey, Walk, changed_at, is_special};
use super::watch::Watch;
use crate::error::PartError;

/// The name in a snapshot under which a volume's root lies.
pub(super) const VOLUME_ROOT: &str = "volume";

/// Opens the files of a source; a seam for throttling, and for tests that count or break reads.
pub trait SourceReader: Send + Sync {
    /// Opens one regular file for reading from its start.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
}

/// Opens files as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileReader;

impl SourceReader for FileReader {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
            .open(path)?;
        Ok(Box::new(file) as Box<dyn Read + Send>)
    }
}

/// The source as the library reads it.
pub(super) struct TreeSource {
    pub(super) root: PathBuf,
    pub(super) cut: Timestamp,
    pub(super) run: String,
    pub(super) survey: Survey,
    pub(super) reader: Arc<dyn SourceReader>,
    pub(super) watch: Arc<Watch>,
}

impl ReadSource for TreeSource {
    type Open = WatchedOpen;
    type Iter = TreeEntries;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(Some(self.survey.bytes))
    }

    fn entries(&self) -> Self::Iter {
        TreeEntries {
            walk: Walk::new(&self.root),
            seen: Survey::default(),
            cut: self.cut,
            shift: shift_of(&self.run),
            survey: self.survey,
            reader: Arc::clone(&self.reader),
            watch: Arc::clone(&self.watch),
        }
    }
}

/// A part of a second that belongs to a run.
///
/// The same run again reads the same cut: there, files may well look unchanged.
fn shift_of(run: &str) -> SignedDuration {
    let mut hasher = std::hash::DefaultHasher::new();
    run.hash(&mut hasher);
    let nanoseconds = hasher.finish() % 999_999_999;
    SignedDuration::from_nanos(1 + i64::try_from(nanoseconds).unwrap_or_default())
}

/// The entries of a [`TreeSource`]; ends early, remembering why, at the first error.
pub(super) struct TreeEntries {
    walk: Walk,
    seen: Survey,
    cut: Timestamp,
    shift: SignedDuration,
    survey: Survey,
    reader: Arc<dyn SourceReader>,
    watch: Arc<Watch>,
}

impl Iterator for TreeEntries {
    type Item = RusticResult<ReadSourceEntry<WatchedOpen>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.watch.must_stop() {
                return None;
            }
            match self.walk.step() {
                Ok(Some(found)) if is_special(&found.metadata) => {
                    self.seen.count(&found.metadata);
                }
                Ok(Some(found)) => {
                    self.seen.count(&found.metadata);
                    match self.entry(&found) {
                        Ok(entry) => return Some(Ok(entry)),
                        Err(error) => self.watch.fail(error),
                    }
                }
                Ok(None) => {
                    self.compare_with_survey();
                    return None;
                }
                Err(error) => self.watch.fail(error),
            }
        }
    }
}

impl TreeEntries {
    fn compare_with_survey(&self) {
        let (seen, survey) = (&self.seen, &self.survey);
        let same = seen.files == survey.files
            && seen.bytes == survey.bytes
            && seen.directories == survey.directories;
        if !same {
            self.watch.fail(PartError::SourceChanged {
                path: self.walk.root.clone(),
                detail: format!(
                    "{} files with {} bytes at first, {} files with {} bytes later",
                    survey.files, survey.bytes, seen.files, seen.bytes
                ),
            });
        }
    }

    fn entry(&self, found: &Found) -> Result<ReadSourceEntry<WatchedOpen>, PartError> {
        let absolute = self.walk.root.join(&found.relative);
        let stored = Path::new("/").join(VOLUME_ROOT);
        let stored = if found.relative.as_os_str().is_empty() {
            stored
        } else {
            stored.join(&found.relative)
        };
        let kind = found.metadata.file_type();
        let node_type = if kind.is_dir() {
            NodeType::Dir
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&absolute).map_err(|source| PartError::SourceRead {
                action: "read the link",
                path: absolute.clone(),
                source,
            })?;
            NodeType::from_link(&target)
        } else {
            NodeType::File
        };
        let metadata = self.metadata(&absolute, &found.metadata)?;
        let open = kind.is_file().then(|| WatchedOpen {
            path: absolute,
            size: found.metadata.len(),
            reader: Arc::clone(&self.reader),
            watch: Arc::clone(&self.watch),
        });
        let name = stored.file_name().unwrap_or_default().to_owned();
        Ok(ReadSourceEntry {
            path: stored,
            node: Node::new_node(&name, node_type, metadata),
            open,
        })
    }

    fn metadata(&self, path: &Path, found: &FileMetadata) -> Result<Metadata, PartError> {
        let modified = timestamp(found.mtime(), found.mtime_nsec());
        let mut changed = changed_at(found);
        if found.is_file() && self.survey.may_hide_a_write(found, self.cut) {
            // Stored too early, by another bit in each run, the file never looks unchanged to the next one.
            changed = changed.saturating_sub(self.shift).unwrap_or(changed);
        }
        let mut metadata = Metadata {
            mode: Some(mode_to_go(found.mode())),
            mtime: Some(modified),
            atime: Some(modified),
            ctime: Some(changed),
            uid: Some(found.uid()),
            gid: Some(found.gid()),
            inode: found.ino(),
            size: if found.is_file() { found.len() } else { 0 },
            links: if found.is_dir() { 0 } else { found.nlink() },
            ..Metadata::default()
        };
        if !found.is_symlink() {
            metadata.extended_attributes = extended_attributes(path)
                .map_err(|source| PartError::SourceRead {
                    action: "read the extended attributes of",
                    path: path.to_owned(),
                    source,
                })?
                .extended_attributes;
        }
        Ok(metadata)
    }
}

/// A file to be opened under watch.
pub(super) struct WatchedOpen {
    path: PathBuf,
    size: u64,
    reader: Arc<dyn SourceReader>,
    watch: Arc<Watch>,
}

impl ReadSourceOpen for WatchedOpen {
    type Reader = WatchedRead;

    fn open(self) -> RusticResult<Self::Reader> {
        self.watch.count_read_file();
        // An error to open is given by the first read: one way to remember them all.
        let inner = self.reader.open(&self.path);
        Ok(WatchedRead {
            inner,
            path: self.path,
            size: self.size,
            read: 0,
            watch: self.watch,
        })
    }
}

/// A reader whose errors, and whose too early or too late end, are remembered.
pub(super) struct WatchedRead {
    inner: io::Result<Box<dyn Read + Send>>,
    path: PathBuf,
    size: u64,
    read: u64,
    watch: Arc<Watch>,
}

impl Read for WatchedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.must_stop() {
            return Err(io::Error::other("stopped"));
        }
        let (action, result) = match &mut self.inner {
            Ok(reader) => ("read", reader.read(buffer)),
            Err(error) => ("open", Err(copy(error))),
        };
        match result {
            Ok(0) if !buffer.is_empty() => {
                self.at_end()?;
                Ok(0)
            }
            Ok(count) => {
                self.read += count as u64;
                self.watch.meter.add_bytes(count as u64);
                if self.read > self.size {
                    return Err(self.changed());
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let again = copy(&error);
                self.watch.fail(PartError::SourceRead {
                    action,
                    path: self.path.clone(),
                    source: error,
                });
                Err(again)
            }
        }
    }
}

impl WatchedRead {
    fn at_end(&self) -> io::Result<()> {
        if self.read == self.size {
            self.watch.meter.add_file();
            return Ok(());
        }
        Err(self.changed())
    }

    fn changed(&self) -> io::Error {
        self.watch.fail(PartError::SourceChanged {
            path: self.path.clone(),
            detail: format!("{} bytes expected, {} or more read", self.size, self.read),
        });
        io::Error::other("the file changed while it was read")
    }
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl std::fmt::Debug for TreeSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("TreeSource")
            .field(&self.root)
            .finish()
    }
}
