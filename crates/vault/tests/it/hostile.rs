//! Points in the hands of somebody who can write to the bucket.

use refloat_vault::error::VaultError;
use refloat_vault::format::{Envelope, Kind, POINT_FORMAT, PointDocument, SiteKey};
use refloat_vault::store::Vault;

use crate::keys::{
    delete, document, get, open, primary, put, recovering, recovery, seal, shop, site, store,
};
use crate::stores::{Script, Silent, Turn};

const FIRST: &str = "points/shop/0000000001";
const SECOND: &str = "points/shop/0000000002";
const THIRD: &str = "points/shop/0000000003";

async fn code(vault: &Vault, id: &str) -> &'static str {
    let error = vault.point(&id.parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("points/shop/"), "{error}");
    error.code()
}

/// The document in an envelope, whoever signed it.
fn inside(bytes: &[u8]) -> PointDocument {
    let keys = [(primary().site, primary().public())];
    let (_, inner) =
        Envelope::open(bytes, crate::keys::VAULT, Kind::RecoveryPoint, FIRST, &keys).unwrap();
    serde_json::from_slice(&inner).unwrap()
}

#[tokio::test]
async fn no_flipped_bit_is_taken_for_the_point() {
    let store = store().await;
    let vault = open(&store).await;
    seal(&vault, 1).await;
    let good = get(store.as_ref(), FIRST).await;
    let meant = vault.point(&"shop/1".parse().unwrap()).await.unwrap();
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1 << (position % 8);
        put(store.as_ref(), FIRST, bad).await;
        // A bit of a hexadecimal digit's case may flip without changing what it says.
        if let Ok(point) = vault.point(&"shop/1".parse().unwrap()).await {
            assert_eq!(point.document, meant.document, "at byte {position}");
            assert_ne!(point.envelope, meant.envelope, "at byte {position}");
        }
    }
    for length in [0, 1, good.len() / 2, good.len() - 1] {
        put(store.as_ref(), FIRST, &good[..length]).await;
        assert_eq!(code(&vault, "shop/1").await, "vault-unreadable");
    }
}

async fn forged(key: &SiteKey) -> &'static str {
    let store = store().await;
    let vault = open(&store).await;
    seal(&vault, 1).await;
    let document = inside(&get(store.as_ref(), FIRST).await);
    let payload = serde_json::to_vec(&document).unwrap();
    let bytes = Envelope::seal(key, Kind::RecoveryPoint, FIRST, &payload);
    put(store.as_ref(), FIRST, bytes).await;
    code(&vault, "shop/1").await
}

#[tokio::test]
async fn only_the_site_itself_signs_its_points() {
    // A site that nobody knows, a known name with a key that the root did not sign, another site of the vault.
    assert_eq!(forged(&site("stranger", 1)).await, "vault-untrusted");
    assert_eq!(forged(&site("primary", 1)).await, "vault-untrusted");
    assert_eq!(forged(&recovering()).await, "vault-untrusted");
}

#[tokio::test]
async fn a_root_key_from_the_bucket_is_not_believed() {
    let store = store().await;
    let attacker = refloat_vault::format::RootKey::new(crate::keys::VAULT, [66; 32]);
    let key = site("primary", 66);
    let mut forged = document();
    forged.root_public_key = crate::keys::hex(attacker.public().as_bytes());
    forged.sites = vec![refloat_vault::format::SiteEntry::sign(
        &attacker,
        key.site.clone(),
        &key.public(),
        forged.created,
    )];
    put(
        store.as_ref(),
        "refloat.json",
        serde_json::to_vec(&forged).unwrap(),
    )
    .await;
    let vault = open(&store).await;
    assert!(vault.sites().iter().all(|(_, trusted)| !trusted));
    let payload = serde_json::to_vec(&serde_json::json!({ "format": 1 })).unwrap();
    put(
        store.as_ref(),
        FIRST,
        Envelope::seal(&key, Kind::RecoveryPoint, FIRST, &payload),
    )
    .await;
    assert_eq!(code(&vault, "shop/1").await, "vault-untrusted");
}

#[tokio::test]
async fn an_envelope_stays_where_it_was_made() {
    let store = store().await;
    let vault = open(&store).await;
    seal(&vault, 2).await;
    let first = get(store.as_ref(), FIRST).await;
    put(store.as_ref(), SECOND, first.clone()).await;
    assert_eq!(code(&vault, "shop/2").await, "vault-untrusted");
    // Nor as another kind.
    put(store.as_ref(), "sites/primary", first).await;
    let error = vault.heartbeat(&primary().site).await.unwrap_err();
    assert_eq!(error.code(), "vault-untrusted");
}

#[tokio::test]
async fn what_was_deleted_or_rolled_back_is_named() {
    let warnings = async |path: &str, put_instead: Option<Vec<u8>>| {
        let store = store().await;
        let vault = open(&store).await;
        seal(&vault, 4).await;
        delete(store.as_ref(), path).await;
        if let Some(bytes) = put_instead {
            put(store.as_ref(), path, bytes).await;
        }
        vault.chain(&shop()).await.unwrap().warnings
    };
    let gone = warnings(SECOND, None).await;
    assert!(
        gone[0].contains("shop/2") && gone[0].contains("deleted"),
        "{gone:?}"
    );
    let gone = warnings(FIRST, None).await;
    assert!(gone[0].contains("shop/1"), "{gone:?}");

    // Another point, rightly signed, in the place of the third.
    let other = store().await;
    let vault = open(&other).await;
    seal(&vault, 2).await;
    let content = crate::keys::content("backup-other");
    let now = crate::keys::time("2026-02-01T00:00:00Z");
    vault.seal(&primary(), content, "0.0.0", now).await.unwrap();
    let replaced = warnings(THIRD, Some(get(other.as_ref(), THIRD).await)).await;
    assert!(replaced[0].contains("shop/4"), "{replaced:?}");
}

/// Each question to a store that is silent may last a minute: the newest points are asked for first, and after two dozen no more.
#[tokio::test]
async fn a_store_that_gives_none_of_the_newest_points_is_not_asked_for_all() {
    let store = store().await;
    seal(&open(&store).await, 30).await;
    let chain = async |lost: usize| {
        let turns = vec![Turn::Lost; lost];
        let away = Silent::over(&store, Script::new("points/", &[], &turns));
        open(&away).await.chain(&shop()).await
    };
    let points = chain(23).await.unwrap().points;
    let usable = points.iter().map(|listed| listed.point.is_ok());
    let expected = (1..=30).map(|sequence| sequence <= 7);
    assert!(
        usable.eq(expected),
        "in their order, the newest asked for first"
    );
    let error = chain(24).await.unwrap_err();
    assert_eq!(error.code(), "vault-unreachable");
}

#[tokio::test]
async fn a_store_that_does_not_answer_damages_no_point() {
    let store = store().await;
    seal(&open(&store).await, 3).await;
    // While it gives other points, the one that it does not give fails alone, and nothing is said of what follows it.
    for (path, place) in [(FIRST, 0), (SECOND, 1), (THIRD, 2)] {
        for turn in [Turn::Lost, Turn::Refused] {
            let away = Silent::over(&store, Script::new(path, &[], &[turn]));
            let vault = open(&away).await;
            let chain = vault.chain(&shop()).await.unwrap();
            let error = chain.points[place].point.as_ref().unwrap_err();
            assert_eq!(error.code(), "vault-withheld");
            assert!(error.to_string().contains(path), "{error}");
            assert!(!error.is_of_object());
            let usable = chain.points.iter().filter(|listed| listed.point.is_ok());
            assert_eq!(usable.count(), 2);
            assert!(chain.warnings.is_empty(), "{:?}", chain.warnings);
            let chain = vault.chain(&shop()).await.unwrap();
            assert!(chain.points.iter().all(|listed| listed.point.is_ok()));
        }
    }
    for (turn, code) in [
        (Turn::Lost, "vault-unreachable"),
        (Turn::Refused, "vault-credentials"),
    ] {
        let away = Silent::over(&store, Script::new("points/", &[], &[turn; 3]));
        let error = open(&away).await.chain(&shop()).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    // Nor does a verification that is not given hide its point.
    let away = Silent::over(&store, Script::new("verified/", &[], &[Turn::Refused]));
    let chain = open(&away).await.chain(&shop()).await.unwrap();
    assert!(chain.points.iter().all(|listed| listed.point.is_ok()));
    assert_eq!(
        chain
            .points
            .iter()
            .flat_map(|listed| &listed.unread)
            .count(),
        1
    );
    // What is wrong with the point itself is said of it alone.
    put(store.as_ref(), SECOND, &b"{}"[..]).await;
    let chain = open(&store).await.chain(&shop()).await.unwrap();
    let usable = chain.points.iter().map(|listed| listed.point.is_ok());
    assert_eq!(usable.collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn newer_formats_are_refused_by_name() {
    let store = store().await;
    let vault = open(&store).await;
    seal(&vault, 1).await;
    let mut document = inside(&get(store.as_ref(), FIRST).await);
    document.format = POINT_FORMAT + 1;
    let payload = serde_json::to_vec(&document).unwrap();
    put(
        store.as_ref(),
        FIRST,
        Envelope::seal(&primary(), Kind::RecoveryPoint, FIRST, &payload),
    )
    .await;
    assert_eq!(code(&vault, "shop/1").await, "vault-format-newer");
    put(
        store.as_ref(),
        FIRST,
        &br#"{"format":"refloat.envelope/9","x":1}"#[..],
    )
    .await;
    assert_eq!(code(&vault, "shop/1").await, "vault-format-newer");
    put(store.as_ref(), "refloat.json", &br#"{"format":2}"#[..]).await;
    let opened = Vault::open(store, "v".into(), &recovery()).await;
    let error = opened.err().unwrap();
    assert_eq!(error.code(), "vault-format-newer");
    assert!(error.to_string().contains("refloat.json"), "{error}");
}

#[tokio::test]
async fn a_verification_counts_for_one_site_and_one_envelope() {
    let store = store().await;
    let vault = open(&store).await;
    seal(&vault, 1).await;
    let point = vault.point(&"shop/1".parse().unwrap()).await.unwrap();
    let verification = refloat_vault::format::Verification {
        format: 1,
        point: point.document.id.clone(),
        envelope: point.envelope.clone(),
        site: recovering().site,
        checked: crate::keys::time("2026-01-03T01:00:00Z"),
        read_data: false,
        parts: 1,
        bytes_read: 0,
        refloat_version: "0.0.0".to_owned(),
    };
    vault
        .write_verification(&recovering(), &verification)
        .await
        .unwrap();
    let verified = async || vault.chain(&shop()).await.unwrap().points[0].verified.len();
    assert_eq!(verified().await, 1);
    // Signed by another site in its name, then of another envelope.
    let path = "verified/recovery/shop/0000000001";
    let payload = serde_json::to_vec(&verification).unwrap();
    put(
        store.as_ref(),
        path,
        Envelope::seal(&primary(), Kind::Verification, path, &payload),
    )
    .await;
    assert_eq!(verified().await, 0);
    let other = refloat_vault::format::Verification {
        envelope: "0".repeat(64),
        ..verification
    };
    vault
        .write_verification(&recovering(), &other)
        .await
        .unwrap();
    assert_eq!(verified().await, 0);
}

#[tokio::test]
async fn the_wrong_key_is_told_from_a_wrong_place() {
    let store = store().await;
    let mut other = recovery();
    other.vault = "f".repeat(32);
    let error = Vault::open(store.clone(), "v".into(), &other)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, VaultError::WrongVault { .. }), "{error}");
    let error = Vault::open(store, "elsewhere".into(), &recovery())
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "vault-missing");
}
