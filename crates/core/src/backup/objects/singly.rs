//! Reading layout `v1`: `v1/<group or core>/<Kind>/<namespace or _cluster>/<name>.json` is the object without its volatile fields,
//! `<name>.volatile.json` holds these. Written before the first release; read for ever. `Unpack` calls it.

use std::collections::BTreeMap;

use super::halves::{join, says_its_kind, thing};
use super::{KINDS, Kinds, ObjectFile, ObjectsError, VERSION_SINGLY, escape, parse};
use crate::inventory::{Inventory, Thing};
use crate::json::Json;

/// Suffix of the file with the volatile fields.
const VOLATILE: &str = ".volatile.json";
const PLAIN: &str = ".json";

/// All files of the layout: the list of kinds is not the first of them, so they wait for one another.
#[derive(Debug, Default)]
pub(super) struct Singly {
    files: BTreeMap<String, Vec<u8>>,
}

impl Singly {
    pub(super) fn take(&mut self, file: ObjectFile) {
        self.files.insert(file.path, file.bytes);
    }

    /// Reads one file after the other and keeps none that was read.
    pub(super) fn finish(mut self) -> Result<Inventory, ObjectsError> {
        let kinds_path = format!("{VERSION_SINGLY}/{KINDS}");
        let kinds = self
            .files
            .remove(&kinds_path)
            .ok_or(ObjectsError::NoKinds)?;
        let kinds: Kinds = parse(&kinds_path, &kinds)?;
        let mut inventory = Inventory::default();
        inventory.kubernetes_version = kinds.kubernetes_version;
        while let Some((path, bytes)) = self.files.pop_first() {
            let mut object: Json = parse(&path, &bytes)?;
            // An object may be called `x.volatile`, and its file then looks like another one's.
            if path.ends_with(VOLATILE) && !says_its_kind(&object) {
                continue;
            }
            let stem = path.strip_suffix(PLAIN).unwrap_or(&path);
            if let Some(volatile) = self.volatile(stem)? {
                object = join(object, volatile);
            }
            let thing = thing(object, &kinds.resources)
                .map_err(|why| ObjectsError::unusable(&path, why))?;
            if format!("{}{PLAIN}", self::stem(&thing)) != path {
                let why = "it names another object than its path";
                return Err(ObjectsError::unusable(&path, why));
            }
            inventory.insert(thing);
        }
        inventory.served = kinds.resources;
        Ok(inventory)
    }

    fn volatile(&mut self, stem: &str) -> Result<Option<Json>, ObjectsError> {
        let path = format!("{stem}{VOLATILE}");
        let Some(bytes) = self.files.remove(&path) else {
            return Ok(None);
        };
        let volatile: Json = parse(&path, &bytes)?;
        if says_its_kind(&volatile) {
            self.files.insert(path, bytes);
            return Ok(None);
        }
        Ok(Some(volatile))
    }
}

fn stem(thing: &Thing) -> String {
    let group = match thing.resource.group.as_str() {
        "" => "core",
        group => group,
    };
    format!(
        "{VERSION_SINGLY}/{}/{}/{}/{}",
        escape(group),
        escape(&thing.resource.kind),
        escape(thing.namespace().unwrap_or("_cluster")),
        escape(thing.name())
    )
}
