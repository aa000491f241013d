//! Files in memory as a source, each asked for when it is its turn.
//!
//! Must not know what the objects are, nor keep one that was read. `save` uses it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};

use super::watch::Watch;
use crate::engine::{Amount, ObjectFile, ObjectFiles};
use crate::error::PartError;

/// The name in a snapshot under which objects lie.
pub(super) const OBJECTS_ROOT: &str = "objects";
const NAME_BYTES_MAX: usize = 255;
const DEPTH_MAX: usize = 16;
const FILE_MODE: u32 = 0o600;

pub(super) struct ObjectSource {
    stream: Arc<Mutex<Stream>>,
    watch: Arc<Watch>,
}

/// The files that are still to come, and how much has come.
struct Stream {
    files: ObjectFiles,
    last: Option<PathBuf>,
    amount: Amount,
}

impl ObjectSource {
    pub(super) fn new(files: ObjectFiles, watch: &Arc<Watch>) -> Self {
        let stream = Stream {
            files,
            last: None,
            amount: Amount::default(),
        };
        Self {
            stream: Arc::new(Mutex::new(stream)),
            watch: Arc::clone(watch),
        }
    }

    /// What there is, with what nobody has asked for.
    pub(super) fn amount(&self) -> Amount {
        let mut stream = lock(&self.stream);
        while let Some(file) = stream.files.next() {
            stream.count(&file);
        }
        stream.amount
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    fn count(&mut self, file: &ObjectFile) {
        self.amount.files += 1;
        self.amount.bytes += file.content.len() as u64;
    }

    fn next(&mut self) -> Result<Option<(PathBuf, Bytes)>, PartError> {
        let Some(file) = self.files.next() else {
            return Ok(None);
        };
        self.count(&file);
        let path = Path::new("/").join(OBJECTS_ROOT).join(&file.path);
        let order = self.last.as_ref().and_then(|last| {
            if path <= *last {
                return Some("it is given twice or out of order");
            }
            path.starts_with(last)
                .then_some("a file lies where it needs a directory")
        });
        if let Some(reason) = path_problem(&file.path).or(order) {
            let path = file.path;
            return Err(PartError::ObjectPath { path, reason });
        }
        self.last = Some(path.clone());
        Ok(Some((path, file.content)))
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
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        ObjectEntries {
            stream: Arc::clone(&self.stream),
            watch: Arc::clone(&self.watch),
        }
    }
}

pub(super) struct ObjectEntries {
    stream: Arc<Mutex<Stream>>,
    watch: Arc<Watch>,
}

impl Iterator for ObjectEntries {
    type Item = RusticResult<ReadSourceEntry<ObjectRead>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.watch.must_stop() {
            return None;
        }
        let next = lock(&self.stream).next();
        let (path, content) = match next {
            Ok(next) => next?,
            Err(error) => {
                // What is remembered lets no snapshot be written.
                self.watch.fail(error);
                return None;
            }
        };
        let name = path.file_name().unwrap_or_default();
        let node = Node::new_node(name, NodeType::File, metadata(content.len() as u64));
        let open = Some(ObjectRead {
            content,
            watch: Arc::clone(&self.watch),
        });
        Some(Ok(ReadSourceEntry { path, node, open }))
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
