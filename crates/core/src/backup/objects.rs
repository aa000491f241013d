//! How objects lie in the repository: one file each as read, and what always changes in a second file beside it, so that
//! an unchanged object costs nothing and nothing that a recovery may need is lost. A format: read for ever.
//!
//! `v1/resources.json` names the kinds; `v1/<group or core>/<Kind>/<namespace or _cluster>/<name>.json` is the object
//! without its volatile fields, `<name>.volatile.json` holds these. Characters that a path may not carry are written
//! `%XX`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::inventory::{Inventory, Resource, Thing};

/// Format of the layout.
const VERSION: &str = "v1";
/// Fields of `metadata` that change without anybody's doing.
const VOLATILE_METADATA: &[&str] = &[
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Suffix of the file with the volatile fields.
const VOLATILE: &str = ".volatile.json";
const PLAIN: &str = ".json";

/// One file of the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFile {
    /// Relative path.
    pub path: String,
    /// JSON with sorted keys.
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
        /// What is wrong.
        why: String,
    },
    /// There is no list of kinds.
    #[error("the stored objects have no list of kinds")]
    NoKinds,
}

#[derive(Serialize, Deserialize)]
struct Kinds {
    kubernetes_version: String,
    resources: Vec<Resource>,
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

fn stem(thing: &Thing) -> String {
    let group = match thing.resource.group.as_str() {
        "" => "core",
        group => group,
    };
    format!(
        "{VERSION}/{}/{}/{}/{}",
        escape(group),
        escape(&thing.resource.kind),
        escape(thing.namespace().unwrap_or("_cluster")),
        escape(thing.name())
    )
}

/// Splits an object into what stays and what always changes.
fn split(thing: &Thing) -> (Value, Value) {
    let mut stable = thing.as_read();
    let mut volatile = Map::new();
    if let Some(object) = stable.as_object_mut()
        && let Some(status) = object.remove("status")
    {
        volatile.insert("status".to_owned(), status);
    }
    let mut metadata = Map::new();
    if let Some(live) = stable
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        for key in VOLATILE_METADATA {
            if let Some(value) = live.remove(*key) {
                metadata.insert((*key).to_owned(), value);
            }
        }
    }
    volatile.insert("metadata".to_owned(), Value::Object(metadata));
    (stable, Value::Object(volatile))
}

fn join(stable: &mut Value, volatile: Value) {
    let Value::Object(mut volatile) = volatile else {
        return;
    };
    if let (Some(Value::Object(more)), Some(metadata)) = (
        volatile.remove("metadata"),
        stable
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut),
    ) {
        metadata.extend(more);
    }
    if let (Some(status), Some(object)) = (volatile.remove("status"), stable.as_object_mut()) {
        object.insert("status".to_owned(), status);
    }
}

/// Lays the things of an inventory out as files, ordered by path.
pub fn pack<'a>(
    things: impl IntoIterator<Item = &'a Thing>,
    kubernetes_version: &str,
) -> Vec<ObjectFile> {
    let mut files = BTreeMap::new();
    let mut resources = Vec::new();
    for thing in things {
        if !resources.contains(&thing.resource) {
            resources.push(thing.resource.clone());
        }
        let (stable, volatile) = split(thing);
        let stem = stem(thing);
        files.insert(format!("{stem}{PLAIN}"), stable.to_string().into_bytes());
        files.insert(
            format!("{stem}{VOLATILE}"),
            volatile.to_string().into_bytes(),
        );
    }
    resources.sort();
    let kinds = Kinds {
        kubernetes_version: kubernetes_version.to_owned(),
        resources,
    };
    let kinds = serde_json::to_vec(&kinds).expect("kinds are plain data");
    files.insert(format!("{VERSION}/resources.json"), kinds);
    files
        .into_iter()
        .map(|(path, bytes)| ObjectFile { path, bytes })
        .collect()
}

/// Reads the layout back. Every object must be where its own name says.
pub fn unpack(files: &[ObjectFile]) -> Result<Inventory, ObjectsError> {
    let by_path: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    if let Some(path) = by_path.keys().find(|path| !path.starts_with("v1/")) {
        let version = path.split('/').next().unwrap_or_default();
        return Err(ObjectsError::Newer(version.to_owned()));
    }
    let kinds_path = format!("{VERSION}/resources.json");
    let kinds = by_path
        .get(kinds_path.as_str())
        .ok_or(ObjectsError::NoKinds)?;
    let kinds: Kinds = parse(&kinds_path, kinds)?;
    let mut inventory = Inventory::default();
    inventory.kubernetes_version = kinds.kubernetes_version;
    for (path, bytes) in &by_path {
        if *path == kinds_path || path.ends_with(VOLATILE) {
            continue;
        }
        let stem = path.strip_suffix(PLAIN).unwrap_or(path);
        let mut object: Value = parse(path, bytes)?;
        if let Some(volatile) = by_path.get(format!("{stem}{VOLATILE}").as_str()) {
            join(&mut object, parse(path, volatile)?);
        }
        inventory.insert(thing(path, object, &kinds.resources)?);
    }
    inventory.served = kinds.resources;
    Ok(inventory)
}

fn parse<T: serde::de::DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ObjectsError> {
    serde_json::from_slice(bytes).map_err(|error| ObjectsError::Unusable {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn thing(path: &str, object: Value, resources: &[Resource]) -> Result<Thing, ObjectsError> {
    let unusable = |why: &str| ObjectsError::Unusable {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let resource = resources
        .iter()
        .find(|one| one.kind == kind && one.api_version() == api_version)
        .ok_or_else(|| unusable("its kind is not in the list of kinds"))?
        .clone();
    let thing = Thing::new(resource, object).ok_or_else(|| unusable("it has no name"))?;
    if format!("{}{PLAIN}", stem(&thing)) != path {
        return Err(unusable("it names another object than its path"));
    }
    Ok(thing)
}
