//! What a step waits for: a set of edges in a sorted list. Most steps of a big plan have one or two, and a tree has room for eleven.

use serde::{Deserialize, Deserializer, Serialize};

use super::Edge;

/// Edges of one step, ordered, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Needs(Vec<Edge>);

impl Needs {
    /// Adds an edge; false when it is there.
    pub fn insert(&mut self, edge: Edge) -> bool {
        match self.0.binary_search(&edge) {
            Ok(_) => false,
            Err(place) => {
                self.0.insert(place, edge);
                true
            }
        }
    }

    /// Takes an edge away; false when it is not there.
    pub fn remove(&mut self, edge: &Edge) -> bool {
        match self.0.binary_search(edge) {
            Ok(place) => {
                self.0.remove(place);
                true
            }
            Err(_) => false,
        }
    }

    /// True when this very edge is there.
    pub fn contains(&self, edge: &Edge) -> bool {
        self.0.binary_search(edge).is_ok()
    }

    /// Keeps some.
    pub fn retain(&mut self, keep: impl FnMut(&Edge) -> bool) {
        self.0.retain(keep);
    }

    /// All, ordered.
    pub fn iter(&self) -> std::slice::Iter<'_, Edge> {
        self.0.iter()
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when it waits for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Edge> for Needs {
    fn from_iter<I: IntoIterator<Item = Edge>>(edges: I) -> Self {
        let mut all: Vec<Edge> = edges.into_iter().collect();
        all.sort();
        all.dedup();
        all.shrink_to_fit();
        Self(all)
    }
}

impl Extend<Edge> for Needs {
    fn extend<I: IntoIterator<Item = Edge>>(&mut self, edges: I) {
        *self = std::mem::take(self).into_iter().chain(edges).collect();
    }
}

impl IntoIterator for Needs {
    type Item = Edge;
    type IntoIter = std::vec::IntoIter<Edge>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Needs {
    type Item = &'a Edge;
    type IntoIter = std::slice::Iter<'a, Edge>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Whatever order they were written in.
impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Edge>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(on: &str, rule: &str) -> Edge {
        Edge::new(on, rule, "")
    }

    #[test]
    fn each_edge_is_there_once_and_in_order() {
        let mut needs: Needs = [
            edge("b", "R"),
            edge("a", "S"),
            edge("b", "R"),
            edge("a", "R"),
        ]
        .into_iter()
        .collect();
        let names = |needs: &Needs| -> Vec<String> {
            needs
                .iter()
                .map(|edge| format!("{} {}", edge.on, edge.rule))
                .collect()
        };
        assert_eq!(names(&needs), ["a R", "a S", "b R"]);
        assert!(!needs.insert(edge("a", "S")));
        assert!(needs.insert(edge("a", "Q")));
        assert!(needs.contains(&edge("a", "Q")));
        assert!(needs.remove(&edge("b", "R")));
        assert!(!needs.remove(&edge("b", "R")));
        needs.extend([edge("0", "R"), edge("a", "Q")]);
        assert_eq!(names(&needs), ["0 R", "a Q", "a R", "a S"]);
        needs.retain(|edge| edge.rule == "R");
        assert_eq!(names(&needs), ["0 R", "a R"]);
    }

    #[test]
    fn a_list_in_any_order_is_read() {
        let text = r#"[{"on":"b","rule":"R","evidence":""},{"on":"a","rule":"R","evidence":""},{"on":"b","rule":"R","evidence":""}]"#;
        let needs: Needs = serde_json::from_str(text).unwrap();
        assert_eq!(
            needs,
            [edge("a", "R"), edge("b", "R")].into_iter().collect()
        );
        let again = serde_json::to_string(&needs).unwrap();
        assert_eq!(serde_json::from_str::<Needs>(&again).unwrap(), needs);
    }
}
