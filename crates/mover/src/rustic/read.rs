//! Reading saved objects back into memory.
//!
//! Must not write files. The engine calls it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustic_core::repofile::Node;

use super::RusticEngine;
use super::blobs::{Blobs, Deliver, Wants, with_fetcher};
use super::objects::OBJECTS_ROOT;
use super::tree::{Visit, walk};
use super::watch::Watch;
use crate::control::Control;
use crate::engine::{ObjectLimits, PartReference};
use crate::error::PartError;

pub(super) fn read_objects(
    engine: &RusticEngine,
    reference: &PartReference,
    limits: &ObjectLimits,
    control: &Control,
) -> Result<BTreeMap<String, Bytes>, PartError> {
    let watch = Arc::new(Watch::new(control));
    let (blobs, tree) = engine.open_part(reference, &watch)?;
    let mut collect = Collect {
        blobs: &blobs,
        limits,
        files: Vec::new(),
        bytes: 0,
        wants: Wants::new(),
    };
    walk(&blobs, tree, OBJECTS_ROOT, &mut collect)?;
    watch.meter.expect_bytes(collect.bytes);
    let Collect {
        files,
        mut wants,
        bytes,
        ..
    } = collect;
    super::verify::compare(reference, files.len() as u64, bytes)?;
    let gather = Gather {
        watch: &watch,
        files: files
            .iter()
            .map(|file| Mutex::new(vec![Bytes::new(); file.pieces]))
            .collect(),
    };
    with_fetcher(&blobs, &gather, |fetcher| fetcher.fetch(&mut wants))?;
    watch.meter.finish();
    let contents = gather.files.into_iter().map(|pieces| {
        let pieces = pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        match pieces.as_slice() {
            [one] => one.clone(),
            many => Bytes::from(many.concat()),
        }
    });
    let paths = files.into_iter().map(|file| file.path);
    Ok(paths.zip(contents).collect())
}

struct Found {
    path: String,
    pieces: usize,
}

struct Collect<'a> {
    blobs: &'a Blobs,
    limits: &'a ObjectLimits,
    files: Vec<Found>,
    bytes: u64,
    wants: Wants<Destination>,
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
        let file = self.files.len();
        for (piece, id) in content.iter().enumerate() {
            let place = self.blobs.locate(id, path)?;
            self.bytes = self.bytes.saturating_add(place.content_bytes());
            if self.bytes > self.limits.bytes_max {
                return Err(self.limit("bytes", self.limits.bytes_max));
            }
            self.wants.add(place, Destination { file, piece });
        }
        self.files.push(Found {
            path: text.to_owned(),
            pieces: content.len(),
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
