//! Every version of the format that ever landed, read by today's code, for ever.
//!
//! The files were written once by [`write_fixtures`]; it never replaces one. A new version gets a folder of its own.

mod entries;

use std::fs;
use std::path::PathBuf;

use refloat_core::backup::{CaptureTimes, Held, Mode, PointContent};
use refloat_vault::format::{
    Envelope, Heartbeat, Kind, PointDocument, PointId, RecoveryKey, RootKey, SiteKey, Verification,
    digest, point_format,
};
use refloat_vault::store::RunJournal;

use self::entries::{capture_journal, capture_records, first_entry, plan, records};
use crate::keys::{
    content, document, open, primary, put, recovering, recovery, root, shop, store, time,
};

const POINT: &str = "points/shop/0000000001";
const VERIFICATION: &str = "verified/recovery/shop/0000000001";
const HEARTBEAT: &str = "sites/recovery";
const RUN: &str = "restore-0123456789ab-1";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/v1")
        .join(name)
}

fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn id() -> PointId {
    "shop/1".parse().unwrap()
}

fn point_bytes() -> Vec<u8> {
    let document = PointDocument {
        format: 1,
        id: id(),
        previous: None,
        sealed: time("2026-01-03T00:10:00Z"),
        refloat_version: "0.0.0".to_owned(),
        content: content("backup-1"),
    };
    Envelope::seal(
        &primary(),
        Kind::RecoveryPoint,
        POINT,
        &serde_json::to_vec(&document).unwrap(),
    )
}

/// A point of format 2: its member was held.
fn held_content() -> PointContent {
    let mut content = content("backup-2");
    let member = &mut content.members[0];
    member.mode = Mode::Held;
    member.held = Some(Held {
        since: time("2026-01-03T00:00:00Z"),
        released: time("2026-01-03T00:00:01Z"),
        proof: "pg_backup_stop succeeded".to_owned(),
        freezes: false,
    });
    let label = "START WAL LOCATION: 0/4000028\n".to_owned();
    member.engine.insert("label".to_owned(), label);
    content.capture = Some(CaptureTimes {
        held_milliseconds: 1000,
        barrier_milliseconds: 0,
        slowest_cut_milliseconds: 240,
        aligned: true,
    });
    content
}

fn held_point_bytes() -> Vec<u8> {
    let document = PointDocument {
        format: point_format(&held_content()),
        id: id(),
        previous: None,
        sealed: time("2026-01-03T00:10:00Z"),
        refloat_version: "0.0.0".to_owned(),
        content: held_content(),
    };
    let payload = serde_json::to_vec(&document).unwrap();
    Envelope::seal(&primary(), Kind::RecoveryPoint, POINT, &payload)
}

fn verification_bytes() -> Vec<u8> {
    let verification = Verification {
        format: 1,
        point: id(),
        envelope: digest(&point_bytes()),
        site: recovering().site,
        checked: time("2026-01-03T01:00:00Z"),
        read_data: true,
        parts: 2,
        bytes_read: 300_000_000,
        refloat_version: "0.0.0".to_owned(),
    };
    let payload = serde_json::to_vec(&verification).unwrap();
    Envelope::seal(&recovering(), Kind::Verification, VERIFICATION, &payload)
}

fn heartbeat_bytes() -> Vec<u8> {
    let heartbeat = Heartbeat {
        format: 1,
        site: recovering().site,
        at: time("2026-01-03T01:00:01Z"),
        refloat_version: "0.0.0".to_owned(),
        readable: vec![id()],
    };
    let payload = serde_json::to_vec(&heartbeat).unwrap();
    Envelope::seal(&recovering(), Kind::Heartbeat, HEARTBEAT, &payload)
}

#[test]
#[ignore = "writes the fixtures of a new format, once"]
fn write_fixtures() {
    let files: [(&str, Vec<u8>); 8] = [
        ("recovery.key", recovery().write().as_bytes().to_vec()),
        ("root.key", root().write().as_bytes().to_vec()),
        ("primary.sitekey", primary().write().as_bytes().to_vec()),
        (
            "refloat.json",
            serde_json::to_vec_pretty(&document()).unwrap(),
        ),
        ("point", point_bytes()),
        ("verification", verification_bytes()),
        ("heartbeat", heartbeat_bytes()),
        ("journal-entry", first_entry()),
    ];
    fs::create_dir_all(path("")).unwrap();
    for (name, bytes) in files {
        assert!(!path(name).exists(), "{name} is kept for ever");
        fs::write(path(name), bytes).unwrap();
    }
}

#[test]
#[ignore = "writes the fixtures of format 2, once"]
fn write_fixtures_of_format_2() {
    for (name, bytes) in [
        ("../v2/point", held_point_bytes()),
        ("../v2/journal-entry", capture_journal()),
    ] {
        assert!(!path(name).exists(), "{name} is kept for ever");
        fs::write(path(name), bytes).unwrap();
    }
}

#[tokio::test]
async fn a_held_point_of_then_is_read_today_and_written_alike() {
    assert_eq!(held_point_bytes(), read("../v2/point"));
    let store = store().await;
    put(store.as_ref(), "refloat.json", read("refloat.json")).await;
    put(store.as_ref(), POINT, read("../v2/point")).await;
    let run = format!("runs/{RUN}/journal/0000000001");
    put(store.as_ref(), &run, read("../v2/journal-entry")).await;
    let vault = open(&store).await;
    let point = vault.point(&id()).await.unwrap();
    assert_eq!(point.document.format, 2);
    assert_eq!(point.document.content, held_content());
    let journal = RunJournal::open(&vault, &plan().run, "test").await.unwrap();
    assert_eq!(journal.records(), capture_records());
}

#[test]
fn what_is_written_today_is_what_was_written_then() {
    assert_eq!(recovery().write().as_bytes(), read("recovery.key"));
    assert_eq!(root().write().as_bytes(), read("root.key"));
    assert_eq!(primary().write().as_bytes(), read("primary.sitekey"));
    assert_eq!(
        serde_json::to_vec_pretty(&document()).unwrap(),
        read("refloat.json")
    );
    assert_eq!(point_bytes(), read("point"));
    assert_eq!(verification_bytes(), read("verification"));
    assert_eq!(heartbeat_bytes(), read("heartbeat"));
}

#[test]
fn keys_of_then_open_today() {
    let text = |name: &str| String::from_utf8(read(name)).unwrap();
    let key = RecoveryKey::read(&text("recovery.key")).unwrap();
    assert_eq!(
        (key.vault.as_str(), key.root),
        (crate::keys::VAULT, root().public())
    );
    assert_eq!(
        *key.repository.password(),
        *recovery().repository.password()
    );
    assert_eq!(
        RootKey::read(&text("root.key")).unwrap().public(),
        root().public()
    );
    let site = SiteKey::read(&text("primary.sitekey")).unwrap();
    assert_eq!(
        (site.site.as_str(), site.public()),
        ("primary", primary().public())
    );
}

#[tokio::test]
async fn a_vault_of_then_is_read_today() {
    let store = store().await;
    for (to, name) in [
        ("refloat.json", "refloat.json"),
        (POINT, "point"),
        (VERIFICATION, "verification"),
        (HEARTBEAT, "heartbeat"),
        (
            "runs/restore-0123456789ab-1/journal/0000000001",
            "journal-entry",
        ),
    ] {
        put(store.as_ref(), to, read(name)).await;
    }
    let vault = open(&store).await;
    assert!(vault.sites().iter().all(|(_, trusted)| *trusted));
    let chain = vault.chain(&shop()).await.unwrap();
    assert_eq!(chain.warnings, Vec::<String>::new());
    let listed = &chain.points[0];
    let point = listed.point.as_ref().unwrap();
    assert_eq!(point.signer, primary().site);
    assert_eq!(point.document.content, content("backup-1"));
    assert_eq!(listed.verified.len(), 1);
    assert!(listed.verified[0].read_data);
    let seen = vault.heartbeat(&recovering().site).await.unwrap().unwrap();
    assert_eq!(seen.readable, vec![id()]);
    assert_eq!(vault.runs().await.unwrap(), vec![plan().run]);
    let journal = RunJournal::open(&vault, &plan().run, "test").await.unwrap();
    assert_eq!(journal.records(), records());
    assert_eq!(journal.plan(), Some(&std::sync::Arc::new(plan())));
}
