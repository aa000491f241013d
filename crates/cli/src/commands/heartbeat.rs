//! A site's sign of life in the vault, given beside what a command has done. Called by `backup` and `verify`.

use jiff::Timestamp;
use refloat_vault::format::{Heartbeat, PointId};

use crate::failure::Failure;
use crate::seat::{Access, vault_failure};

/// Gives it. When it cannot be given, why, as a warning: what was done stands all the same, and as a failure it would be done once more.
pub(super) async fn give(access: &Access, point: &PointId, done: &str) -> Option<String> {
    let failure = write(access, point).await.err()?;
    let why = failure.text();
    Some(format!(
        "warning: point {point} is {done}, but the heartbeat of this site is not written: {why}"
    ))
}

async fn write(access: &Access, point: &PointId) -> Result<(), Failure> {
    let key = access.site_key()?;
    let heartbeat = Heartbeat {
        format: 1,
        site: key.site.clone(),
        at: Timestamp::now(),
        refloat_version: env!("CARGO_PKG_VERSION").to_owned(),
        readable: vec![point.clone()],
    };
    let written = access.vault.write_heartbeat(key, &heartbeat).await;
    written.map_err(|error| vault_failure(&error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::ObjectStore;
    use object_store::local::LocalFileSystem;
    use object_store::path::Path;
    use refloat_core::names::SiteName;
    use refloat_vault::format::SiteKey;
    use refloat_vault::store::{Location, Vault};
    use secrecy::SecretString;

    use super::*;

    async fn access(store: Arc<dyn ObjectStore>) -> Access {
        let prefix = Path::from("");
        let created = Vault::init_begin(&store, &prefix).await.expect("a store");
        let made = Vault::init_finish(store, prefix, &created, Timestamp::UNIX_EPOCH).await;
        let site = SiteName::new("b").expect("a site");
        let key = SiteKey::new(site, created.recovery.clone(), [7; 32]);
        Access {
            vault: made.expect("a vault"),
            location: Location {
                bucket: String::new(),
                prefix: String::new(),
                endpoint: None,
                region: String::new(),
                access_key_id: String::new(),
                secret_access_key: SecretString::from(""),
            },
            recovery: created.recovery,
            site_key: Some(key),
        }
    }

    #[tokio::test]
    async fn what_was_done_does_not_fail_for_want_of_a_heartbeat() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
        let access = access(Arc::new(store)).await;
        let point: PointId = "shop/12".parse().expect("a point");
        assert_eq!(give(&access, &point, "verified").await, None);

        let sign = directory.path().join("sites/b");
        std::fs::remove_file(&sign).expect("it was written");
        std::fs::create_dir_all(sign.join("in-the-way")).expect("a directory");
        let warning = give(&access, &point, "verified").await.expect("a warning");
        assert!(
            warning.starts_with("warning: point shop/12 is verified, but the heartbeat"),
            "{warning}"
        );
    }
}
