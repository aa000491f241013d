//! How objects lie in the repository. A format: what was ever written is read for ever.
//!
//! `v2`, which is written: `v2/resources.json` names the kinds; the objects of one group, kind and namespace lie together in
//! `v2/things/<group or core>/<Kind>/<namespace or _cluster>/<number>.jsonl`, one a line, names rising within a file and from file to
//! file. What always changes is in `<number>.volatile.jsonl` beside it, line for line, so that an unchanged set of objects costs nothing at the
//! next backup and nothing that a recovery may need is lost. Characters that a path may not carry are written `%XX`.
//!
//! A file ends after a name whose SHA-256 begins with a zero byte, so after 256 objects on average, or when it has grown large.
//! So one file is never much, and an object that comes, goes or grows changes its own file and no other: what comes after keeps its
//! content, and the repository keeps content once, whatever its number is. Names decide, because a count would move every later
//! border; ranges of names and not buckets of hashes, because neighbours look alike and pack well. A reader asks neither where files end nor in
//! which order names are; it asks that the two files of a number name the same objects line for line, that each lies in the folder that
//! its own name says, and that none is there twice.
//!
//! `v1`, which is only read: one file for each object, and one for what changes. It cost two files an object, and most of a backup.
//!
//! Must not know the repository. The engine's hands call [`pack`] and [`Unpack`].

mod halves;
mod pack;
mod singly;
#[cfg(test)]
mod tests;
mod unpack;

use serde::{Deserialize, Serialize};

use crate::inventory::Resource;

pub use pack::{Pack, pack};
pub use unpack::{Unpack, unpack};

/// Layout that is written.
const VERSION: &str = "v2";
/// Layout of earlier points.
const VERSION_SINGLY: &str = "v1";
/// The list of kinds, in every layout.
const KINDS: &str = "resources.json";

/// One file of the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFile {
    /// Relative path.
    pub path: String,
    /// JSON with sorted keys, or lines of it.
    pub bytes: Vec<u8>,
}

/// The stored objects cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// Written by a newer Refloat.
    #[error("the objects are in layout `{0}`, which this refloat does not know: use a newer one")]
    Newer(String),
    /// A file is not what it should be.
    #[error("the stored object file `{path}` is unusable: {why}")]
    Unusable {
        /// Which file.
        path: String,
        /// What is wrong, and in which line.
        why: String,
    },
    /// There is no list of kinds.
    #[error("the stored objects have no list of kinds")]
    NoKinds,
}

impl ObjectsError {
    fn unusable(path: &str, why: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Kinds {
    kubernetes_version: String,
    resources: Vec<Resource>,
}

fn parse<T: serde::de::DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ObjectsError> {
    serde_json::from_slice(bytes).map_err(|error| ObjectsError::unusable(path, error.to_string()))
}

fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    // No component may be `.` or `..`, whatever an API server lets through.
    if escaped.chars().all(|c| c == '.') {
        return escaped.replace('.', "%2E");
    }
    escaped
}
