//! What a mover pod is asked to do, and opening the store that the request names.
//!
//! Must not hold secrets: these are named by the paths of mounted files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use serde::{Deserialize, Serialize};

use crate::engine::{Edit, PartReference, ReadData, SaveRequest};
use crate::error::PartError;
use crate::key::RepositoryKey;

const CLIENT_RETRIES: usize = 3;
const CLIENT_RETRY_TIMEOUT: Duration = Duration::from_mins(1);
const CLIENT_REQUEST_TIMEOUT: Duration = Duration::from_secs(110);
const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One request to a mover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobRequest {
    /// What is done.
    pub action: Action,
    /// Where the vault is.
    pub store: StoreLocation,
    /// The vault's prefix in the store; may be empty.
    #[serde(default)]
    pub prefix: String,
    /// The mounted file with the repository's key.
    pub key_path: PathBuf,
}

/// What a mover does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Saves a mounted volume.
    Backup {
        /// Where it is mounted.
        path: PathBuf,
        /// Its labels and time.
        save: SaveRequest,
    },
    /// Fills a mounted, empty volume.
    Restore {
        /// Where it is mounted.
        path: PathBuf,
        /// What it gets.
        part: PartReference,
        /// What is changed in it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        edits: Vec<Edit>,
    },
    /// Checks a part.
    Verify {
        /// The part.
        part: PartReference,
        /// How much is read.
        read: ReadData,
    },
}

/// Where a vault's objects are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub enum StoreLocation {
    /// A bucket of an S3 store.
    S3(S3Location),
    /// A directory.
    Directory {
        /// Its path.
        path: PathBuf,
    },
}

/// A bucket, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Location {
    /// The bucket's name.
    pub bucket: String,
    /// The region; some servers take any.
    pub region: String,
    /// The server's URL, if it is not Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the host name instead of the path.
    #[serde(default)]
    pub virtual_hosted: bool,
    /// A mounted directory with the files `access-key-id`, `secret-access-key` and, optional, `session-token`.
    pub credentials_directory: PathBuf,
    /// A mounted PEM file with the authority that signed the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority_path: Option<PathBuf>,
}

impl JobRequest {
    /// Reads a request; unknown fields are refused.
    pub fn from_json(text: &[u8]) -> Result<Self, PartError> {
        serde_json::from_slice(text).map_err(|error| PartError::Request {
            reason: error.to_string(),
        })
    }

    pub(super) fn part(&self) -> &str {
        match &self.action {
            Action::Backup { save, .. } => &save.labels.part,
            Action::Restore { part, .. } | Action::Verify { part, .. } => &part.part,
        }
    }

    pub(super) fn key(&self) -> Result<RepositoryKey, PartError> {
        Ok(RepositoryKey::from_file(&self.key_path)?)
    }

    pub(super) fn prefix(&self) -> Result<ObjectPath, PartError> {
        ObjectPath::parse(&self.prefix).map_err(|error| PartError::Request {
            reason: format!("the prefix is not usable: {error}"),
        })
    }
}

impl StoreLocation {
    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, PartError> {
        match self {
            Self::S3(location) => location.open(),
            Self::Directory { path } => {
                let store = LocalFileSystem::new_with_prefix(path);
                let store =
                    store.map_err(|error| unusable("the directory of the store", &error))?;
                Ok(Arc::new(store))
            }
        }
    }
}

impl S3Location {
    fn open(&self) -> Result<Arc<dyn ObjectStore>, PartError> {
        // The first one stays; a binary that has installed its own before keeps it.
        if rustls::crypto::ring::default_provider()
            .install_default()
            .is_err()
        {
            log::debug!("a TLS provider is installed already");
        }
        let mut client = ClientOptions::new()
            .with_timeout(CLIENT_REQUEST_TIMEOUT)
            .with_connect_timeout(CLIENT_CONNECT_TIMEOUT)
            .with_allow_http(true);
        if let Some(path) = &self.certificate_authority_path {
            let pem = read_secret(path)?;
            let certificates = object_store::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| unusable("the certificate authority", &error))?;
            for certificate in certificates {
                client = client.with_root_certificate(certificate);
            }
        }
        let credentials = &self.credentials_directory;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(self.virtual_hosted)
            .with_client_options(client)
            .with_retry(RetryConfig {
                max_retries: CLIENT_RETRIES,
                retry_timeout: CLIENT_RETRY_TIMEOUT,
                ..RetryConfig::default()
            })
            .with_access_key_id(read_secret(&credentials.join("access-key-id"))?)
            .with_secret_access_key(read_secret(&credentials.join("secret-access-key"))?);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let token = credentials.join("session-token");
        if token.exists() {
            builder = builder.with_token(read_secret(&token)?);
        }
        let store = builder
            .build()
            .map_err(|error| unusable("the S3 location", &error))?;
        Ok(Arc::new(store))
    }
}

fn read_secret(path: &Path) -> Result<String, PartError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| unusable(&format!("the file {}", path.display()), &error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn unusable(what: &str, error: &dyn std::error::Error) -> PartError {
    PartError::Request {
        reason: format!("{what} cannot be used: {error}"),
    }
}
