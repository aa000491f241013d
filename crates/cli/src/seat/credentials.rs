//! What a mover pod is given to reach the vault: one Secret per run, and how the pod reads it.

use std::collections::BTreeMap;
use std::path::Path;

use refloat_core::driver::{Effect, FieldOwner};
use refloat_core::inventory::Resource;
use refloat_mover::RepositoryKey;
use refloat_mover::job::{S3Location, StoreLocation};
use refloat_vault::format::RepositorySecret;
use refloat_vault::store::Location;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// File with the repository's key in the mounted Secret.
pub(crate) const MOUNTED_KEY: &str = "repository.key";
/// File with the vault's place in the mounted Secret.
pub(crate) const MOUNTED_LOCATION: &str = "location.json";
const MOUNTED_ID: &str = "access-key-id";
const MOUNTED_SECRET: &str = "secret-access-key";

/// The vault's place, as the mounted Secret tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MountedLocation {
    bucket: String,
    pub(crate) prefix: String,
    endpoint: Option<String>,
    region: String,
}

/// The effect that creates the Secret.
pub(super) fn secret(
    namespace: &str,
    name: &str,
    labels: &BTreeMap<String, String>,
    location: &Location,
    repository: &RepositorySecret,
) -> Effect {
    let key = RepositoryKey::new(
        repository.encrypt(),
        repository.mac_k(),
        repository.mac_r(),
        None,
    );
    let place = MountedLocation {
        bucket: location.bucket.clone(),
        prefix: location.prefix.clone(),
        endpoint: location.endpoint.clone(),
        region: location.region.clone(),
    };
    Effect::Create {
        resource: Resource::namespaced("v1", "Secret", "secrets"),
        object: json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": namespace, "labels": labels },
            "type": "Opaque",
            "stringData": {
                MOUNTED_LOCATION: serde_json::to_string(&place).unwrap_or_default(),
                MOUNTED_KEY: key.to_json_for_mover().as_str(),
                MOUNTED_ID: location.access_key_id,
                MOUNTED_SECRET: location.secret_access_key.expose_secret(),
            },
        }),
        owner: FieldOwner::refloat(),
    }
}

/// The store as a mover pod reaches it.
pub(crate) fn mounted_store(mount: &Path, location: &MountedLocation) -> StoreLocation {
    StoreLocation::S3(S3Location {
        bucket: location.bucket.clone(),
        region: location.region.clone(),
        endpoint: location.endpoint.clone(),
        virtual_hosted: false,
        credentials_directory: mount.to_owned(),
        certificate_authority_path: None,
    })
}
