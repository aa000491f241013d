//! What is read of live objects and of those in an inventory alike, whichever holds them.

use serde_json::Value;

use super::Json;

/// JSON that can be read.
pub trait Tree: Sized {
    /// The value at a JSON pointer (RFC 6901).
    fn at(&self, pointer: &str) -> Option<&Self>;

    /// The field of this name.
    fn field(&self, name: &str) -> Option<&Self>;

    /// The text, when it is one.
    fn text(&self) -> Option<&str>;

    /// The number, when it is a whole one and not below zero.
    fn whole(&self) -> Option<u64>;

    /// The items; none when it is no list.
    fn items(&self) -> &[Self];

    /// True for an object with any field.
    fn has_fields(&self) -> bool;
}

impl Tree for Value {
    fn at(&self, pointer: &str) -> Option<&Self> {
        self.pointer(pointer)
    }

    fn field(&self, name: &str) -> Option<&Self> {
        self.get(name)
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn whole(&self) -> Option<u64> {
        self.as_u64()
    }

    fn items(&self) -> &[Self] {
        self.as_array().map_or(&[], Vec::as_slice)
    }

    fn has_fields(&self) -> bool {
        self.as_object().is_some_and(|fields| !fields.is_empty())
    }
}

impl Tree for Json {
    fn at(&self, pointer: &str) -> Option<&Self> {
        self.pointer(pointer)
    }

    fn field(&self, name: &str) -> Option<&Self> {
        self.get(name)
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn whole(&self) -> Option<u64> {
        self.as_u64()
    }

    fn items(&self) -> &[Self] {
        self.as_array().unwrap_or_default()
    }

    fn has_fields(&self) -> bool {
        self.as_object().is_some_and(|fields| !fields.is_empty())
    }
}
