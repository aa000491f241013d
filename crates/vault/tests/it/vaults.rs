//! Making a vault, joining it, and two writers at once.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use refloat_core::names::SiteName;
use refloat_vault::format::RootKey;
use refloat_vault::store::Vault;

use crate::keys::{content, open, primary, recovery, root, seal, shop, store, time};
use crate::stores::Careless;

#[tokio::test]
async fn a_vault_is_made_once_and_joined_by_name_once() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let prefix = Path::from("v");
    let created = Vault::init_begin(&store, &prefix).await.unwrap();
    let now = time("2026-01-01T00:00:00Z");
    let mut vault = Vault::init_finish(store.clone(), prefix.clone(), &created, now)
        .await
        .unwrap();
    let again = Vault::init_begin(&store, &prefix).await.err().unwrap();
    assert_eq!(again.code(), "vault-exists");
    let late = Vault::init_finish(store.clone(), prefix.clone(), &created, now).await;
    assert!(late.is_err(), "the second of two makers wins");
    let berlin = SiteName::new("berlin").unwrap();
    let key = vault
        .join(&created.root, &created.recovery, &berlin, now)
        .await
        .unwrap();
    let twice = vault
        .join(&created.root, &created.recovery, &berlin, now)
        .await;
    assert_eq!(twice.err().unwrap().code(), "vault-site-exists");
    let stranger = RootKey::new(vault.id(), [1; 32]);
    let madrid = SiteName::new("madrid").unwrap();
    let wrong = vault.join(&stranger, &created.recovery, &madrid, now).await;
    assert_eq!(wrong.err().unwrap().code(), "vault-wrong-key");
    let read = Vault::open(store, prefix, &key.recovery).await.unwrap();
    let sites = read.sites();
    assert_eq!(sites.len(), 1);
    assert!(sites[0].1, "the root signed it");
}

#[tokio::test]
async fn a_store_that_creates_twice_is_refused() {
    let store = Careless::over(Arc::new(InMemory::new()));
    let error = Vault::init_begin(&store, &Path::from("v"))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "vault-store-unfit");
}

#[tokio::test]
async fn points_of_two_writers_do_not_meet() {
    let store = store().await;
    let (one, two) = (open(&store).await, open(&store).await);
    let now = time("2026-01-03T00:10:00Z");
    let (key, other) = (primary(), primary());
    let (a, b) = tokio::join!(
        one.seal(&key, content("backup-a"), "0.0.0", now),
        two.seal(&other, content("backup-b"), "0.0.0", now),
    );
    // Whoever lost the number says so and has written nothing.
    let sealed = [&a, &b].into_iter().filter(|one| one.is_ok()).count();
    let chain = one.chain(&shop()).await.unwrap();
    assert_eq!(chain.points.len(), sealed);
    assert!(chain.warnings.is_empty(), "{:?}", chain.warnings);
    for lost in [a, b].into_iter().filter_map(Result::err) {
        assert_eq!(lost.code(), "vault-taken");
    }
}

#[tokio::test]
async fn a_run_seals_one_point_however_often_it_asks() {
    let store = store().await;
    let vault = open(&store).await;
    seal(&vault, 2).await;
    let now = time("2026-01-05T00:00:00Z");
    let again = vault
        .seal(&primary(), content("backup-2"), "0.0.0", now)
        .await
        .unwrap();
    assert_eq!(again.document.id.sequence, 2);
    assert_eq!(vault.chain(&shop()).await.unwrap().points.len(), 2);
}

#[test]
fn keys_of_other_vaults_do_not_derive_the_same_secrets() {
    let mut other = recovery();
    other.vault = "f".repeat(32);
    assert_ne!(root().vault, other.vault);
    assert_ne!(
        hash(&recovery()),
        hash(&other),
        "the journal key does not depend on the vault"
    );
}

/// An entry sealed by one key and opened by the other tells whether they are the same.
fn hash(recovery: &refloat_vault::format::RecoveryKey) -> bool {
    use refloat_vault::format::{Entry, JournalKey};
    let run = refloat_core::names::RunId::new("a").unwrap();
    let now = time("2026-01-01T00:00:00Z");
    let bytes = Entry::new(1, None, "x", now, &[])
        .write(&JournalKey::of(&crate::keys::recovery()), &run)
        .unwrap();
    Entry::read(&JournalKey::of(recovery), &run, &bytes, 1, None).is_ok()
}
