//! restic's layout on an object store, for `rustic_core` and for our own reads.
//!
//! Must not know what the objects mean. Each operation makes one, tied to its [`Watch`]: every error is remembered there,
//! and a snapshot is refused once anything is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};
use tokio::runtime::Handle;

use super::watch::Watch;
use crate::error::PartError;

/// How patient the mover is with the store.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Tries per request, on top of the store client's own.
    pub attempts: u32,
    /// How long one try may take.
    pub timeout: Duration,
    /// The wait before the second try; doubles with each further one.
    pub backoff: Duration,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            attempts: 4,
            timeout: Duration::from_mins(2),
            backoff: Duration::from_millis(250),
        }
    }
}

const CANCEL_POLL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(super) struct StoreBackend {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) root: ObjectPath,
    pub(super) handle: Handle,
    pub(super) limits: StoreLimits,
    pub(super) watch: Arc<Watch>,
}

impl StoreBackend {
    pub(super) fn path_of(&self, kind: FileType, id: &Id) -> ObjectPath {
        let root = self.root.clone();
        if kind == FileType::Config {
            return root.join("config");
        }
        let name = id.to_hex();
        let folder = root.join(kind.dirname());
        if kind == FileType::Pack {
            folder.join(&name[..2]).join(name.as_str())
        } else {
            folder.join(name.as_str())
        }
    }

    /// Runs one request with bounded tries, a timeout each, and an ear for cancellation.
    fn request<T, F, Answer>(
        &self,
        operation: &'static str,
        object: &ObjectPath,
        ask: F,
    ) -> Result<T, PartError>
    where
        F: Fn() -> Answer,
        Answer: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = self.limits.backoff;
        let mut attempt = 1;
        loop {
            // The library's threads outlive a failed call; they must not go on uploading.
            if self.watch.must_stop() {
                return Err(PartError::Cancelled);
            }
            let error = match self.handle.block_on(self.one_try(ask())) {
                Try::Answered(Ok(value)) => return Ok(value),
                Try::Cancelled => return Err(PartError::Cancelled),
                Try::Answered(Err(source)) => {
                    let lasting = is_lasting(&source);
                    let error = PartError::Store {
                        operation,
                        object: object.to_string(),
                        source,
                    };
                    if lasting {
                        return Err(error);
                    }
                    error
                }
                Try::TimedOut => PartError::StoreTimeout {
                    operation,
                    object: object.to_string(),
                    seconds: self.limits.timeout.as_secs(),
                },
            };
            if attempt >= self.limits.attempts {
                return Err(error);
            }
            log::warn!("the store failed, trying again: {error}");
            attempt += 1;
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    async fn one_try<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Try<T> {
        let cancelled = async {
            while !self.watch.must_stop() {
                tokio::time::sleep(CANCEL_POLL).await;
            }
        };
        tokio::select! {
            answer = answer => Try::Answered(answer),
            () = cancelled => Try::Cancelled,
            () = tokio::time::sleep(self.limits.timeout) => Try::TimedOut,
        }
    }

    pub(super) fn read(&self, kind: FileType, id: &Id) -> Result<Bytes, PartError> {
        let path = self.path_of(kind, id);
        self.request("read", &path, async || {
            self.store.get(&path).await?.bytes().await
        })
    }

    pub(super) fn read_range(&self, id: &Id, offset: u32, length: u32) -> Result<Bytes, PartError> {
        let path = self.path_of(FileType::Pack, id);
        let start = u64::from(offset);
        let range = start..start + u64::from(length);
        self.request("read a range of", &path, async || {
            self.store.get_range(&path, range.clone()).await
        })
    }

    pub(super) fn list_sizes(&self, kind: FileType) -> Result<Vec<(Id, u64)>, PartError> {
        if kind == FileType::Config {
            return self.config_size();
        }
        let folder = self.root.clone().join(kind.dirname());
        let found = self.request("list", &folder, async || {
            self.store.list(Some(&folder)).try_collect::<Vec<_>>().await
        })?;
        Ok(found
            .into_iter()
            .filter_map(|meta| {
                let id = meta.location.filename()?.parse::<Id>().ok()?;
                // Half-written or foreign objects in other places are not ours.
                (self.path_of(kind, &id) == meta.location).then_some((id, meta.size))
            })
            .collect())
    }

    fn config_size(&self) -> Result<Vec<(Id, u64)>, PartError> {
        let path = self.path_of(FileType::Config, &Id::default());
        let head = self.request("look at", &path, async || self.store.head(&path).await);
        match head {
            Ok(meta) => Ok(vec![(Id::default(), meta.size)]),
            Err(PartError::Store {
                source: StoreError::NotFound { .. },
                ..
            }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, kind: FileType, id: &Id, content: BytesList) -> Result<(), PartError> {
        let path = self.path_of(kind, id);
        let payload = PutPayload::from_iter(content.into_vec());
        // Every name but the configuration's is a digest of the content: writing it twice changes nothing.
        let mode = if kind == FileType::Config {
            PutMode::Create
        } else {
            PutMode::Overwrite
        };
        self.request("write", &path, async || {
            self.store
                .put_opts(&path, payload.clone(), mode.clone().into())
                .await
        })?;
        Ok(())
    }

    /// Remembers an error and turns it into the library's own.
    fn remember<T>(&self, result: Result<T, PartError>) -> RusticResult<T> {
        result.map_err(|error| {
            let message = error.to_string();
            self.watch.fail(error);
            RusticError::new(ErrorKind::Backend, message)
        })
    }
}

enum Try<T> {
    Answered(Result<T, StoreError>),
    TimedOut,
    Cancelled,
}

fn is_lasting(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NotFound { .. }
            | StoreError::AlreadyExists { .. }
            | StoreError::Precondition { .. }
            | StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
            | StoreError::InvalidPath { .. }
            | StoreError::NotSupported { .. }
            | StoreError::NotImplemented { .. }
    )
}

impl ReadBackend for StoreBackend {
    fn location(&self) -> String {
        format!("{}/{}", self.store, self.root)
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let found = self.remember(self.list_sizes(kind))?;
        Ok(found
            .into_iter()
            .map(|(id, size)| (id, u32::try_from(size).unwrap_or(u32::MAX)))
            .collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.remember(self.read(kind, id))
    }

    fn read_partial(
        &self,
        _kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.remember(self.read_range(id, offset, length))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path_of(kind, id).to_string()
    }
}

impl WriteBackend for StoreBackend {
    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        // The library would write a snapshot although files are missing from it.
        if kind == FileType::Snapshot && self.watch.must_stop() {
            return Err(RusticError::new(
                ErrorKind::Backend,
                "the snapshot is refused because something failed before",
            ));
        }
        self.remember(self.write(kind, id, content))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        let path = self.path_of(kind, id);
        let removed = self.request("delete", &path, async || self.store.delete(&path).await);
        self.remember(removed)
    }
}
