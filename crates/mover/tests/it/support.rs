//! Engines over directories, sources with everything in them, and comparing trees.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use refloat_mover::{
    Control, Labels, MoverEngine, PartReference, RepositoryKey, RusticEngine, SaveRequest, Saved,
    StoreLimits,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const PREFIX: &str = "vaults/one";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

pub(crate) fn handle() -> tokio::runtime::Handle {
    RUNTIME.handle().clone()
}

pub(crate) fn key(seed: u8) -> RepositoryKey {
    let fill = |start: u8| start.wrapping_add(seed.wrapping_mul(31));
    RepositoryKey::new(
        std::array::from_fn(|index| fill(u8::try_from(index).unwrap())),
        std::array::from_fn(|index| fill(100 + u8::try_from(index).unwrap())),
        std::array::from_fn(|index| fill(200 + u8::try_from(index).unwrap())),
        Some(PASSWORD.to_owned()),
    )
}

pub(crate) fn engine_over(store: Arc<dyn ObjectStore>, seed: u8) -> RusticEngine {
    let prefix = ObjectPath::from(PREFIX);
    RusticEngine::new(store, &prefix, key(seed), handle()).with_limits(StoreLimits {
        attempts: 3,
        timeout: Duration::from_secs(20),
        backoff: Duration::from_millis(1),
    })
}

/// A place with a store, an initialised repository, a source and a target.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self {
            directory: TempDir::new().unwrap(),
        };
        for name in ["store", "source", "target"] {
            fs::create_dir(place.directory.path().join(name)).unwrap();
        }
        place.engine().initialise().unwrap();
        place
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(LocalFileSystem::new_with_prefix(self.directory.path().join("store")).unwrap())
    }

    pub(crate) fn engine(&self) -> RusticEngine {
        engine_over(self.store(), 0)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path("store").join(PREFIX).join("repository")
    }

    pub(crate) fn save(&self) -> Saved {
        self.engine()
            .save_tree(&request("data"), &self.path("source"), &Control::default())
            .unwrap()
    }

    /// All objects of one folder of the repository.
    pub(crate) fn objects(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.repository().join(folder)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }
}

pub(crate) fn request(part: &str) -> SaveRequest {
    request_at(part, "2030-01-01T00:00:00Z".parse().unwrap())
}

pub(crate) fn request_at(part: &str, time: Timestamp) -> SaveRequest {
    SaveRequest {
        labels: Labels {
            site: "primary".to_owned(),
            protection: "shop".to_owned(),
            run: "run-1".to_owned(),
            part: part.to_owned(),
        },
        time,
    }
}

pub(crate) fn reference(saved: &Saved) -> PartReference {
    PartReference {
        part: "data".to_owned(),
        snapshot_id: saved.snapshot_id.clone(),
        tree_id: saved.tree_id.clone(),
        amount: Some(saved.amount),
    }
}

/// Bytes that do not compress and are the same in each run.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A tree with everything that a volume may hold.
pub(crate) fn fill_source(root: &Path) {
    fs::create_dir_all(root.join("base/empty")).unwrap();
    fs::create_dir(root.join("lost+found")).unwrap();
    fs::write(root.join("lost+found/orphan"), "not ours").unwrap();
    fs::write(root.join("base/large"), noise(9 << 20, 1)).unwrap();
    fs::write(root.join("base/zeros"), vec![0; 3 << 20]).unwrap();
    fs::write(root.join("base/none"), "").unwrap();
    fs::write(
        root.join("base.conf"),
        "a name that sorts beside its directory",
    )
    .unwrap();
    fs::write(root.join("odd \"name\"\n\\ é"), "odd").unwrap();
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"not \xff utf8");
        fs::write(root.join(name), "bytes").unwrap();
    }
    for number in 0..300 {
        fs::write(
            root.join(format!("base/small-{number}")),
            format!("{number}"),
        )
        .unwrap();
    }
    fs::hard_link(root.join("base.conf"), root.join("hard")).unwrap();
    symlink("base/large", root.join("link")).unwrap();
    symlink("/nowhere/at/all", root.join("dangling")).unwrap();
    let set_id = fs::Permissions::from_mode(0o4751);
    fs::set_permissions(root.join("base/none"), set_id).unwrap();
    fs::set_permissions(root.join("base/empty"), fs::Permissions::from_mode(0o1770)).unwrap();
    std::os::unix::fs::chown(root.join("base"), Some(999), Some(998)).unwrap();
    std::os::unix::fs::chown(root.join("base/large"), Some(999), Some(998)).unwrap();
    std::os::unix::fs::lchown(root.join("link"), Some(5), Some(6)).unwrap();
    fs::set_permissions(root, fs::Permissions::from_mode(0o2775)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
}

/// What a path is: kind, mode, owner, times, size and content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    content: Vec<u8>,
}

/// Everything below a directory, as the round trip must keep it.
pub(crate) fn look(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        if kind.is_socket() || kind.is_fifo() || relative.starts_with("lost+found") {
            continue;
        }
        let content = if kind.is_dir() {
            paths.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            Vec::new()
        } else if kind.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        let entry = Seen {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            content,
        };
        seen.insert(relative, entry);
    }
    seen
}

/// Fails with the paths that differ, not with their content.
pub(crate) fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (look(left), look(right));
    let paths: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let different: Vec<_> = paths
        .into_iter()
        .filter(|path| left.get(*path) != right.get(*path))
        .map(|path| {
            let short = |seen: Option<&Seen>| {
                seen.map(|seen| (seen.mode, seen.owner, seen.modified, seen.content.len()))
            };
            (path, short(left.get(path)), short(right.get(path)))
        })
        .collect();
    assert!(different.is_empty(), "these differ: {different:#?}");
}
