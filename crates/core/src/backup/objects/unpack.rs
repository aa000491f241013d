//! Reading stored objects back, a file at a time; of layout `v2` here, of `v1` in `singly`.
//!
//! Must not keep a file that was read. The engine's hands call it.

use super::halves::{join, name_of, thing};
use super::pack::{LINES, THINGS, VOLATILE_LINES, folder_of};
use super::singly::Singly;
use super::{KINDS, Kinds, ObjectFile, ObjectsError, VERSION, VERSION_SINGLY, parse};
use crate::inventory::{Inventory, Resource};
use crate::json::Json;

/// Reads a layout back. Every object must be where its own name says.
pub fn unpack(files: impl IntoIterator<Item = ObjectFile>) -> Result<Inventory, ObjectsError> {
    let mut reading = Unpack::default();
    for file in files {
        reading.take(file)?;
    }
    reading.finish()
}

/// Takes the files of a layout one by one, ordered by path.
#[derive(Debug, Default)]
pub struct Unpack {
    layout: Option<Layout>,
}

#[derive(Debug)]
enum Layout {
    Singly(Singly),
    Packed(Packed),
}

impl Unpack {
    /// Reads one more file.
    pub fn take(&mut self, file: ObjectFile) -> Result<(), ObjectsError> {
        let version = file.path.split('/').next().unwrap_or_default();
        let layout = match version {
            VERSION => self
                .layout
                .get_or_insert_with(|| Layout::Packed(Packed::default())),
            VERSION_SINGLY => self
                .layout
                .get_or_insert_with(|| Layout::Singly(Singly::default())),
            other => return Err(ObjectsError::Newer(other.to_owned())),
        };
        match (layout, version) {
            (Layout::Packed(packed), VERSION) => packed.take(file),
            (Layout::Singly(singly), VERSION_SINGLY) => {
                singly.take(file);
                Ok(())
            }
            (Layout::Packed(_) | Layout::Singly(_), _) => {
                let why = "it is of another layout than the files before it";
                Err(ObjectsError::unusable(&file.path, why))
            }
        }
    }

    /// What was read, once every file was taken.
    pub fn finish(self) -> Result<Inventory, ObjectsError> {
        match self.layout {
            None => Err(ObjectsError::NoKinds),
            Some(Layout::Singly(singly)) => singly.finish(),
            Some(Layout::Packed(packed)) => packed.finish(),
        }
    }
}

/// Layout `v2`, as far as it was read.
#[derive(Debug, Default)]
struct Packed {
    inventory: Inventory,
    resources: Option<Vec<Resource>>,
    /// What stays, until the file with what always changes comes.
    stable: Option<ObjectFile>,
}

impl Packed {
    fn take(&mut self, file: ObjectFile) -> Result<(), ObjectsError> {
        let stem = file.path.strip_suffix(VOLATILE_LINES);
        match (self.stable.take(), stem) {
            (Some(stable), Some(stem)) if stable.path.strip_suffix(LINES) == Some(stem) => {
                return self.piece(&stable, &file);
            }
            (Some(stable), _) => return Err(alone(&stable)),
            (None, Some(_)) => {
                let why = "the file of what it belongs to is missing";
                return Err(ObjectsError::unusable(&file.path, why));
            }
            (None, None) => {}
        }
        if file.path == format!("{VERSION}/{KINDS}") && self.resources.is_none() {
            let kinds: Kinds = parse(&file.path, &file.bytes)?;
            self.inventory.kubernetes_version = kinds.kubernetes_version;
            self.resources = Some(kinds.resources);
            return Ok(());
        }
        if !file.path.ends_with(LINES) {
            let why = "it is no file of this layout, or there twice";
            return Err(ObjectsError::unusable(&file.path, why));
        }
        self.stable = Some(file);
        Ok(())
    }

    fn finish(mut self) -> Result<Inventory, ObjectsError> {
        if let Some(stable) = &self.stable {
            return Err(alone(stable));
        }
        self.inventory.served = self.resources.ok_or(ObjectsError::NoKinds)?;
        Ok(self.inventory)
    }

    fn piece(&mut self, stable: &ObjectFile, volatile: &ObjectFile) -> Result<(), ObjectsError> {
        let mut others = lines(volatile);
        for one in lines(stable) {
            let object = one.parse()?;
            let other = others
                .next()
                .ok_or_else(|| ObjectsError::unusable(&volatile.path, one.missing()))?;
            let changing = other.parse()?;
            let name = name_of(&object).unwrap_or_default();
            match name_of(&changing) {
                Some(same) if same == name => {}
                found => {
                    let found = found.unwrap_or_default();
                    return Err(other.unusable(&format!("it is of `{found}`, not of `{name}`")));
                }
            }
            self.object(&one, object, changing)?;
        }
        match others.next() {
            Some(more) => Err(more.unusable("the object that it belongs to is missing")),
            None => Ok(()),
        }
    }

    fn object(
        &mut self,
        line: &Line<'_>,
        object: Json,
        changing: Json,
    ) -> Result<(), ObjectsError> {
        let resources = self.resources.as_ref().ok_or(ObjectsError::NoKinds)?;
        let thing = thing(join(object, changing), resources).map_err(|why| line.unusable(why))?;
        let folder = format!("{VERSION}/{THINGS}/{}", folder_of(&thing).join("/"));
        let id = thing.id();
        if line.path.rsplit_once('/').map(|(before, _)| before) != Some(folder.as_str()) {
            return Err(line.unusable(&format!("`{id}` does not belong into this folder")));
        }
        if self.inventory.get(&id).is_some() {
            return Err(line.unusable(&format!("`{id}` is there twice")));
        }
        self.inventory.insert(thing);
        Ok(())
    }
}

fn alone(stable: &ObjectFile) -> ObjectsError {
    let why = "the file with what always changes is missing beside it";
    ObjectsError::unusable(&stable.path, why)
}

/// A line of a file, and which.
struct Line<'a> {
    path: &'a str,
    number: usize,
    text: &'a [u8],
}

fn lines(file: &ObjectFile) -> impl Iterator<Item = Line<'_>> {
    let text = file.bytes.strip_suffix(b"\n").unwrap_or(&file.bytes);
    text.split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, text)| Line {
            path: &file.path,
            number: index + 1,
            text,
        })
}

impl Line<'_> {
    fn parse(&self) -> Result<Json, ObjectsError> {
        serde_json::from_slice(self.text).map_err(|error| {
            // The parser counts lines, too, and sees but one.
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            self.unusable(&format!("{text}, at byte {}", error.column()))
        })
    }

    fn unusable(&self, why: &str) -> ObjectsError {
        ObjectsError::unusable(self.path, format!("line {}: {why}", self.number))
    }

    fn missing(&self) -> String {
        format!("line {} is missing", self.number)
    }
}
