//! Keys that are the same each time, and a point that says a little of everything.

use std::sync::Arc;

use jiff::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use refloat_core::backup::{Finding, Member, Mode, Part, PointContent, Required, StoredObjects};
use refloat_core::inventory::ThingId;
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_vault::format::{
    RecoveryKey, RepositorySecret, RootDocument, RootKey, SiteEntry, SiteKey,
};
use refloat_vault::store::Vault;

pub(crate) const VAULT: &str = "00112233445566778899aabbccddeeff";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn root() -> RootKey {
    RootKey::new(VAULT, [7; 32])
}

pub(crate) fn recovery() -> RecoveryKey {
    let mut secret = [0; 64];
    for (index, byte) in secret.iter_mut().enumerate() {
        *byte = u8::try_from(index).unwrap();
    }
    RecoveryKey {
        vault: VAULT.to_owned(),
        root: root().public(),
        repository: RepositorySecret::new(secret),
    }
}

pub(crate) fn site(name: &str, random: u8) -> SiteKey {
    SiteKey::new(SiteName::new(name).unwrap(), recovery(), [random; 32])
}

pub(crate) fn primary() -> SiteKey {
    site("primary", 9)
}

pub(crate) fn recovering() -> SiteKey {
    site("recovery", 11)
}

pub(crate) fn document() -> RootDocument {
    let joined = time("2026-01-02T03:04:05Z");
    let entry = |key: &SiteKey| SiteEntry::sign(&root(), key.site.clone(), &key.public(), joined);
    RootDocument {
        format: 1,
        vault: VAULT.to_owned(),
        created: time("2026-01-02T03:00:00Z"),
        root_public_key: hex(root().public().as_bytes()),
        sites: vec![entry(&primary()), entry(&recovering())],
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

pub(crate) fn content(run: &str) -> PointContent {
    PointContent {
        protection: ProtectionName::new("shop").unwrap(),
        site: primary().site,
        run: RunId::new(run).unwrap(),
        namespaces: vec!["shop".to_owned()],
        spec: serde_json::json!({ "namespaces": ["shop"] }),
        kubernetes_version: "v1.34.4".to_owned(),
        cluster_uid: "cluster-1".to_owned(),
        architectures: Vec::new(),
        began: time("2026-01-03T00:00:00Z"),
        members: vec![Member {
            name: "shop/db".to_owned(),
            driver: "postgresql".to_owned(),
            thing: ThingId::namespaced("apps", "StatefulSet", "shop", "db"),
            mode: Mode::AtomicVolume,
            evidence: vec!["one volume".to_owned()],
            engine: [("version".to_owned(), "15.14".to_owned())].into(),
            settings: [("user".to_owned(), "shop".to_owned())].into(),
            parts: vec!["shop/data-db-0".to_owned()],
            held: None,
        }],
        parts: vec![Part {
            id: "shop/data-db-0".to_owned(),
            driver: "csi-snapshot".to_owned(),
            claim: serde_json::json!({ "kind": "PersistentVolumeClaim" }),
            storage_class: "btrfs".to_owned(),
            csi_driver: "btrfs.csi.refloat.io".to_owned(),
            capacity: "2Gi".to_owned(),
            cut: time("2026-01-03T00:00:01Z"),
            snapshot_handle: "snapshot-1".to_owned(),
            snapshot: "a".repeat(64),
            tree: "b".repeat(64),
            files: 1000,
            bytes: 300_000_000,
            bytes_added: 100_000_000,
        }],
        capture: None,
        objects: Some(StoredObjects {
            snapshot: "c".repeat(64),
            tree: "d".repeat(64),
            count: 27,
            listed: time("2026-01-03T00:00:02Z"),
        }),
        required: vec![Required {
            thing: ThingId::cluster("storage.k8s.io", "StorageClass", "btrfs"),
            why: "PersistentVolumeClaim shop/data-db-0".to_owned(),
        }],
        owned: vec![ThingId::cluster(
            "rbac.authorization.k8s.io",
            "ClusterRole",
            "operator",
        )],
        findings: vec![Finding {
            code: "volume-excluded".to_owned(),
            thing: "PersistentVolumeClaim shop/cache".to_owned(),
            message: "left out by the protection".to_owned(),
        }],
        gates: Vec::new(),
    }
}

/// Puts bytes where a vault would look for them, whatever is there.
pub(crate) async fn put(store: &dyn ObjectStore, path: &str, bytes: impl Into<Vec<u8>>) {
    let payload = PutPayload::from(bytes.into());
    store
        .put(&Path::from(format!("v/{path}")), payload)
        .await
        .unwrap();
}

pub(crate) async fn get(store: &dyn ObjectStore, path: &str) -> Vec<u8> {
    let found = store.get(&Path::from(format!("v/{path}"))).await.unwrap();
    found.bytes().await.unwrap().to_vec()
}

pub(crate) async fn delete(store: &dyn ObjectStore, path: &str) {
    store
        .delete(&Path::from(format!("v/{path}")))
        .await
        .unwrap();
}

/// A store with the vault's first document in it.
pub(crate) async fn store() -> Arc<dyn ObjectStore> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let bytes = serde_json::to_vec_pretty(&document()).unwrap();
    put(store.as_ref(), "refloat.json", bytes).await;
    store
}

pub(crate) async fn open(store: &Arc<dyn ObjectStore>) -> Vault {
    Vault::open(Arc::clone(store), Path::from("v"), &recovery())
        .await
        .unwrap()
}

pub(crate) fn shop() -> ProtectionName {
    ProtectionName::new("shop").unwrap()
}

/// Seals so many points, one by one.
pub(crate) async fn seal(vault: &Vault, count: u64) {
    for number in 1..=count {
        let content = content(&format!("backup-{number}"));
        let now = time("2026-01-03T00:10:00Z");
        let sealed = vault.seal(&primary(), content, "0.0.0", now).await.unwrap();
        assert_eq!(sealed.document.id.sequence, number);
    }
}
