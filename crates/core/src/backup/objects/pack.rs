//! Laying things out as files of layout `v2`, a file at a time.
//!
//! Must not hold more than one piece beside the things that are still to come. The engine's hands call it.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::halves::split;
use super::{KINDS, Kinds, ObjectFile, VERSION, escape};
use crate::inventory::Thing;

/// Below which folder of the layout things lie; sorts after the list of kinds, which a reader needs first.
pub(super) const THINGS: &str = "things";
/// Suffix of the file with what stays, one object a line.
pub(super) const LINES: &str = ".jsonl";
/// Suffix of the file with what always changes, line for line.
pub(super) const VOLATILE_LINES: &str = ".volatile.jsonl";
/// As large as a file grows before it ends whatever the names are.
const STABLE_BYTES: usize = 1 << 20;
/// The same for what always changes: a status may be large. It is larger so that it hardly ever decides where files end.
const VOLATILE_BYTES: usize = 4 << 20;

/// Group, kind and namespace as a path has them.
pub(super) type Folder = [String; 3];

/// Where a thing lies.
pub(super) fn folder_of(thing: &Thing) -> Folder {
    let group = match thing.resource.group.as_str() {
        "" => "core".to_owned(),
        // A group may be called like this, too.
        "core" => "%63ore".to_owned(),
        group => escape(group),
    };
    [
        group,
        escape(&thing.resource.kind),
        escape(thing.namespace().unwrap_or("_cluster")),
    ]
}

/// Lays things out as files, ordered by path. Of two things with one identity the later stays.
pub fn pack(things: impl IntoIterator<Item = Thing>, kubernetes_version: &str) -> Pack {
    let mut folders: BTreeMap<Folder, BTreeMap<String, Thing>> = BTreeMap::new();
    let mut resources = BTreeSet::new();
    for thing in things {
        if !resources.contains(&thing.resource) {
            resources.insert(thing.resource.clone());
        }
        folders
            .entry(folder_of(&thing))
            .or_default()
            .insert(thing.name().to_owned(), thing);
    }
    let kinds = Kinds {
        kubernetes_version: kubernetes_version.to_owned(),
        resources: resources.into_iter().collect(),
    };
    let kinds = ObjectFile {
        path: format!("{VERSION}/{KINDS}"),
        bytes: serde_json::to_vec(&kinds).expect("kinds are plain data"),
    };
    Pack {
        ready: Some(kinds),
        folders: folders.into_iter(),
        path: String::new(),
        things: BTreeMap::new().into_iter(),
        pieces: 0,
    }
}

/// The files of a layout; each is made when it is asked for, and what is in it is then no longer kept.
#[derive(Debug)]
pub struct Pack {
    ready: Option<ObjectFile>,
    folders: btree_map::IntoIter<Folder, BTreeMap<String, Thing>>,
    path: String,
    things: btree_map::IntoIter<String, Thing>,
    pieces: usize,
}

impl Iterator for Pack {
    type Item = ObjectFile;

    fn next(&mut self) -> Option<ObjectFile> {
        if let Some(ready) = self.ready.take() {
            return Some(ready);
        }
        loop {
            if let Some(piece) = self.piece() {
                return Some(piece);
            }
            let (folder, things) = self.folders.next()?;
            self.path = format!("{VERSION}/{THINGS}/{}", folder.join("/"));
            self.things = things.into_iter();
            self.pieces = 0;
        }
    }
}

impl Pack {
    /// The next things of the folder; what always changes is then ready, too.
    fn piece(&mut self) -> Option<ObjectFile> {
        let (mut stable, mut volatile) = (Vec::new(), Vec::new());
        for (name, thing) in &mut self.things {
            let (one, other) = split(&thing);
            add_line(&mut stable, &one);
            add_line(&mut volatile, &other);
            let large = stable.len() >= STABLE_BYTES || volatile.len() >= VOLATILE_BYTES;
            if large || ends_a_piece(&name) {
                break;
            }
        }
        if stable.is_empty() {
            return None;
        }
        self.pieces += 1;
        let stem = format!("{}/{:06}", self.path, self.pieces);
        self.ready = Some(ObjectFile {
            path: format!("{stem}{VOLATILE_LINES}"),
            bytes: volatile,
        });
        Some(ObjectFile {
            path: format!("{stem}{LINES}"),
            bytes: stable,
        })
    }
}

fn add_line(lines: &mut Vec<u8>, half: &Value) {
    serde_json::to_writer(&mut *lines, half).expect("writing JSON to memory does not fail");
    lines.push(b'\n');
}

/// One name in 256, and the same one at every backup.
fn ends_a_piece(name: &str) -> bool {
    Sha256::digest(name)[0] == 0
}
