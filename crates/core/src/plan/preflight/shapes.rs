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
    /// Those of each kind, as the paths of all fields by number, with the namespaces in which there is one of them.
    seen: BTreeMap<Resource, BTreeMap<Vec<usize>, BTreeSet<EcoString>>>,
    /// Each path's number.
    numbers: BTreeMap<String, usize>,
    /// By number.
    paths: Vec<Path>,
    /// Numbers of what elements of lists have.
    elements: BTreeMap<Vec<usize>, usize>,
}

struct Path {
    text: String,
    free: bool,
    /// Numbers of the paths one key further.
    further: BTreeMap<EcoString, usize>,
}

/// How an object is like those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The first one of its shape.
    New,
    /// The first one of its shape in its namespace.
    NewThere,
    /// There is one of its shape in its namespace.
    Known,
}

impl Shapes {
    pub(super) fn likeness(&mut self, resource: &Resource, object: &Json) -> Likeness {
        let root = self.number(String::new());
        let mut shape = Vec::new();
        self.walk(object, root, &mut shape);
        shape.sort_unstable();
        shape.dedup();
        let namespace = object.pointer("/metadata/namespace").and_then(Json::as_str);
        let namespace = namespace.unwrap_or_default();
        let near = if let Some(of_kind) = self.seen.get_mut(resource) {
            of_kind.entry(shape).or_default()
        } else {
            let of_kind = self.seen.entry(resource.clone()).or_default();
            of_kind.entry(shape).or_default()
        };
        if near.contains(namespace) {
            return Likeness::Known;
        }
        let is_first = near.is_empty();
        near.insert(namespace.into());
        if is_first {
            Likeness::New
        } else {
            Likeness::NewThere
        }
    }

    fn walk(&mut self, value: &Json, at: usize, shape: &mut Vec<usize>) {
        match value {
            Json::Object(map) if !self.paths[at].free => {
                for (key, inner) in map {
                    let further = self.further(at, key);
                    self.walk(inner, further, shape);
                }
            }
            Json::Array(list) => {
                for inner in list.iter() {
                    let mut fields = Vec::new();
                    self.walk(inner, at, &mut fields);
                    shape.extend(self.element(at, fields));
                }
            }
            Json::Object(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                shape.push(at);
            }
        }
    }

    /// What one element has stays together: a field that one container lacks is often why a pod is refused.
    fn element(&mut self, at: usize, mut fields: Vec<usize>) -> Option<usize> {
        fields.sort_unstable();
        fields.dedup();
        if fields.len() < 2 {
            return fields.pop();
        }
        if let Some(number) = self.elements.get(&fields) {
            return Some(*number);
        }
        let text = format!("{}\0{}", self.paths[at].text, self.elements.len());
        let number = self.number(text);
        self.elements.insert(fields, number);
        Some(number)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_field_that_one_of_two_containers_lacks_makes_another_shape() {
        let pods = Resource::namespaced("v1", "Pod", "pods");
        let mut shapes = Shapes::default();
        let mut is_new = |containers: &Value| {
            let pod = json!({ "spec": { "containers": containers } });
            shapes.likeness(&pods, &pod.into()) == Likeness::New
        };
        let whole = json!({ "name": "a", "resources": { "limits": { "cpu": "1" } } });
        let bare = json!({ "name": "b" });
        assert!(is_new(&json!([whole, whole])));
        assert!(is_new(&json!([whole, bare])), "one has no limits");
        assert!(!is_new(&json!([bare, whole])));
        assert!(!is_new(&json!([whole])));
    }
}
