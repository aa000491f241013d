//! Restoring: a signed tree into an empty directory.
//!
//! Must not read the repository itself (`blobs`, `tree`). `target` prepares and finishes the directory, `files` writes
//! content; here the two meet the walk. The engine calls it.

mod edits;
mod files;
mod target;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustic_core::repofile::{Metadata, Node};

use super::RusticEngine;
use super::attributes;
use super::blobs::{Blobs, Fetcher, Wants, with_fetcher};
use super::source::VOLUME_ROOT;
use super::tree::{Visit, walk};
use super::verify::compare;
use super::watch::Watch;
use crate::control::Control;
use crate::engine::{Amount, Edit, PartReference, Restored};
use crate::error::PartError;
use files::{Destination, FileWriter, OpenFile};
use target::Target;

const WANTS_MAX: usize = 1024;
const WANTED_FILES_MAX: usize = 128;
const WANTED_BYTES_MAX: u64 = 32 << 20;

pub(super) fn restore_tree(
    engine: &RusticEngine,
    reference: &PartReference,
    edits: &[Edit],
    target: &Path,
    control: &Control,
) -> Result<Restored, PartError> {
    let started = Instant::now();
    let watch = Arc::new(Watch::new(control));
    let (blobs, tree) = engine.open_part(reference, &watch)?;
    if let Some(amount) = reference.amount {
        watch.meter.expect_bytes(amount.bytes);
    }
    let target = Target::prepare(target, &reference.snapshot_id)?;
    let writer = FileWriter::new(&watch);
    let plan = with_fetcher(&blobs, &writer, |fetcher| {
        let mut plan = Plan::new(&blobs, fetcher, &target);
        walk(&blobs, tree, VOLUME_ROOT, &mut plan)?;
        fetcher.fetch(&mut plan.wants)?;
        Ok(plan.done)
    })?;
    compare(reference, plan.amount.files, plan.amount.bytes)?;
    edits::apply(edits, &reference.part, &target, &plan.directories)?;
    let mut skipped = plan.attributes_skipped + writer.attributes_skipped();
    skipped += target.finish(&plan.directories)?;
    watch.meter.finish();
    Ok(Restored {
        amount: plan.amount,
        directories: plan.directories.len() as u64,
        special_files_skipped: plan.special_files,
        attributes_skipped: skipped,
        edits: edits.len() as u64,
        restarted: target.restarted,
        duration: started.elapsed(),
    })
}

/// A directory whose attributes are set when all below it is written.
struct Directory {
    path: PathBuf,
    metadata: Metadata,
}

#[derive(Default)]
struct Done {
    amount: Amount,
    directories: Vec<Directory>,
    special_files: u64,
    attributes_skipped: u64,
}

/// Makes directories, links and empty files, and orders the content.
struct Plan<'a> {
    blobs: &'a Blobs,
    fetcher: &'a Fetcher<'a, Destination>,
    target: &'a Target,
    above: Vec<File>,
    wants: Wants<Destination>,
    wanted_files: usize,
    done: Done,
}

impl<'a> Plan<'a> {
    fn new(blobs: &'a Blobs, fetcher: &'a Fetcher<'a, Destination>, target: &'a Target) -> Self {
        Self {
            blobs,
            fetcher,
            target,
            above: Vec::new(),
            wants: Wants::new(),
            wanted_files: 0,
            done: Done::default(),
        }
    }

    fn here(&self) -> &File {
        self.above.last().unwrap_or(&self.target.directory)
    }

    fn failed(
        &self,
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> PartError + use<> {
        let path = self.target.path.join(path);
        move |source| PartError::TargetWrite {
            action,
            path,
            source,
        }
    }

    fn order_if_enough(&mut self) -> Result<(), PartError> {
        if self.wants.len() < WANTS_MAX
            && self.wanted_files < WANTED_FILES_MAX
            && self.wants.content_bytes < WANTED_BYTES_MAX
        {
            return Ok(());
        }
        self.wanted_files = 0;
        self.fetcher.fetch(&mut self.wants)
    }
}

impl Visit for Plan<'_> {
    fn enter(&mut self, path: &Path, name: &OsStr, node: &Node) -> Result<(), PartError> {
        let opened = if path.as_os_str().is_empty() {
            self.target.directory.try_clone()
        } else {
            target::make_directory(self.here().as_fd(), name)
        };
        let directory = opened.map_err(self.failed("make the directory", path))?;
        self.above.push(directory);
        self.done.directories.push(Directory {
            path: path.to_owned(),
            metadata: node.meta.clone(),
        });
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &OsStr, node: &Node) -> Result<(), PartError> {
        let file = target::make_file(self.here().as_fd(), name)
            .map_err(self.failed("make the file", path))?;
        let open = Arc::new(OpenFile::new(
            file,
            self.target.path.join(path),
            node.meta.clone(),
        ));
        let mut offset = 0;
        for id in node.content.as_deref().unwrap_or_default() {
            let place = self.blobs.locate(id, path)?;
            let destination = Destination::new(&open, offset);
            offset += place.content_bytes();
            self.wants.add(place, destination);
            self.order_if_enough()?;
        }
        if offset != node.meta.size {
            return Err(PartError::HostileTree {
                part: self.blobs.part.clone(),
                path: path.to_owned(),
                reason: "a file's pieces do not add up to its size",
            });
        }
        self.done.amount.files += 1;
        self.done.amount.bytes += offset;
        self.wanted_files += 1;
        self.done.attributes_skipped += open.release(self.blobs.watch())?;
        self.order_if_enough()
    }

    fn link(
        &mut self,
        path: &Path,
        name: &OsStr,
        target: &OsStr,
        node: &Node,
    ) -> Result<(), PartError> {
        let here = self.here().as_fd();
        nix::unistd::symlinkat(target, here, name)
            .map_err(std::io::Error::from)
            .map_err(self.failed("make the link", path))?;
        let skipped = attributes::apply_to_link(here, name, &node.meta)
            .map_err(self.failed("set the attributes of", path))?;
        self.done.attributes_skipped += skipped;
        self.done.amount.files += 1;
        Ok(())
    }

    fn special(&mut self, _path: &Path) -> Result<(), PartError> {
        self.done.special_files += 1;
        Ok(())
    }

    fn leave(&mut self, _path: &Path) -> Result<(), PartError> {
        self.above.pop();
        Ok(())
    }
}
