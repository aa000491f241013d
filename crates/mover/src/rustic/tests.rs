//! Trees that no mover writes: made with the library, refused by our walk.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{
    BackupOptions, FileType, Id, ReadSource, ReadSourceEntry, RusticResult, SnapshotOptions,
    WriteBackend,
};

use sha2::{Digest, Sha256};

use super::cipher::Cipher;
use super::tree::name_problem;
use super::watch::Watch;
use super::{RusticEngine, guarded};
use crate::control::Control;
use crate::engine::{MoverEngine, ObjectLimits, PartReference, ReadData};
use crate::error::PartError;
use crate::key::RepositoryKey;

/// What an enemy with the key stores: any node under any name.
#[derive(Clone)]
struct Forged(Vec<(PathBuf, Node)>);

impl ReadSource for Forged {
    type Open = std::io::Cursor<Vec<u8>>;
    type Iter = std::vec::IntoIter<RusticResult<ReadSourceEntry<Self::Open>>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let entries: Vec<_> = self
            .0
            .iter()
            .cloned()
            .map(|(path, node)| {
                let open = node
                    .is_file()
                    .then(|| std::io::Cursor::new(b"pwned".to_vec()));
                Ok(ReadSourceEntry { path, node, open })
            })
            .collect();
        entries.into_iter()
    }
}

fn node(name: &str, node_type: NodeType) -> Node {
    let size = if node_type == NodeType::File { 5 } else { 0 };
    Node {
        name: name.to_owned(),
        node_type,
        meta: Metadata {
            size,
            mode: Some(0o644),
            ..Metadata::default()
        },
        content: None,
        subtree: None,
    }
}

fn read_objects(place: &Place, part: &PartReference) -> Result<(), PartError> {
    let (limits, control) = (ObjectLimits::default(), Control::default());
    let take = &mut |_| ControlFlow::Continue(());
    place.engine.read_objects(part, &limits, &control, take)
}

fn link(target: &str) -> NodeType {
    NodeType::from_link(Path::new(target))
}

struct Place {
    runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
    engine: RusticEngine,
}

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let key = RepositoryKey::new([1; 32], [2; 16], [3; 16], Some("p".to_owned()));
        let engine = RusticEngine::new(
            Arc::new(InMemory::new()),
            &ObjectPath::from("v"),
            key,
            runtime.handle().clone(),
        );
        engine.initialise().unwrap();
        Self {
            runtime,
            directory: tempfile::tempdir().unwrap(),
            engine,
        }
    }

    fn store(&self, nodes: &[(&str, Node)]) -> PartReference {
        let nodes = nodes
            .iter()
            .map(|(path, node)| (PathBuf::from(path), node.clone()))
            .collect();
        let watch = Arc::new(Watch::new(&Control::default()));
        let repository = self.engine.open(&watch).unwrap();
        let snapshot = guarded(&watch, "forging", || {
            repository.to_indexed_ids()?.archive(
                &BackupOptions::default(),
                &Forged(nodes),
                SnapshotOptions::default().to_snapshot()?,
                &[PathBuf::from("/volume")],
            )
        })
        .unwrap();
        PartReference {
            part: "data".to_owned(),
            snapshot_id: snapshot.id.to_hex().to_string(),
            tree_id: snapshot.tree.to_hex().to_string(),
            amount: None,
        }
    }

    fn restore(&self, part: &PartReference) -> Result<(), PartError> {
        let target = self.directory.path().join("target");
        if target.exists() {
            std::fs::remove_dir_all(&target).unwrap();
        }
        std::fs::create_dir(&target).unwrap();
        self.engine
            .restore_tree(part, &[], &target, &Control::default())
            .map(drop)
    }

    /// All names beside the target: an escaped file would be among them.
    fn outside(&self) -> Vec<String> {
        std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

#[test]
fn names_that_leave_the_target_are_refused() {
    let place = Place::new();
    let long = "n".repeat(256);
    for name in [
        "..",
        ".",
        "",
        "../evil",
        "a/b",
        "/evil",
        "\\x2e\\x2e",
        "..\\x2fevil",
        "a\\x00b",
        &long,
    ] {
        for kind in [NodeType::File, NodeType::Dir, link("x")] {
            let part = place.store(&[("/volume/x", node(name, kind.clone()))]);
            let error = place.restore(&part).unwrap_err();
            assert!(
                matches!(error, PartError::HostileTree { .. }),
                "{name:?} {kind:?}: {error}"
            );
            let verified = place
                .engine
                .verify(&part, ReadData::Metadata, &Control::default());
            assert!(matches!(verified, Err(PartError::HostileTree { .. })));
        }
    }
    assert_eq!(place.outside(), ["target"]);
}

#[test]
fn a_link_is_never_followed_while_restoring() {
    let place = Place::new();
    let outside = place.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let to_outside = link(outside.to_str().unwrap());
    // The link first, then something that would be written through it.
    for second in [NodeType::Dir, NodeType::File, link("y")] {
        let part = place.store(&[
            ("/volume/d", node("d", to_outside.clone())),
            ("/volume/d", node("d", second)),
            ("/volume/d/file", node("file", NodeType::File)),
        ]);
        let error = place.restore(&part).unwrap_err();
        assert!(matches!(error, PartError::HostileTree { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn sizes_that_do_not_add_up_are_refused() {
    let place = Place::new();
    let mut forged = node("f", NodeType::File);
    forged.meta.size = 1 << 50;
    let part = place.store(&[("/volume/f", forged)]);
    assert!(matches!(
        place.restore(&part),
        Err(PartError::HostileTree { .. })
    ));
}

#[test]
fn another_kind_of_part_is_refused() {
    let place = Place::new();
    let part = place.store(&[("/elsewhere/f", node("f", NodeType::File))]);
    assert!(matches!(
        place.restore(&part),
        Err(PartError::HostileTree { .. })
    ));
    let objects = read_objects(&place, &part);
    assert!(matches!(objects, Err(PartError::HostileTree { .. })));
    drop(place.runtime.enter());
}

#[test]
fn links_and_special_files_are_no_objects() {
    let place = Place::new();
    for kind in [link("/etc/shadow"), NodeType::Fifo] {
        let part = place.store(&[("/objects/f", node("f", kind))]);
        let objects = read_objects(&place, &part);
        assert!(matches!(objects, Err(PartError::HostileTree { .. })));
    }
}

#[test]
fn special_files_are_not_made() {
    let place = Place::new();
    let device = NodeType::Dev { device: 0x801 };
    let part = place.store(&[
        ("/volume", node("volume", NodeType::Dir)),
        ("/volume/dev", node("dev", device)),
        ("/volume/f", node("f", NodeType::File)),
    ]);
    place.restore(&part).unwrap();
    let target = place.directory.path().join("target");
    assert_eq!(std::fs::read_dir(target).unwrap().count(), 1);
}

#[test]
fn ordinary_names_are_allowed() {
    for name in ["a", "..a", "a..", " ", "é", "-", "\\", "\n"] {
        assert_eq!(name_problem(name.as_ref()), None, "{name:?}");
    }
}

/// An index that sends one piece's name to another piece: all seals fit, only the hash does not.
#[test]
fn a_piece_under_another_name_is_found() {
    let place = Place::new();
    let part = place.store(&[("/volume/f", node("f", NodeType::File))]);
    let watch = Arc::new(Watch::new(&Control::default()));
    let repository = place.engine.open(&watch).unwrap();
    let backend = place.engine.backend(&watch);
    let mut packs = Vec::new();
    for (id, index) in repository
        .stream_files::<rustic_core::repofile::IndexFile>()
        .unwrap()
        .map(Result::unwrap)
    {
        packs.extend(index.packs);
        backend.remove(FileType::Index, &id, false).unwrap();
    }
    let mut text = serde_json::json!({ "packs": packs });
    let real = hex::encode(Sha256::digest(b"pwned"));
    let forged = text.to_string();
    assert!(forged.contains(&real));
    // The file's tree wants this name; the piece that lies there is a tree.
    let packs = text["packs"].as_array_mut().unwrap();
    let tree_place = packs
        .iter()
        .find(|pack| pack["blobs"][0]["type"] == "tree")
        .unwrap()
        .clone();
    for pack in packs
        .iter_mut()
        .filter(|pack| pack["blobs"][0]["type"] == "data")
    {
        *pack = tree_place.clone();
        let blobs = pack["blobs"].as_array_mut().unwrap();
        blobs.truncate(1);
        blobs[0]["id"] = real.clone().into();
        blobs[0]["type"] = "data".into();
    }
    let cipher = Cipher::new(&place.engine.key);
    let sealed = cipher.seal(text.to_string().as_bytes()).unwrap();
    let id = Id::new(Sha256::digest(&sealed).into());
    backend
        .write_bytes(FileType::Index, &id, false, sealed.into())
        .unwrap();
    let mut blobs = place.engine.open_part(&part, &watch).unwrap().0;
    blobs.part = "data".to_owned();
    let id: rustic_core::DataId = real.parse().unwrap();
    let found = blobs.locate(&id, Path::new("f")).unwrap();
    let error = blobs.read_one(&found).unwrap_err();
    let PartError::BlobDamaged { reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(reason.contains("hash"), "{error}");
}
