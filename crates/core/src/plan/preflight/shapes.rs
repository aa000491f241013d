//! Which objects are alike in the fields that they have, whatever is in these.

use std::collections::{BTreeMap, BTreeSet};

use ecow::EcoString;

use crate::inventory::Resource;
use crate::json::Json;

/// Fields whose keys people choose: which of them there are is no matter of shape.
const FREE: &[&str] = &[
    "/data",
    "/stringData",
    "/binaryData",
    "/metadata/labels",
    "/metadata/annotations",
];

/// The shapes that were seen. Tens of thousands of objects have a few hundred paths between them: each is written out once.
#[derive(Default)]
pub(super) struct Shapes {
    /// Those of each kind: the paths of all fields, by number.
    seen: BTreeMap<Resource, BTreeSet<Vec<usize>>>,
    /// Each path's number.
    numbers: BTreeMap<String, usize>,
    /// By number.
    paths: Vec<Path>,
}

struct Path {
    text: String,
    free: bool,
    /// Numbers of the paths one key further.
    further: BTreeMap<EcoString, usize>,
}

impl Shapes {
    /// True for the first object of its shape.
    pub(super) fn is_new(&mut self, resource: &Resource, object: &Json) -> bool {
        let root = self.number(String::new());
        let mut shape = Vec::new();
        self.walk(object, root, &mut shape);
        shape.sort_unstable();
        shape.dedup();
        if let Some(seen) = self.seen.get_mut(resource) {
            return seen.insert(shape);
        }
        let first = BTreeSet::from([shape]);
        self.seen.insert(resource.clone(), first);
        true
    }

    fn walk(&mut self, value: &Json, at: usize, shape: &mut Vec<usize>) {
        match value {
            Json::Object(map) if !self.paths[at].free => {
                for (key, inner) in map {
                    let further = self.further(at, key);
                    self.walk(inner, further, shape);
                }
            }
            Json::Array(list) => list.iter().for_each(|inner| self.walk(inner, at, shape)),
            Json::Object(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                shape.push(at);
            }
        }
    }

    fn further(&mut self, at: usize, key: &str) -> usize {
        if let Some(number) = self.paths[at].further.get(key) {
            return *number;
        }
        let number = self.number(format!("{}/{key}", self.paths[at].text));
        self.paths[at].further.insert(key.into(), number);
        number
    }

    fn number(&mut self, text: String) -> usize {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = self.paths.len();
        self.numbers.insert(text.clone(), number);
        self.paths.push(Path {
            free: FREE.contains(&text.as_str()),
            text,
            further: BTreeMap::new(),
        });
        number
    }
}
