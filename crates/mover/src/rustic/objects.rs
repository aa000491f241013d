//! Files in memory as a source.
//!
//! Must not know what the objects are. `save` uses it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};

use super::watch::Watch;
use crate::engine::{Amount, ObjectFile};
use crate::error::PartError;

/// The name in a snapshot under which objects lie.
pub(super) const OBJECTS_ROOT: &str = "objects";
const NAME_BYTES_MAX: usize = 255;
const DEPTH_MAX: usize = 16;
const FILE_MODE: u32 = 0o600;

pub(super) struct ObjectSource {
    files: Arc<BTreeMap<PathBuf, Bytes>>,
    watch: Arc<Watch>,
}

impl ObjectSource {
    /// Checks all paths; nothing is stored if one of them is not usable.
    pub(super) fn new(objects: Vec<ObjectFile>, watch: &Arc<Watch>) -> Result<Self, PartError> {
        let mut files = BTreeMap::new();
        for object in objects {
            if let Some(reason) = path_problem(&object.path) {
                return Err(PartError::ObjectPath {
                    path: object.path,
                    reason,
                });
            }
            let path = Path::new("/").join(OBJECTS_ROOT).join(&object.path);
            if files.insert(path, object.content).is_some() {
                return Err(PartError::ObjectPath {
                    path: object.path,
                    reason: "it is given twice",
                });
            }
        }
        if let Some(path) = files.keys().find(|path| {
            path.ancestors()
                .skip(1)
                .any(|above| files.contains_key(above))
        }) {
            return Err(PartError::ObjectPath {
                path: path.display().to_string(),
                reason: "a file lies where it needs a directory",
            });
        }
        Ok(Self {
            files: Arc::new(files),
            watch: Arc::clone(watch),
        })
    }

    pub(super) fn amount(&self) -> Amount {
        Amount {
            files: self.files.len() as u64,
            bytes: self
                .files
                .values()
                .map(|content| content.len() as u64)
                .sum(),
        }
    }
}

fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.contains('\0') {
        return Some("it holds a NUL");
    }
    if path.split('/').count() > DEPTH_MAX {
        return Some("it is too deep");
    }
    for name in path.split('/') {
        match name {
            "" => return Some("it is absolute or holds an empty name"),
            "." | ".." => return Some("it holds a . or .. name"),
            _ if name.len() > NAME_BYTES_MAX => return Some("a name in it is too long"),
            _ => {}
        }
    }
    None
}

/// A constant: trees with the same content are then the same tree.
fn metadata(size: u64) -> Metadata {
    Metadata {
        mode: Some(FILE_MODE),
        mtime: Some(Timestamp::UNIX_EPOCH),
        atime: Some(Timestamp::UNIX_EPOCH),
        ctime: Some(Timestamp::UNIX_EPOCH),
        size,
        ..Metadata::default()
    }
}

impl ReadSource for ObjectSource {
    type Open = ObjectRead;
    type Iter = ObjectEntries;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(Some(self.amount().bytes))
    }

    fn entries(&self) -> Self::Iter {
        ObjectEntries {
            files: Arc::clone(&self.files),
            last: None,
            watch: Arc::clone(&self.watch),
        }
    }
}

pub(super) struct ObjectEntries {
    files: Arc<BTreeMap<PathBuf, Bytes>>,
    last: Option<PathBuf>,
    watch: Arc<Watch>,
}

impl Iterator for ObjectEntries {
    type Item = RusticResult<ReadSourceEntry<ObjectRead>>;

    fn next(&mut self) -> Option<Self::Item> {
        use std::ops::Bound;
        if self.watch.must_stop() {
            return None;
        }
        let after = match &self.last {
            Some(last) => Bound::Excluded(last.clone()),
            None => Bound::Unbounded,
        };
        let (path, content) = self.files.range((after, Bound::Unbounded)).next()?;
        let name = path.file_name().unwrap_or_default();
        let node = Node::new_node(name, NodeType::File, metadata(content.len() as u64));
        let entry = ReadSourceEntry {
            path: path.clone(),
            node,
            open: Some(ObjectRead {
                content: content.clone(),
                watch: Arc::clone(&self.watch),
            }),
        };
        self.last = Some(path.clone());
        Some(Ok(entry))
    }
}

pub(super) struct ObjectRead {
    content: Bytes,
    watch: Arc<Watch>,
}

impl Read for ObjectRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.must_stop() {
            return Err(io::Error::other("stopped"));
        }
        let count = buffer.len().min(self.content.len());
        self.content.copy_to_slice(&mut buffer[..count]);
        self.watch.meter.add_bytes(count as u64);
        if count == 0 && !buffer.is_empty() {
            self.watch.count_read_file();
            self.watch.meter.add_file();
        }
        Ok(count)
    }
}
