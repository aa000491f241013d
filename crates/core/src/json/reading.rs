//! How a [`Json`] is read: by the names under which a `serde_json::Value` is.

use std::sync::Arc;

use super::{Fields, Json};

impl Json {
    /// The field of this name, when it is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// The value at a JSON pointer (RFC 6901). Rules ask this of every object: without escapes nothing is allocated.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        let steps = pointer.strip_prefix('/')?.split('/');
        let mut at = self;
        for step in steps {
            at = match at {
                Self::Object(all) if step.contains('~') => {
                    all.get(&step.replace("~1", "/").replace("~0", "~"))?
                }
                Self::Object(all) => all.get(step)?,
                Self::Array(all) => all.get(place(step)?)?,
                Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => return None,
            };
        }
        Some(at)
    }

    /// The field of this name, to be replaced.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Object(all) => all.get_mut(name),
            _ => None,
        }
    }

    /// The items, to be replaced, when it is a list.
    pub fn items_mut(&mut self) -> Option<&mut [Self]> {
        match self {
            Self::Array(all) => Some(Arc::make_mut(all)),
            _ => None,
        }
    }

    /// The fields, to be replaced, of the object at these names, one inside of the other.
    pub fn fields_mut(&mut self, names: &[&str]) -> Option<&mut Fields> {
        let mut at = self;
        for name in names {
            at = at.get_mut(name)?;
        }
        match at {
            Self::Object(all) => Some(all),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, when it is a list.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(all) => Some(all),
            _ => None,
        }
    }

    /// The fields, when it is an object.
    pub fn as_object(&self) -> Option<&Fields> {
        match self {
            Self::Object(all) => Some(all),
            _ => None,
        }
    }

    /// The truth value, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(it) => Some(*it),
            _ => None,
        }
    }

    /// The number, when it is a whole one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(it) => it.as_i64(),
            _ => None,
        }
    }

    /// The number, when it is a whole one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(it) => it.as_u64(),
            _ => None,
        }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True for an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// True for a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// True for a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }
}

/// A place in a list: digits, no zero before others.
fn place(step: &str) -> Option<usize> {
    if step.starts_with('+') || (step.starts_with('0') && step.len() != 1) {
        return None;
    }
    step.parse().ok()
}
