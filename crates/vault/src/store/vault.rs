//! Making and opening a vault, and letting sites join.

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use refloat_core::names::SiteName;

use crate::error::VaultError;
use crate::format::{
    JournalKey, RecoveryKey, RepositorySecret, RootDocument, RootKey, SiteEntry, SiteKey,
};

/// Largest object that is read whole.
pub(super) const OBJECT_BYTES_MAX: u64 = 256 * 1024 * 1024;
const ROOT_PATH: &str = "refloat.json";
/// Writers of the probe's race.
const RACERS: usize = 4;

/// An open vault.
#[derive(Clone)]
pub struct Vault {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    root: VerifyingKey,
    pub(super) journal: JournalKey,
    document: RootDocument,
}

/// A vault that was made: what its maker must keep.
pub struct Created {
    /// Opens it.
    pub recovery: RecoveryKey,
    /// Lets sites join.
    pub root: RootKey,
}

fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| VaultError::Unreadable {
        path: "the random source of this machine".to_owned(),
        why: error.to_string(),
    })?;
    Ok(bytes)
}

/// A path below a prefix.
pub(super) fn below(prefix: &Path, path: &str) -> Path {
    if prefix.as_ref().is_empty() {
        Path::from(path)
    } else {
        Path::from(format!("{prefix}/{path}"))
    }
}

pub(super) async fn create(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: impl Into<PutPayload>,
) -> Result<(), object_store::Error> {
    let options = PutOptions::from(PutMode::Create);
    store
        .put_opts(path, bytes.into(), options)
        .await
        .map(|_| ())
}

impl Vault {
    /// Proves that the store refuses a second create, and makes the keys. Nothing is the vault yet: [`Self::init_finish`]
    /// writes it, once the keys are kept.
    pub async fn init_begin(
        store: &Arc<dyn ObjectStore>,
        prefix: &Path,
    ) -> Result<Created, VaultError> {
        let path = below(prefix, ROOT_PATH);
        match store.get(&path).await {
            Ok(found) => {
                let created = found.meta.last_modified.to_string();
                return Err(VaultError::Exists { created });
            }
            Err(object_store::Error::NotFound { source, .. })
                if !format!("{source:?}").contains("NoSuchBucket") => {}
            Err(error) => return Err(VaultError::store(ROOT_PATH, error)),
        }
        prove_conditional_create(store, prefix).await?;
        let vault = hex::encode(random::<16>()?);
        let root = RootKey::new(&vault, random()?);
        let recovery = RecoveryKey {
            root: root.public(),
            repository: RepositorySecret::new(random()?),
            vault,
        };
        Ok(Created { recovery, root })
    }

    /// Writes the vault's first document.
    pub async fn init_finish(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        created: &Created,
        now: Timestamp,
    ) -> Result<Self, VaultError> {
        let document = RootDocument {
            format: crate::format::VAULT_FORMAT,
            vault: created.recovery.vault.clone(),
            created: now,
            root_public_key: hex::encode(created.recovery.root.as_bytes()),
            sites: Vec::new(),
        };
        let bytes = serde_json::to_vec_pretty(&document).expect("the document is plain data");
        create(store.as_ref(), &below(&prefix, ROOT_PATH), bytes)
            .await
            .map_err(|error| VaultError::store(ROOT_PATH, error))?;
        Ok(Self {
            store,
            prefix,
            root: created.recovery.root,
            journal: JournalKey::of(&created.recovery),
            document,
        })
    }

    /// Opens a vault with the key that the reader brings: the anchor of all trust.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        anchor: &RecoveryKey,
    ) -> Result<Self, VaultError> {
        let (document, _) = read_root(store.as_ref(), &prefix).await?;
        if document.vault != anchor.vault {
            return Err(VaultError::WrongVault {
                key: anchor.vault.clone(),
                vault: document.vault,
            });
        }
        Ok(Self {
            store,
            prefix,
            root: anchor.root,
            journal: JournalKey::of(anchor),
            document,
        })
    }

    /// Lets a site join: its key is made here and signed by the root.
    pub async fn join(
        &mut self,
        root: &RootKey,
        anchor: &RecoveryKey,
        site: &SiteName,
        now: Timestamp,
    ) -> Result<SiteKey, VaultError> {
        if root.vault != anchor.vault || root.public() != anchor.root {
            return Err(VaultError::WrongVault {
                key: root.vault.clone(),
                vault: anchor.vault.clone(),
            });
        }
        let key = SiteKey::new(site.clone(), anchor.clone(), random()?);
        let entry = SiteEntry::sign(root, site.clone(), &key.public(), now);
        loop {
            let (mut document, version) = read_root(self.store.as_ref(), &self.prefix).await?;
            if document.sites.iter().any(|one| one.site == *site) {
                return Err(VaultError::SiteExists {
                    site: site.to_string(),
                });
            }
            document.sites.push(entry.clone());
            let bytes = serde_json::to_vec_pretty(&document).expect("the document is plain data");
            let options = PutOptions::from(PutMode::Update(version));
            let path = below(&self.prefix, ROOT_PATH);
            match self
                .store
                .put_opts(&path, PutPayload::from(bytes), options)
                .await
            {
                Ok(_) => {
                    self.document = document;
                    return Ok(key);
                }
                Err(object_store::Error::Precondition { .. }) => {}
                Err(error) => return Err(VaultError::store(ROOT_PATH, error)),
            }
        }
    }

    /// Id of the vault.
    pub fn id(&self) -> &str {
        &self.document.vault
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.document.created
    }

    /// Sites, and whether the root has signed their keys.
    pub fn sites(&self) -> Vec<(SiteEntry, bool)> {
        self.document
            .sites
            .iter()
            .map(|entry| {
                let trusted = entry.trusted_key(self.id(), &self.root).is_some();
                (entry.clone(), trusted)
            })
            .collect()
    }

    /// The keys that envelopes may be signed with.
    pub(super) fn keys(&self) -> Vec<(SiteName, VerifyingKey)> {
        self.document
            .sites
            .iter()
            .filter_map(|entry| {
                let key = entry.trusted_key(self.id(), &self.root)?;
                Some((entry.site.clone(), key))
            })
            .collect()
    }

    /// The store, for the mover's engine.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The vault's prefix in the store.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Ids of the snapshots in the repository.
    pub async fn repository_snapshots(&self) -> Result<Vec<String>, VaultError> {
        let path = below(&self.prefix, "repository/snapshots");
        let found: Vec<_> = self
            .store
            .list(Some(&path))
            .try_collect()
            .await
            .map_err(|error| VaultError::store("repository/snapshots", error))?;
        Ok(found
            .iter()
            .filter_map(|object| object.location.filename().map(str::to_owned))
            .collect())
    }

    /// Writes a run's report.
    pub async fn write_report(
        &self,
        run: &str,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<(), VaultError> {
        self.put(&format!("runs/{run}/{name}"), bytes).await
    }
}

async fn read_root(
    store: &dyn ObjectStore,
    prefix: &Path,
) -> Result<(RootDocument, UpdateVersion), VaultError> {
    let found = match store.get(&below(prefix, ROOT_PATH)).await {
        Ok(found) => found,
        Err(error) => {
            return Err(match VaultError::store(ROOT_PATH, error) {
                VaultError::NotFound { .. } => VaultError::Missing,
                other => other,
            });
        }
    };
    let version = UpdateVersion {
        e_tag: found.meta.e_tag.clone(),
        version: found.meta.version.clone(),
    };
    let bytes = found
        .bytes()
        .await
        .map_err(|error| VaultError::store(ROOT_PATH, error))?;
    let unreadable = |why: String| VaultError::Unreadable {
        path: ROOT_PATH.to_owned(),
        why,
    };
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(crate::format::VAULT_FORMAT) => {}
        Some(format) => {
            return Err(VaultError::Newer {
                path: ROOT_PATH.to_owned(),
                format: format.to_string(),
            });
        }
        None => return Err(unreadable("it has no format".to_owned())),
    }
    let document = serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
    Ok((document, version))
}

/// The journal's fence and the points' numbers rest on this: a second create of one key must fail, also in a race.
async fn prove_conditional_create(
    store: &Arc<dyn ObjectStore>,
    prefix: &Path,
) -> Result<(), VaultError> {
    let name = format!("probe/{}", hex::encode(random::<8>()?));
    let path = below(prefix, &name);
    let race =
        (0..RACERS).map(|racer| create(store.as_ref(), &path, racer.to_string().into_bytes()));
    let won = futures::future::join_all(race)
        .await
        .into_iter()
        .flatten()
        .count();
    let again = create(store.as_ref(), &path, b"again".to_vec()).await;
    let removed = store.delete(&path).await;
    match again {
        Ok(()) => Err(VaultError::NoConditionalCreate {
            seen: "a create of a key that was there was accepted".to_owned(),
        }),
        Err(object_store::Error::AlreadyExists { .. }) if won == 1 => {
            removed.map_err(|error| VaultError::store(&name, error))
        }
        Err(object_store::Error::AlreadyExists { .. }) => Err(VaultError::NoConditionalCreate {
            seen: format!("{won} of {RACERS} creates of one key were accepted"),
        }),
        Err(error) => Err(VaultError::store(&name, error)),
    }
}
