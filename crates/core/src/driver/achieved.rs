//! What a step achieved, as it is kept of every step of a run: few facts in a sorted list. A tree has room for eleven.

use std::collections::BTreeMap;
use std::ops::Index;

use ecow::EcoString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Facts by name, ordered, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Achieved(Vec<(EcoString, Value)>);

impl Achieved {
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(one, _)| one.as_str().cmp(name))
    }

    /// The fact of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    /// True when there is a fact of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Adds a fact, in the place of one of the same name.
    pub fn insert(&mut self, name: &str, value: Value) {
        match self.place(name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (name.into(), value));
            }
        }
    }

    /// All facts, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The fact of this name; panics when there is none, as a map does.
impl Index<&str> for Achieved {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).expect("no fact of this name")
    }
}

impl Serialize for Achieved {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Achieved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all: BTreeMap<EcoString, Value> = BTreeMap::deserialize(deserializer)?;
        Ok(Self(all.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_ordered_and_of_two_with_one_name_the_later_stays() {
        let mut facts = Achieved::default();
        for (name, value) in [
            ("b", json!(1)),
            ("a", json!("x")),
            ("b", json!(2)),
            ("c", json!(null)),
        ] {
            facts.insert(name, value);
        }
        assert_eq!(
            serde_json::to_string(&facts).unwrap(),
            r#"{"a":"x","b":2,"c":null}"#
        );
        assert_eq!(facts["b"], 2);
        assert!(facts.contains_key("c") && !facts.contains_key("d"));
        let read: Achieved = serde_json::from_str(r#"{"c":null,"b":1,"a":"x","b":2}"#).unwrap();
        assert_eq!(read, facts);
    }
}
