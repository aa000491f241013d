//! Looking into values without the cost of RFC 6901: `Value::pointer` makes a string for every part of the way.

use serde_json::Value;

/// A value that is looked into.
pub(super) trait Look {
    /// The value at `/spec/ports/0`; no part of the way may hold `/` or `~`.
    fn at(&self, way: &str) -> Option<&Value>;
}

impl Look for Value {
    fn at(&self, way: &str) -> Option<&Value> {
        way.split('/')
            .skip(1)
            .try_fold(self, |value, part| match value {
                Value::Object(map) => map.get(part),
                Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                _ => None,
            })
    }
}
