//! Walking a stored tree that may have been written by an enemy.
//!
//! Must not write anything. Restoring, reading objects and verifying visit with it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustic_core::TreeId;
use rustic_core::repofile::{Node, NodeType, Tree};

use super::blobs::Blobs;
use crate::error::PartError;

const NAME_BYTES_MAX: usize = 255;
const LINK_BYTES_MAX: usize = 4095;
/// As deep as a source may be when it is saved.
const DEPTH_MAX: usize = 513;

/// Takes what the walk finds; directories before what they hold, and once more after it.
pub(super) trait Visit {
    fn enter(&mut self, path: &Path, name: &OsStr, node: &Node) -> Result<(), PartError>;
    fn file(&mut self, path: &Path, name: &OsStr, node: &Node) -> Result<(), PartError>;
    fn link(
        &mut self,
        path: &Path,
        name: &OsStr,
        target: &OsStr,
        node: &Node,
    ) -> Result<(), PartError>;
    fn special(&mut self, path: &Path) -> Result<(), PartError>;
    fn leave(&mut self, path: &Path) -> Result<(), PartError>;
}

/// Walks everything below the one directory `root_name` of a snapshot's tree.
///
/// The root itself is entered with an empty path.
pub(super) fn walk(
    blobs: &Blobs,
    tree: TreeId,
    root_name: &str,
    visit: &mut impl Visit,
) -> Result<(), PartError> {
    let nodes = read_tree(blobs, tree, Path::new(""))?;
    match nodes.as_slice() {
        [node] if node.is_dir() && *node.name() == *OsStr::new(root_name) => {
            let walk = Walk { blobs };
            walk.directory(Path::new(""), OsStr::new(""), node, 0, visit)
        }
        [] if root_name == super::objects::OBJECTS_ROOT => Ok(()),
        _ => Err(hostile(
            blobs,
            Path::new(""),
            "it is not the kind of part that was asked for",
        )),
    }
}

fn hostile(blobs: &Blobs, path: &Path, reason: &'static str) -> PartError {
    PartError::HostileTree {
        part: blobs.part.clone(),
        path: path.to_owned(),
        reason,
    }
}

pub(super) fn read_tree(blobs: &Blobs, id: TreeId, path: &Path) -> Result<Vec<Node>, PartError> {
    let place = blobs.locate(&id, path)?;
    let content = blobs.read_one(&place)?;
    let tree: Tree = serde_json::from_slice(&content)
        .map_err(|_| hostile(blobs, path, "its tree is not readable"))?;
    Ok(tree.nodes)
}

/// Why a name cannot be that of a file in a directory.
pub(super) fn name_problem(name: &OsStr) -> Option<&'static str> {
    let bytes = name.as_bytes();
    match bytes {
        b"" => Some("a name is empty"),
        b"." | b".." => Some("a name is . or .."),
        _ if bytes.contains(&b'/') => Some("a name holds a slash"),
        _ if bytes.contains(&0) => Some("a name holds a NUL"),
        _ if bytes.len() > NAME_BYTES_MAX => Some("a name is too long"),
        _ => None,
    }
}

struct Walk<'a> {
    blobs: &'a Blobs,
}

impl Walk<'_> {
    fn directory(
        &self,
        path: &Path,
        name: &OsStr,
        node: &Node,
        depth: usize,
        visit: &mut impl Visit,
    ) -> Result<(), PartError> {
        self.blobs.watch().check()?;
        if depth > DEPTH_MAX {
            return Err(hostile(self.blobs, path, "directories are nested too deep"));
        }
        let Some(subtree) = node.subtree else {
            return Err(hostile(self.blobs, path, "a directory has no tree"));
        };
        visit.enter(path, name, node)?;
        let mut names: HashSet<OsString> = HashSet::new();
        for node in read_tree(self.blobs, subtree, path)? {
            let name = node.name().into_owned();
            let below = path.join(name.as_os_str());
            if let Some(reason) = name_problem(&name) {
                return Err(hostile(self.blobs, path, reason));
            }
            if !names.insert(name.clone()) {
                return Err(hostile(self.blobs, &below, "a name is there twice"));
            }
            self.one(&below, &name, &node, depth, visit)?;
        }
        visit.leave(path)
    }

    fn one(
        &self,
        path: &Path,
        name: &OsStr,
        node: &Node,
        depth: usize,
        visit: &mut impl Visit,
    ) -> Result<(), PartError> {
        match &node.node_type {
            NodeType::Dir => self.directory(path, name, node, depth + 1, visit),
            NodeType::File => visit.file(path, name, node),
            NodeType::Symlink { .. } => {
                let target = node.node_type.to_link().as_os_str();
                let bytes = target.as_bytes();
                if bytes.is_empty() || bytes.len() > LINK_BYTES_MAX || bytes.contains(&0) {
                    return Err(hostile(self.blobs, path, "a link has no usable target"));
                }
                visit.link(path, name, target, node)
            }
            NodeType::Dev { .. } | NodeType::Chardev { .. } | NodeType::Fifo | NodeType::Socket => {
                visit.special(path)
            }
        }
    }
}
