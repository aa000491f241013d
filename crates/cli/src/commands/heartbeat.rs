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

    use object_store::local::LocalFileSystem;
    use refloat_core::names::SiteName;
    use refloat_vault::format::SiteKey;

    use super::*;
    use crate::seat::refusing::vault_in;

    #[tokio::test]
    async fn what_was_done_does_not_fail_for_want_of_a_heartbeat() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
        let mut access = vault_in(Arc::new(store)).await;
        let site = SiteName::new("b").expect("a site");
        access.site_key = Some(SiteKey::new(site, access.recovery.clone(), [7; 32]));
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
