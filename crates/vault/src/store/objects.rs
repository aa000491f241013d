//! Single objects below the vault's prefix: read, created, replaced, removed, listed.

use bytes::Bytes;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::vault::{OBJECT_BYTES_MAX, Vault, below, create};
use crate::error::VaultError;

impl Vault {
    /// Reads a whole object.
    pub(super) async fn read(&self, path: &str) -> Result<Bytes, VaultError> {
        read(self.store.as_ref(), &self.prefix, path).await
    }

    /// Creates an object that must not be there.
    pub(super) async fn create(
        &self,
        path: &str,
        bytes: impl Into<PutPayload>,
    ) -> Result<(), VaultError> {
        create(self.store.as_ref(), &below(&self.prefix, path), bytes)
            .await
            .map_err(|error| VaultError::store(path, error))
    }

    /// Writes an object, replacing what is there.
    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), VaultError> {
        self.store
            .put(&below(&self.prefix, path), PutPayload::from(bytes))
            .await
            .map(|_| ())
            .map_err(|error| VaultError::store(path, error))
    }

    /// Removes an object; one that is not there is removed.
    pub(super) async fn remove(&self, path: &str) -> Result<(), VaultError> {
        match self.store.delete(&below(&self.prefix, path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(VaultError::store(path, error)),
        }
    }

    /// When an object was last written, by the store's clock, in whole seconds.
    pub(super) async fn modified(&self, path: &str) -> Result<Timestamp, VaultError> {
        let head = self.store.head(&below(&self.prefix, path)).await;
        let head = head.map_err(|error| VaultError::store(path, error))?;
        Ok(Timestamp::from_second(head.last_modified.timestamp()).unwrap_or(Timestamp::MIN))
    }

    /// Names directly below a directory: objects and directories.
    pub(super) async fn names(&self, directory: &str) -> Result<Vec<String>, VaultError> {
        let path = below(&self.prefix, directory);
        let listed = self
            .store
            .list_with_delimiter(Some(&path))
            .await
            .map_err(|error| VaultError::store(directory, error))?;
        let mut names: Vec<String> = listed
            .objects
            .iter()
            .map(|object| &object.location)
            .chain(&listed.common_prefixes)
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }
}

async fn read(store: &dyn ObjectStore, prefix: &Path, path: &str) -> Result<Bytes, VaultError> {
    let found = store
        .get(&below(prefix, path))
        .await
        .map_err(|error| VaultError::store(path, error))?;
    if found.meta.size > OBJECT_BYTES_MAX {
        return Err(VaultError::Unreadable {
            path: path.to_owned(),
            why: format!("it has {} bytes", found.meta.size),
        });
    }
    found
        .bytes()
        .await
        .map_err(|error| VaultError::store(path, error))
}
