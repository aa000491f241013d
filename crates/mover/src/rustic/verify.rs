//! Verifying that a part can be restored, without writing it.
//!
//! Must not repair. The engine calls it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustic_core::repofile::Node;
use rustic_core::{FileType, Id};

use super::RusticEngine;
use super::blobs::{Blobs, Deliver, Place, Wants, with_fetcher};
use super::objects::OBJECTS_ROOT;
use super::source::VOLUME_ROOT;
use super::tree::{Visit, walk};
use super::watch::Watch;
use crate::control::Control;
use crate::engine::{Amount, PartReference, ReadData, Verified};
use crate::error::PartError;

const WANTS_MAX: usize = 4096;

pub(super) fn verify(
    engine: &RusticEngine,
    reference: &PartReference,
    read: ReadData,
    control: &Control,
) -> Result<Verified, PartError> {
    let started = Instant::now();
    let watch = Arc::new(Watch::new(control));
    let (blobs, tree) = engine.open_part(reference, &watch)?;
    let mut inspect = Inspect::new(&blobs);
    let root = blobs.root_name(tree)?;
    walk(&blobs, tree, root, &mut inspect)?;
    let Inspect { amount, places, .. } = inspect;
    compare(reference, amount.files, amount.bytes)?;
    let packs = check_packs(&blobs, &places)?;
    let mut bytes_read = 0;
    if read == ReadData::Full {
        watch
            .meter
            .expect_bytes(places.values().map(Place::content_bytes).sum());
        bytes_read = read_all(&blobs, &places)?;
    }
    watch.meter.finish();
    Ok(Verified {
        amount,
        blobs: places.len() as u64,
        packs,
        bytes_read,
        duration: started.elapsed(),
    })
}

/// Compares what a part holds with what was signed.
pub(super) fn compare(reference: &PartReference, files: u64, bytes: u64) -> Result<(), PartError> {
    match reference.amount {
        Some(expected) if expected != (Amount { files, bytes }) => Err(PartError::Incomplete {
            expected_files: expected.files,
            expected_bytes: expected.bytes,
            stored_files: files,
            stored_bytes: bytes,
        }),
        _ => Ok(()),
    }
}

struct Inspect<'a> {
    blobs: &'a Blobs,
    amount: Amount,
    places: HashMap<Id, Place>,
}

impl<'a> Inspect<'a> {
    fn new(blobs: &'a Blobs) -> Self {
        Self {
            blobs,
            amount: Amount::default(),
            places: HashMap::new(),
        }
    }
}

impl Visit for Inspect<'_> {
    fn enter(&mut self, _path: &Path, _name: &OsStr, _node: &Node) -> Result<(), PartError> {
        Ok(())
    }

    fn file(&mut self, path: &Path, _name: &OsStr, node: &Node) -> Result<(), PartError> {
        let mut size = 0;
        for id in node.content.as_deref().unwrap_or_default() {
            let place = self.blobs.locate(id, path)?;
            size += place.content_bytes();
            self.places.insert(place.id, place);
        }
        if size != node.meta.size {
            return Err(PartError::HostileTree {
                part: self.blobs.part.clone(),
                path: path.to_owned(),
                reason: "a file's pieces do not add up to its size",
            });
        }
        self.amount.files += 1;
        self.amount.bytes += size;
        Ok(())
    }

    fn link(
        &mut self,
        _path: &Path,
        _name: &OsStr,
        _target: &OsStr,
        _node: &Node,
    ) -> Result<(), PartError> {
        self.amount.files += 1;
        Ok(())
    }

    fn special(&mut self, _path: &Path) -> Result<(), PartError> {
        Ok(())
    }

    fn leave(&mut self, _path: &Path) -> Result<(), PartError> {
        Ok(())
    }
}

/// Checks that all packs are there with the size that the index gives.
fn check_packs(blobs: &Blobs, places: &HashMap<Id, Place>) -> Result<u64, PartError> {
    let needed: HashSet<Id> = places.values().map(|place| place.pack).collect();
    let expected = blobs.pack_sizes(&needed)?;
    let found: HashMap<Id, u64> = blobs
        .backend
        .list_sizes(FileType::Pack)?
        .into_iter()
        .collect();
    for pack in needed.iter().collect::<std::collections::BTreeSet<_>>() {
        let name = || pack.to_hex().to_string();
        let Some(&found) = found.get(pack) else {
            return Err(PartError::PackMissing {
                part: blobs.part.clone(),
                pack: name(),
            });
        };
        match expected.get(pack) {
            Some(&expected) if expected == found => {}
            expected => {
                return Err(PartError::PackSize {
                    part: blobs.part.clone(),
                    pack: name(),
                    expected: expected.copied().unwrap_or_default(),
                    found,
                });
            }
        }
    }
    Ok(needed.len() as u64)
}

fn read_all(blobs: &Blobs, places: &HashMap<Id, Place>) -> Result<u64, PartError> {
    let hash = HashOnly {
        watch: blobs.watch(),
        bytes: AtomicU64::new(0),
    };
    let by_pack: BTreeMap<(Id, u32), &Place> = places
        .values()
        .map(|place| ((place.pack, place.offset()), place))
        .collect();
    with_fetcher(blobs, &hash, |fetcher| {
        let mut wants = Wants::new();
        for place in by_pack.into_values() {
            wants.add(*place, ());
            if wants.len() >= WANTS_MAX {
                fetcher.fetch(&mut wants)?;
            }
        }
        fetcher.fetch(&mut wants)
    })?;
    Ok(hash.bytes.into_inner())
}

/// The piece was proven before it is delivered; nothing is left to do but to count.
struct HashOnly<'a> {
    watch: &'a Watch,
    bytes: AtomicU64,
}

impl Deliver<()> for HashOnly<'_> {
    fn deliver(&self, content: &[u8], _destinations: Vec<()>) -> Result<(), PartError> {
        self.bytes
            .fetch_add(content.len() as u64, Ordering::Relaxed);
        self.watch.meter.add_bytes(content.len() as u64);
        Ok(())
    }
}

impl Blobs {
    /// Says what kind of part a tree is.
    fn root_name(&self, tree: rustic_core::TreeId) -> Result<&'static str, PartError> {
        let nodes = super::tree::read_tree(self, tree, Path::new(""))?;
        let objects = match nodes.as_slice() {
            [] => true,
            [node, ..] => *node.name() == *OsStr::new(OBJECTS_ROOT),
        };
        Ok(if objects { OBJECTS_ROOT } else { VOLUME_ROOT })
    }
}
