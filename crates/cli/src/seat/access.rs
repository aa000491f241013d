//! Opening the vault and the cluster with what the user gave.

use std::path::Path;
use std::sync::Arc;

use refloat_core::names::{ProtectionName, SiteName};
use refloat_mover::{RepositoryKey, RusticEngine};
use refloat_vault::error::VaultError;
use refloat_vault::format::{KeyFileError, RecoveryKey, RepositorySecret, SiteKey};
use refloat_vault::store::{Chain, Location, Vault};
use refloat_world::{Cluster, ConnectOptions};
use secrecy::SecretString;

use crate::config::{Config, VaultConfig};
use crate::failure::Failure;

/// An open vault and what opened it.
pub(crate) struct Access {
    pub(crate) vault: Vault,
    pub(crate) location: Location,
    pub(crate) recovery: RecoveryKey,
    /// Set when a site key was given.
    pub(crate) site_key: Option<SiteKey>,
}

impl Access {
    /// The site key, or what to do to have one.
    pub(crate) fn site_key(&self) -> Result<&SiteKey, Failure> {
        self.site_key.as_ref().ok_or_else(|| {
            Failure::refuse(
                "site-key-missing",
                "this command signs what it writes and needs the key of a site",
                "give `--site-key FILE` (made by `refloat vault join`)",
            )
        })
    }

    /// The protection that was named, or all that have points.
    pub(crate) async fn protections(
        &self,
        named: Option<ProtectionName>,
    ) -> Result<Vec<ProtectionName>, Failure> {
        if let Some(one) = named {
            return Ok(vec![one]);
        }
        let all = self.vault.protections().await;
        all.map_err(|error| vault_failure(&error))
    }

    /// A protection's points with their chain checked.
    pub(crate) async fn chain(&self, protection: &ProtectionName) -> Result<Chain, Failure> {
        let chain = self.vault.chain(protection).await;
        chain.map_err(|error| vault_failure(&error))
    }

    /// The same of several protections.
    pub(crate) async fn chains(
        &self,
        protections: &[ProtectionName],
    ) -> Result<Vec<Chain>, Failure> {
        let chains = self.vault.chains(protections).await;
        chains.map_err(|error| vault_failure(&error))
    }

    /// The site that this command works for.
    pub(crate) fn site(&self) -> Option<&SiteName> {
        self.site_key.as_ref().map(|key| &key.site)
    }
}

pub(crate) fn vault_failure(error: &VaultError) -> Failure {
    error.problem().into()
}

fn key_failure(path: &Path, error: &KeyFileError) -> Failure {
    Failure::refuse(
        "key-file",
        format!("{}: {error}", path.display()),
        "give the file as `refloat vault init` or `refloat vault join` wrote it",
    )
}

/// Reads a key file.
pub(crate) fn read_key<K>(
    path: &Path,
    read: impl FnOnce(&str) -> Result<K, KeyFileError>,
) -> Result<K, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    read(&text).map_err(|error| key_failure(path, &error))
}

/// Where the vault is.
pub(crate) fn store_location(config: &VaultConfig) -> Result<Location, Failure> {
    let missing = |what: &str, hint: &str| Failure::refuse("vault-location", what, hint);
    let url = config.url.as_ref().ok_or_else(|| {
        missing(
            "which vault? none was given",
            "give `--vault s3://BUCKET/PREFIX` or set REFLOAT_VAULT",
        )
    })?;
    let (bucket, prefix) = Location::parse(url).map_err(|error| vault_failure(&error))?;
    let credential = |value: &Option<String>, name: &str| {
        value
            .clone()
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                missing(
                    &format!("{name} is not set: the store cannot be asked"),
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                )
            })
    };
    Ok(Location {
        bucket,
        prefix,
        endpoint: config.s3_endpoint.clone(),
        region: config.s3_region.clone(),
        access_key_id: credential(&config.s3_access_key_id, "AWS_ACCESS_KEY_ID")?,
        secret_access_key: SecretString::from(credential(
            &config.s3_secret_access_key,
            "AWS_SECRET_ACCESS_KEY",
        )?),
    })
}

/// Opens the vault with the site key or the recovery key.
pub(crate) async fn open_vault(config: &Config) -> Result<Access, Failure> {
    let location = store_location(&config.vault)?;
    let site_key = match &config.vault.site_key {
        Some(path) => Some(read_key(path, SiteKey::read)?),
        None => None,
    };
    let recovery = match (&site_key, &config.vault.recovery_key) {
        (Some(key), _) => key.recovery.clone(),
        (None, Some(path)) => read_key(path, RecoveryKey::read)?,
        (None, None) => {
            return Err(Failure::refuse(
                "key-missing",
                "no key was given: trust starts in a key, never in the bucket",
                "give `--site-key FILE` or `--recovery-key FILE`",
            ));
        }
    };
    let store = location.store().map_err(|error| vault_failure(&error))?;
    let vault = Vault::open(store, location.prefix_path(), &recovery)
        .await
        .map_err(|error| vault_failure(&error))?;
    Ok(Access {
        vault,
        location,
        recovery,
        site_key,
    })
}

/// Connects to the cluster.
pub(crate) async fn connect(config: &Config) -> Result<Cluster, Failure> {
    let options = ConnectOptions {
        kubeconfig: config.kubeconfig.clone(),
        context: config.context.clone(),
        requests_per_second: config.requests_per_second,
    };
    Ok(Cluster::connect(options).await?)
}

/// The mover's engine over the vault's repository; blocking, for `spawn_blocking`.
pub(crate) fn repository_engine(vault: &Vault, secret: &RepositorySecret) -> Arc<RusticEngine> {
    let key = RepositoryKey::new(
        secret.encrypt(),
        secret.mac_k(),
        secret.mac_r(),
        Some(secret.password().to_string()),
    );
    let handle = tokio::runtime::Handle::current();
    Arc::new(RusticEngine::new(
        vault.store(),
        vault.prefix(),
        key,
        handle,
    ))
}
