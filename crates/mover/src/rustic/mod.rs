//! The engine over `rustic_core` and our own backend, source and restorer.
//!
//! Must not leak the library's types. Each folder-mate does one thing: `backend` the store's layout, `source` and
//! `objects` what is read, `save` the archive, `blobs` and `tree` reading back, `restore` and `verify` what is done with it.

mod adopt;
mod attributes;
mod backend;
mod blobs;
mod cipher;
mod objects;
mod read;
mod restore;
mod save;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod verify;
mod walk;
mod watch;

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use bytesize::ByteSize;
use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use rustic_core::repofile::{MasterKey, SnapshotFile, SnapshotId};
use rustic_core::{
    ConfigOptions, Credentials, FileType, KeyOptions, OpenStatus, ReadBackend, Repository,
    RepositoryBackends, RepositoryOptions, RusticError, RusticResult, TreeId,
};
use tokio::runtime::Handle;

pub use backend::StoreLimits;
pub use source::{FileReader, SourceReader};

use crate::control::Control;
use crate::engine::{
    Edit, MoverEngine, ObjectFile, ObjectFiles, ObjectLimits, PartReference, ReadData, Restored,
    SaveRequest, Saved, Verified,
};
use crate::error::PartError;
use crate::key::RepositoryKey;
use backend::StoreBackend;
use blobs::Blobs;
use cipher::Cipher;
use watch::Watch;

const REPOSITORY_FOLDER: &str = "repository";
const FORMAT_VERSION: u32 = 2;
const DATA_PACK_SIZE: ByteSize = ByteSize::mib(16);
const TREE_PACK_SIZE: ByteSize = ByteSize::mib(4);

/// Moves parts to and from a repository in restic's format, below one prefix of an object store.
pub struct RusticEngine {
    store: Arc<dyn ObjectStore>,
    root: ObjectPath,
    key: RepositoryKey,
    handle: Handle,
    limits: StoreLimits,
    reader: Arc<dyn SourceReader>,
}

impl std::fmt::Debug for RusticEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RusticEngine")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl RusticEngine {
    /// Takes the vault's store and prefix; the repository lies in `<prefix>/repository`.
    ///
    /// Requests run on `handle`, which must be of a multi-threaded runtime; the engine's methods must not be called on
    /// one of its workers.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &ObjectPath,
        key: RepositoryKey,
        handle: Handle,
    ) -> Self {
        Self {
            store,
            root: prefix.clone().join(REPOSITORY_FOLDER),
            key,
            handle,
            limits: StoreLimits::default(),
            reader: Arc::new(FileReader),
        }
    }

    /// Changes how patient the engine is with the store.
    #[must_use]
    pub fn with_limits(mut self, limits: StoreLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Changes how files of a source are opened.
    #[must_use]
    pub fn with_source_reader(mut self, reader: Arc<dyn SourceReader>) -> Self {
        self.reader = reader;
        self
    }

    fn backend(&self, watch: &Arc<Watch>) -> StoreBackend {
        StoreBackend {
            store: Arc::clone(&self.store),
            root: self.root.clone(),
            handle: self.handle.clone(),
            limits: self.limits,
            watch: Arc::clone(watch),
        }
    }

    fn credentials(&self) -> Result<Credentials, PartError> {
        let key: MasterKey =
            serde_json::from_value(self.key.to_master_key_json()).map_err(|error| {
                PartError::Request {
                    reason: format!("the key has not restic's form: {error}"),
                }
            })?;
        Ok(Credentials::Masterkey(key))
    }

    fn closed(&self, watch: &Arc<Watch>) -> Result<Repository<()>, PartError> {
        let options = RepositoryOptions::default().no_cache(true);
        let backends = RepositoryBackends::new(Arc::new(self.backend(watch)), None);
        guarded(watch, "looking at the repository", || {
            Repository::new(&options, &backends)
        })
    }

    fn open(&self, watch: &Arc<Watch>) -> Result<Repository<OpenStatus>, PartError> {
        let backend = self.backend(watch);
        let location = backend.location();
        if backend.list_sizes(FileType::Config)?.is_empty() {
            return Err(PartError::RepositoryMissing { location });
        }
        let credentials = self.credentials()?;
        let closed = self.closed(watch)?;
        let opened = guarded(watch, "opening the repository", || {
            closed.open(&credentials)
        });
        watch.check()?;
        let repository = opened.map_err(|error| match error {
            PartError::Repository { source, .. } if is_undecryptable(&source) => {
                PartError::WrongKey {
                    location: location.clone(),
                }
            }
            error => error,
        })?;
        let found = repository.config().version;
        if found > FORMAT_VERSION {
            return Err(PartError::NewerFormat {
                location,
                found,
                known: FORMAT_VERSION,
            });
        }
        Ok(repository)
    }

    /// Opens a part: its snapshot must hold the signed tree.
    fn open_part(
        &self,
        reference: &PartReference,
        watch: &Arc<Watch>,
    ) -> Result<(Blobs, TreeId), PartError> {
        let snapshot = parse_id::<SnapshotId>("snapshot", &reference.snapshot_id)?;
        let tree = parse_id::<TreeId>("tree", &reference.tree_id)?;
        let repository = self.open(watch)?;
        let read = guarded(watch, "reading the snapshot", || {
            repository.get_file::<SnapshotFile>(&snapshot)
        });
        let missing = || PartError::SnapshotMissing {
            part: reference.part.clone(),
            snapshot: reference.snapshot_id.clone(),
        };
        watch.check().map_err(|error| match error {
            PartError::Store {
                source: object_store::Error::NotFound { .. },
                ..
            } => missing(),
            error => error,
        })?;
        let found = read?.tree;
        if found != tree {
            return Err(PartError::TreeMismatch {
                part: reference.part.clone(),
                snapshot: reference.snapshot_id.clone(),
                expected: reference.tree_id.clone(),
                found: found.to_hex().to_string(),
            });
        }
        let indexed = guarded(watch, "reading the index", || repository.to_indexed());
        watch.check()?;
        let blobs = Blobs::new(self.backend(watch), indexed?, &self.key, &reference.part);
        Ok((blobs, tree))
    }
}

impl MoverEngine for RusticEngine {
    fn initialise(&self) -> Result<(), PartError> {
        let watch = Arc::new(Watch::new(&Control::default()));
        let Some(password) = self.key.password() else {
            return Err(PartError::Request {
                reason: "making a repository needs the key's password".to_owned(),
            });
        };
        let repository = match self.open(&watch) {
            Ok(repository) => repository,
            Err(PartError::RepositoryMissing { .. }) => self.make(&watch)?,
            Err(error) => return Err(error),
        };
        // Made in a second step, so a repository without its key file is one that was interrupted here.
        if !self.backend(&watch).list_sizes(FileType::Key)?.is_empty() {
            return Ok(());
        }
        let options = KeyOptions::default()
            .hostname("refloat".to_owned())
            .username("refloat".to_owned())
            .with_created(true);
        let added = guarded(&watch, "adding the key file", || {
            repository.add_key(password, &options)
        });
        watch.check()?;
        added.map(drop)
    }

    fn save_tree(
        &self,
        request: &SaveRequest,
        source: &Path,
        control: &Control,
    ) -> Result<Saved, PartError> {
        save::save_tree(self, request, source, control)
    }

    fn save_objects(
        &self,
        request: &SaveRequest,
        objects: ObjectFiles,
        control: &Control,
    ) -> Result<Saved, PartError> {
        save::save_objects(self, request, objects, control)
    }

    fn restore_tree(
        &self,
        reference: &PartReference,
        edits: &[Edit],
        target: &Path,
        control: &Control,
    ) -> Result<Restored, PartError> {
        restore::restore_tree(self, reference, edits, target, control)
    }

    fn read_objects(
        &self,
        reference: &PartReference,
        limits: &ObjectLimits,
        control: &Control,
        take: &mut dyn FnMut(ObjectFile) -> ControlFlow<()>,
    ) -> Result<(), PartError> {
        read::read_objects(self, reference, limits, control, take)
    }

    fn verify(
        &self,
        reference: &PartReference,
        read: ReadData,
        control: &Control,
    ) -> Result<Verified, PartError> {
        verify::verify(self, reference, read, control)
    }
}

impl RusticEngine {
    /// Makes what an earlier, failed save uploaded known, so that it is not uploaded again.
    fn adopt_leftovers(
        &self,
        watch: &Arc<Watch>,
        repository: &Repository<OpenStatus>,
    ) -> Result<(), PartError> {
        let cipher = Cipher::new(&self.key);
        let adopted = adopt::adopt(&self.backend(watch), &cipher, repository)?;
        if adopted > 0 {
            log::info!("{adopted} packs of an earlier try are reused");
        }
        Ok(())
    }

    fn make(&self, watch: &Arc<Watch>) -> Result<Repository<OpenStatus>, PartError> {
        let credentials = self.credentials()?;
        let options = ConfigOptions::default()
            .set_version(FORMAT_VERSION)
            .set_datapack_size(DATA_PACK_SIZE)
            .set_datapack_size_limit(DATA_PACK_SIZE)
            .set_treepack_size(TREE_PACK_SIZE)
            .set_treepack_size_limit(TREE_PACK_SIZE);
        let closed = self.closed(watch)?;
        let made = guarded(watch, "making the repository", || {
            closed.init(&credentials, &KeyOptions::default(), &options)
        });
        watch.check()?;
        made
    }
}

/// Says whether decryption failed, at any depth of an error.
fn is_undecryptable(error: &RusticError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        let inner = current.downcast_ref::<RusticError>().or_else(|| {
            current
                .downcast_ref::<Box<RusticError>>()
                .map(|boxed| &**boxed)
        });
        if inner.is_some_and(|inner| inner.is_code("C001")) {
            return true;
        }
        cause = current.source();
    }
    false
}

fn parse_id<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, PartError> {
    let usable = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = usable.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| PartError::Request {
        reason: format!("the {what} id must be 64 hexadecimal digits, not {text:?}"),
    })
}

/// Runs the library: its errors and its panics become ours.
fn guarded<T>(
    watch: &Watch,
    step: &'static str,
    run: impl FnOnce() -> RusticResult<T>,
) -> Result<T, PartError> {
    match std::panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(PartError::Repository { step, source }),
        Err(panic) => {
            watch.check()?;
            let message = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(PartError::Panicked {
                step,
                message: message.unwrap_or_else(|| "no message".to_owned()),
            })
        }
    }
}
