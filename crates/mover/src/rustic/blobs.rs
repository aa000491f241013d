//! Pieces of content: where they lie, reading them in long ranges, and proof that they are what they should be.
//!
//! Must not know files or directories. Restoring, reading objects and verifying share it. The library's own restore
//! panics on errors and takes a gigabyte, therefore this one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rustic_core::repofile::IndexFile;
use rustic_core::{Id, IndexedFullStatus, PackedId, Repository};
use sha2::{Digest, Sha256};
use zstd::bulk::Decompressor;

use super::backend::StoreBackend;
use super::cipher::Cipher;
use super::guarded;
use super::watch::Watch;
use crate::error::PartError;
use crate::key::RepositoryKey;

/// A tree of a directory with very many files is the largest blob there is.
const BLOB_BYTES_MAX: u32 = 96 << 20;
const RUN_BYTES_MAX: u32 = 4 << 20;
const RUN_HOLE_MAX: u32 = 64 << 10;
const RUN_DESTINATIONS_MAX: usize = 128;
const WORKERS: usize = 4;

thread_local! {
    /// Making one asks the processor what it can, which takes tens of microseconds in a virtual machine: longer than to unpack a
    /// small piece.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// Where a piece of content lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) id: Id,
    pub(super) pack: Id,
    offset: u32,
    length: u32,
    plain: Option<NonZeroU32>,
}

impl Place {
    pub(super) fn offset(&self) -> u32 {
        self.offset
    }

    /// Bytes of the content itself.
    pub(super) fn content_bytes(&self) -> u64 {
        match self.plain {
            Some(plain) => u64::from(plain.get()),
            None => u64::from(self.length.saturating_sub(32)),
        }
    }
}

/// The pieces of one open repository.
pub(super) struct Blobs {
    pub(super) backend: StoreBackend,
    pub(super) part: String,
    repository: Repository<IndexedFullStatus>,
    cipher: Cipher,
}

impl Blobs {
    pub(super) fn new(
        backend: StoreBackend,
        repository: Repository<IndexedFullStatus>,
        key: &RepositoryKey,
        part: &str,
    ) -> Self {
        Self {
            backend,
            part: part.to_owned(),
            repository,
            cipher: Cipher::new(key),
        }
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.backend.watch
    }

    /// Finds a piece in the index; `path` is what needs it.
    pub(super) fn locate<T: PackedId>(&self, id: &T, path: &Path) -> Result<Place, PartError> {
        let blob: rustic_core::BlobId = (*id).into();
        let entry = self
            .repository
            .get_index_entry(id)
            .map_err(|_| PartError::BlobMissing {
                part: self.part.clone(),
                path: path.to_owned(),
                blob: blob.to_hex().to_string(),
            })?;
        let place = Place {
            id: blob.into_inner(),
            pack: entry.pack.into_inner(),
            offset: entry.location.offset,
            length: entry.location.length,
            plain: entry.location.uncompressed_length,
        };
        let too_long = place.length > BLOB_BYTES_MAX
            || place
                .plain
                .is_some_and(|plain| plain.get() > BLOB_BYTES_MAX)
            || place.offset.checked_add(place.length).is_none();
        if too_long {
            return Err(PartError::TooLarge {
                part: self.part.clone(),
                what: "bytes in one blob",
                limit: u64::from(BLOB_BYTES_MAX),
            });
        }
        Ok(place)
    }

    /// Reads the sizes that the index gives for some packs.
    pub(super) fn pack_sizes(&self, packs: &HashSet<Id>) -> Result<HashMap<Id, u64>, PartError> {
        let mut sizes = HashMap::new();
        guarded(self.watch(), "reading the index", || {
            for index in self.repository.stream_files::<IndexFile>()? {
                for pack in index?.1.packs {
                    if packs.contains(&pack.id) {
                        sizes.insert(pack.id.into_inner(), u64::from(pack.pack_size()));
                    }
                }
            }
            Ok(())
        })?;
        self.watch().check()?;
        Ok(sizes)
    }

    /// Reads one piece by itself.
    pub(super) fn read_one(&self, place: &Place) -> Result<Vec<u8>, PartError> {
        let raw = self.read_raw(&place.pack, place.offset, place.length)?;
        self.open(place, &raw)
    }

    fn read_raw(&self, pack: &Id, offset: u32, length: u32) -> Result<bytes::Bytes, PartError> {
        let raw = self
            .backend
            .read_range(pack, offset, length)
            .map_err(|error| self.name_missing_pack(pack, error))?;
        if raw.len() == length as usize {
            return Ok(raw);
        }
        Err(PartError::PackSize {
            part: self.part.clone(),
            pack: pack.to_hex().to_string(),
            expected: u64::from(offset) + u64::from(length),
            found: u64::from(offset) + raw.len() as u64,
        })
    }

    fn name_missing_pack(&self, pack: &Id, error: PartError) -> PartError {
        match error {
            PartError::Store {
                source: object_store::Error::NotFound { .. },
                ..
            } => PartError::PackMissing {
                part: self.part.clone(),
                pack: pack.to_hex().to_string(),
            },
            error => error,
        }
    }

    /// Decrypts, unpacks and proves one piece.
    fn open(&self, place: &Place, raw: &[u8]) -> Result<Vec<u8>, PartError> {
        let damaged = |reason| PartError::BlobDamaged {
            part: self.part.clone(),
            blob: place.id.to_hex().to_string(),
            pack: place.pack.to_hex().to_string(),
            reason,
        };
        let mut content = self
            .cipher
            .open(raw)
            .ok_or_else(|| damaged("its authentication code does not fit"))?;
        if let Some(plain) = place.plain {
            // The capacity bounds what a crafted frame can unpack to.
            content = DECOMPRESSOR
                .with_borrow_mut(|one| one.decompress(&content, plain.get() as usize))
                .map_err(|_| damaged("it cannot be unpacked"))?;
            if content.len() != plain.get() as usize {
                return Err(damaged("it unpacks to another length"));
            }
        }
        if hex::encode(Sha256::digest(&content)) != place.id.to_hex().as_str() {
            return Err(damaged("its content does not hash to its name"));
        }
        Ok(content)
    }
}

/// Pieces wanted, each with what to do with it.
pub(super) struct Wants<T> {
    by_place: BTreeMap<(Id, u32), (Place, Vec<T>)>,
    pub(super) content_bytes: u64,
}

impl<T> Wants<T> {
    pub(super) fn new() -> Self {
        Self {
            by_place: BTreeMap::new(),
            content_bytes: 0,
        }
    }

    pub(super) fn add(&mut self, place: Place, destination: T) {
        let wanted = self
            .by_place
            .entry((place.pack, place.offset))
            .or_insert_with(|| (place, Vec::new()));
        wanted.1.push(destination);
        self.content_bytes += place.content_bytes();
    }

    pub(super) fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Empties the wants into runs: neighbours in a pack are read together.
    fn take_runs(&mut self) -> Vec<Run<T>> {
        self.content_bytes = 0;
        let mut runs: Vec<Run<T>> = Vec::new();
        for (_, (place, destinations)) in std::mem::take(&mut self.by_place) {
            match runs.last_mut() {
                Some(run) if run.accepts(&place) => run.add(place, destinations),
                _ => runs.push(Run::new(place, destinations)),
            }
        }
        runs
    }
}

/// A range of one pack, and the wanted pieces in it.
struct Run<T> {
    pack: Id,
    offset: u32,
    length: u32,
    destinations: usize,
    wants: Vec<(Place, Vec<T>)>,
}

impl<T> Run<T> {
    fn new(place: Place, destinations: Vec<T>) -> Self {
        Self {
            pack: place.pack,
            offset: place.offset,
            length: place.length,
            destinations: destinations.len(),
            wants: vec![(place, destinations)],
        }
    }

    fn accepts(&self, place: &Place) -> bool {
        let end = self.offset + self.length;
        self.pack == place.pack
            && place.offset >= end
            && place.offset - end <= RUN_HOLE_MAX
            && place.offset + place.length - self.offset <= RUN_BYTES_MAX
            && self.destinations < RUN_DESTINATIONS_MAX
    }

    fn add(&mut self, place: Place, destinations: Vec<T>) {
        self.length = place.offset + place.length - self.offset;
        self.destinations += destinations.len();
        self.wants.push((place, destinations));
    }
}

/// What happens to a piece that was read and proven.
pub(super) trait Deliver<T>: Sync {
    fn deliver(&self, content: &[u8], destinations: Vec<T>) -> Result<(), PartError>;
}

/// Hands wanted pieces to the workers.
pub(super) struct Fetcher<'a, T> {
    queue: SyncSender<Run<T>>,
    watch: &'a Watch,
}

impl<T> Fetcher<'_, T> {
    /// Starts fetching all that is wanted so far; waits while the workers have enough to do.
    pub(super) fn fetch(&self, wants: &mut Wants<T>) -> Result<(), PartError> {
        for run in wants.take_runs() {
            self.watch.check()?;
            if self.queue.send(run).is_err() {
                self.watch.check()?;
                return Err(PartError::Cancelled);
            }
        }
        Ok(())
    }
}

/// Runs `plan` while a few workers fetch and deliver what it asks for.
pub(super) fn with_fetcher<T: Send, R>(
    blobs: &Blobs,
    deliver: &impl Deliver<T>,
    plan: impl FnOnce(&Fetcher<'_, T>) -> Result<R, PartError>,
) -> Result<R, PartError> {
    let (queue, runs) = sync_channel(WORKERS);
    let runs = Arc::new(Mutex::new(runs));
    let planned = std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            let runs = Arc::clone(&runs);
            scope.spawn(move || work(blobs, deliver, &runs));
        }
        drop(runs);
        let fetcher = Fetcher {
            queue,
            watch: blobs.watch(),
        };
        plan(&fetcher)
    });
    // A worker's error is the cause of a planner's.
    blobs.watch().check()?;
    planned
}

fn work<T>(blobs: &Blobs, deliver: &impl Deliver<T>, runs: &Mutex<Receiver<Run<T>>>) {
    loop {
        let next = runs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(run) = next else { return };
        if blobs.watch().must_stop() {
            continue;
        }
        if let Err(error) = fetch_run(blobs, deliver, run) {
            blobs.watch().fail(error);
        }
    }
}

fn fetch_run<T>(blobs: &Blobs, deliver: &impl Deliver<T>, run: Run<T>) -> Result<(), PartError> {
    let raw = blobs.read_raw(&run.pack, run.offset, run.length)?;
    for (place, destinations) in run.wants {
        let start = (place.offset - run.offset) as usize;
        let content = blobs.open(&place, &raw[start..start + place.length as usize])?;
        deliver.deliver(&content, destinations)?;
    }
    Ok(())
}
