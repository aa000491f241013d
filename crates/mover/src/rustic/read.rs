//! Reading saved objects back, a few megabytes at a time.
//!
//! Must not write files. The engine calls it.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustic_core::repofile::Node;

use super::RusticEngine;
use super::blobs::{Blobs, Deliver, Place, Wants, with_fetcher};
use super::objects::OBJECTS_ROOT;
use super::tree::{Visit, walk};
use super::watch::Watch;
use crate::control::Control;
use crate::engine::{ObjectFile, ObjectLimits, PartReference};
use crate::error::PartError;

/// As much content is fetched and held at once, but for a single file that is larger.
const BATCH_BYTES: u64 = 8 << 20;

pub(super) fn read_objects(
    engine: &RusticEngine,
    reference: &PartReference,
    limits: &ObjectLimits,
    control: &Control,
    take: &mut dyn FnMut(ObjectFile) -> ControlFlow<()>,
) -> Result<(), PartError> {
    let watch = Arc::new(Watch::new(control));
    let (blobs, tree) = engine.open_part(reference, &watch)?;
    let mut collect = Collect {
        blobs: &blobs,
        limits,
        files: Vec::new(),
        bytes: 0,
    };
    walk(&blobs, tree, OBJECTS_ROOT, &mut collect)?;
    let Collect { files, bytes, .. } = collect;
    watch.meter.expect_bytes(bytes);
    super::verify::compare(reference, files.len() as u64, bytes)?;
    let mut files = files.into_iter().peekable();
    while files.peek().is_some() {
        let mut bytes = 0;
        let mut batch = Vec::new();
        while let Some(file) =
            files.next_if(|file| batch.is_empty() || bytes + file.bytes <= BATCH_BYTES)
        {
            bytes += file.bytes;
            batch.push(file);
        }
        for file in fetch(&blobs, batch)? {
            if take(file).is_break() {
                return Ok(());
            }
        }
    }
    watch.meter.finish();
    Ok(())
}

/// Reads the content of a few files.
fn fetch(blobs: &Blobs, batch: Vec<Found>) -> Result<impl Iterator<Item = ObjectFile>, PartError> {
    let mut wants = Wants::new();
    for (file, found) in batch.iter().enumerate() {
        for (piece, place) in found.pieces.iter().enumerate() {
            wants.add(*place, Destination { file, piece });
        }
    }
    let gather = Gather {
        watch: blobs.watch(),
        files: batch
            .iter()
            .map(|file| Mutex::new(vec![Bytes::new(); file.pieces.len()]))
            .collect(),
    };
    with_fetcher(blobs, &gather, |fetcher| fetcher.fetch(&mut wants))?;
    let contents = gather.files.into_iter().map(|pieces| {
        let mut pieces = pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        match pieces.len() {
            1 => pieces.swap_remove(0),
            _ => Bytes::from(pieces.concat()),
        }
    });
    let paths = batch.into_iter().map(|file| file.path);
    let file = |(path, content)| ObjectFile { path, content };
    Ok(paths.zip(contents).map(file))
}

struct Found {
    path: String,
    bytes: u64,
    pieces: Vec<Place>,
}

struct Collect<'a> {
    blobs: &'a Blobs,
    limits: &'a ObjectLimits,
    files: Vec<Found>,
    bytes: u64,
}

struct Destination {
    file: usize,
    piece: usize,
}

impl Collect<'_> {
    fn refuse(&self, path: &Path, reason: &'static str) -> PartError {
        PartError::HostileTree {
            part: self.blobs.part.clone(),
            path: path.to_owned(),
            reason,
        }
    }

    fn limit(&self, what: &'static str, limit: u64) -> PartError {
        PartError::TooLarge {
            part: self.blobs.part.clone(),
            what,
            limit,
        }
    }
}

impl Visit for Collect<'_> {
    fn enter(&mut self, path: &Path, _name: &OsStr, _node: &Node) -> Result<(), PartError> {
        if path.components().count() > self.limits.depth_max {
            return Err(self.limit("nested directories", self.limits.depth_max as u64));
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, _name: &OsStr, node: &Node) -> Result<(), PartError> {
        let Some(text) = path.to_str() else {
            return Err(self.refuse(path, "an object's path is not text"));
        };
        if self.files.len() as u64 >= self.limits.files_max {
            return Err(self.limit("files", self.limits.files_max));
        }
        let content = node.content.as_deref().unwrap_or_default();
        let mut pieces = Vec::with_capacity(content.len());
        let mut bytes = 0_u64;
        for id in content {
            let place = self.blobs.locate(id, path)?;
            bytes = bytes.saturating_add(place.content_bytes());
            if bytes > self.limits.file_bytes_max {
                return Err(self.limit("bytes in one file", self.limits.file_bytes_max));
            }
            pieces.push(place);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes_max {
            return Err(self.limit("bytes", self.limits.bytes_max));
        }
        self.files.push(Found {
            path: text.to_owned(),
            bytes,
            pieces,
        });
        Ok(())
    }

    fn link(
        &mut self,
        path: &Path,
        _name: &OsStr,
        _target: &OsStr,
        _node: &Node,
    ) -> Result<(), PartError> {
        Err(self.refuse(path, "objects hold no links"))
    }

    fn special(&mut self, path: &Path) -> Result<(), PartError> {
        Err(self.refuse(path, "objects hold no special files"))
    }

    fn leave(&mut self, _path: &Path) -> Result<(), PartError> {
        Ok(())
    }
}

struct Gather<'a> {
    watch: &'a Watch,
    files: Vec<Mutex<Vec<Bytes>>>,
}

impl Deliver<Destination> for Gather<'_> {
    fn deliver(&self, content: &[u8], destinations: Vec<Destination>) -> Result<(), PartError> {
        let content = Bytes::copy_from_slice(content);
        for Destination { file, piece } in destinations {
            let mut pieces = self.files[file]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            pieces[piece] = content.clone();
            drop(pieces);
            self.watch.meter.add_bytes(content.len() as u64);
        }
        Ok(())
    }
}
