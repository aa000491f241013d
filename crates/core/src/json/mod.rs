//! JSON that is read and not changed, in a fraction of a `serde_json::Value`'s memory: an inventory and a plan hold an object for
//! each of a hundred thousand steps.
//!
//! A `Value` keeps an object in a B-tree, at least 632 bytes for each however few its fields are; a small Secret has seven. Here
//! fields are a sorted slice, short texts lie in place, and a copy shares with its original whatever is the same. Knows nothing of
//! Kubernetes. What is to be changed deep inside becomes a `Value` and comes back.

pub(crate) mod kept;
mod reading;
mod serial;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use ecow::EcoString;
use serde_json::{Number, Value};

pub use tree::Tree;

/// A JSON value. Objects have their fields ordered by name, as `serde_json` writes them.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number, as `serde_json` keeps it.
    Number(Number),
    /// A string.
    String(EcoString),
    /// A list.
    Array(Arc<[Self]>),
    /// An object.
    Object(Fields),
}

/// The fields of an object, ordered by name, each name once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Arc<[(EcoString, Json)]>);

/// So many fields are gone through one after the other.
const FEW: usize = 16;
/// What is at a place where nothing is.
static NULL: Json = Json::Null;

impl Fields {
    /// Of two fields with one name the later stays, as in `serde_json`.
    fn of(mut all: Vec<(EcoString, Json)>) -> Self {
        if !all.is_sorted_by(|(one, _), (next, _)| one < next) {
            all.reverse();
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            all.dedup_by(|(one, _), (kept, _)| one == kept);
        }
        kept::fields(all)
    }

    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        Some(&self.0[self.place(name)?].1)
    }

    /// Rules ask this of every object many times. Of a few names most differ in length, which costs nothing to see.
    fn place(&self, name: &str) -> Option<usize> {
        if self.0.len() <= FEW {
            return self.0.iter().position(|(one, _)| one.as_str() == name);
        }
        let place = self.0.binary_search_by(|(one, _)| one.as_str().cmp(name));
        place.ok()
    }

    /// The field of this name, to be replaced.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let place = self.place(name)?;
        Some(&mut Arc::make_mut(&mut self.0)[place].1)
    }

    /// Keeps some, by name.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        if self.keys().all(&keep) {
            return;
        }
        let kept = self.0.iter().filter(|(name, _)| keep(name));
        self.0 = kept.cloned().collect();
    }

    /// These fields and more; of two with one name the one of `more` stays.
    #[must_use]
    pub fn with(self, more: impl IntoIterator<Item = (EcoString, Json)>) -> Self {
        Self::of(self.into_iter().chain(more).collect())
    }

    /// True when there is a field of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All fields, ordered by name.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Json)> + ExactSizeIterator {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The names, ordered.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The values, ordered by name.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Fields {
    type Item = (EcoString, Json);
    type IntoIter = std::vec::IntoIter<(EcoString, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        let all: Vec<_> = self.0.iter().cloned().collect();
        all.into_iter()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = (&'a str, &'a Json);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'a, (EcoString, Json)>,
        fn(&'a (EcoString, Json)) -> (&'a str, &'a Json),
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl Json {
    /// The same as a value that can be changed.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Number(it) => Value::Number(it.clone()),
            Self::String(it) => Value::String(it.to_string()),
            Self::Array(all) => Value::Array(all.iter().map(Self::to_value).collect()),
            Self::Object(all) => Value::Object(
                all.iter()
                    .map(|(name, value)| (name.to_owned(), value.to_value()))
                    .collect(),
            ),
        }
    }

    /// A list of these.
    pub fn of_items(items: impl IntoIterator<Item = Self>) -> Self {
        Self::Array(kept::items(items.into_iter().collect()))
    }

    /// The object with another value in a field, whether it had one there or not; what is no object has no fields and stays.
    #[must_use]
    pub fn with(&self, name: &str, value: Self) -> Self {
        match self {
            Self::Object(all) => Self::Object(all.clone().with([(kept::text(name), value)])),
            other => other.clone(),
        }
    }

    /// Gives an object a field, in the place of one of the same name; nothing else has fields.
    pub fn set(&mut self, name: &str, value: Self) {
        let Self::Object(fields) = self else {
            return;
        };
        match fields.get_mut(name) {
            Some(there) => *there = value,
            None => *fields = std::mem::take(fields).with([(kept::text(name), value)]),
        }
    }

    /// A text; one that repeats is kept once.
    pub fn of_text(text: &str) -> Self {
        Self::String(kept::text(text))
    }

    /// Changes it as a value.
    pub fn edit<R>(&mut self, change: impl FnOnce(&mut Value) -> R) -> R {
        let mut value = self.to_value();
        let outcome = change(&mut value);
        *self = value.into();
        outcome
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(it),
            Value::Number(it) => Self::Number(it),
            Value::String(it) => Self::String(kept::text(&it)),
            Value::Array(all) => Self::of_items(all.into_iter().map(Self::from)),
            Value::Object(all) => {
                let all = all.into_iter();
                Self::Object(Fields::of(
                    all.map(|(name, value)| (kept::text(&name), Self::from(value)))
                        .collect(),
                ))
            }
        }
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => Self::Number(it.clone()),
            Value::String(it) => Self::String(kept::text(it)),
            Value::Array(all) => Self::of_items(all.iter().map(Self::from)),
            Value::Object(all) => Self::Object(Fields::of(
                all.iter()
                    .map(|(name, value)| (kept::text(name), Self::from(value)))
                    .collect(),
            )),
        }
    }
}

/// The field of this name, `null` when there is none.
impl Index<&str> for Json {
    type Output = Self;

    fn index(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(&NULL)
    }
}

/// The item at this place, `null` when there is none.
impl Index<usize> for Json {
    type Output = Self;

    fn index(&self, place: usize) -> &Self {
        let items = self.as_array();
        items.and_then(|all| all.get(place)).unwrap_or(&NULL)
    }
}

impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Number(one), Value::Number(other)) => one == other,
            (Self::String(one), Value::String(other)) => one == other,
            (Self::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other)
            }
            (Self::Object(one), Value::Object(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .all(|((name, one), (key, other))| name == key.as_str() && one == other)
            }
            _ => false,
        }
    }
}

impl PartialEq<Json> for Value {
    fn eq(&self, other: &Json) -> bool {
        other == self
    }
}

impl PartialEq<str> for Json {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Json {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

/// JSON text without spaces, as `serde_json` writes a `Value`.
impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self).finish()
    }
}
