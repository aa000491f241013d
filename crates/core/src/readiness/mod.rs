//! When does an object count as ready? Pure predicates over live objects: open, closed with a reason, or failed for good.

use serde_json::Value;

use crate::driver::{Problem, Query, Seen, Why};
use crate::inventory::Resource;

/// What a gate says.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Dependents may start.
    Open,
    /// Not yet: why.
    Closed(Why),
    /// It will not open by itself.
    Failed(Problem),
}

/// What else must be read to judge this object.
pub fn look(_resource: &Resource, _live: &Value) -> Vec<Query> {
    Vec::new()
}

/// Judges a live object.
pub fn assess(_resource: &Resource, _live: &Value, _seen: &Seen) -> Gate {
    Gate::Open
}
