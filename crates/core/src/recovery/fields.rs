//! Sets of fields as `managedFields` writes them (`FieldsV1`): nested maps, a field that is owned is an empty one. Called by `owners`.

use serde_json::{Map, Value};

fn members(set: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    set.as_object().unwrap_or(&NONE)
}

fn is_empty(set: &Value) -> bool {
    members(set).is_empty()
}

/// What is in either.
pub(super) fn union(one: &Value, other: &Value) -> Value {
    let mut all = members(one).clone();
    for (key, more) in members(other) {
        let joined = match all.get(key) {
            Some(there) => union(there, more),
            None => more.clone(),
        };
        all.insert(key.clone(), joined);
    }
    Value::Object(all)
}

/// What is in both.
pub(super) fn intersection(one: &Value, other: &Value) -> Value {
    let both = members(one).iter().filter_map(|(key, mine)| {
        let theirs = members(other).get(key)?;
        if is_empty(mine) && is_empty(theirs) {
            return Some((key.clone(), mine.clone()));
        }
        let inner = intersection(mine, theirs);
        (!is_empty(&inner)).then(|| (key.clone(), inner))
    });
    Value::Object(both.collect())
}

/// What is in the one and not in the other.
pub(super) fn difference(one: &Value, other: &Value) -> Value {
    let left = members(one).iter().filter_map(|(key, mine)| {
        let Some(theirs) = members(other).get(key) else {
            return Some((key.clone(), mine.clone()));
        };
        if is_empty(mine) {
            return (!is_empty(theirs)).then(|| (key.clone(), mine.clone()));
        }
        let inner = difference(mine, theirs);
        (!is_empty(&inner)).then(|| (key.clone(), inner))
    });
    Value::Object(left.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sets_of_fields_are_joined_cut_and_taken_away() {
        let one = json!({ "f:spec": { ".": {}, "f:a": {}, "f:b": { "f:c": {} } }, "f:data": {} });
        let other = json!({ "f:spec": { "f:a": {}, "f:d": {} } });
        assert_eq!(
            union(&one, &other),
            json!({ "f:spec": { ".": {}, "f:a": {}, "f:b": { "f:c": {} }, "f:d": {} }, "f:data": {} })
        );
        assert_eq!(
            intersection(&one, &other),
            json!({ "f:spec": { "f:a": {} } })
        );
        assert_eq!(
            difference(&one, &other),
            json!({ "f:spec": { ".": {}, "f:b": { "f:c": {} } }, "f:data": {} })
        );
        assert_eq!(difference(&one, &one), json!({}));
        // A field that is owned whole is another one than a part of it.
        let (whole, part) = (json!({ "f:data": {} }), json!({ "f:data": { "f:x": {} } }));
        assert_eq!(intersection(&whole, &part), json!({}));
        assert_eq!(difference(&whole, &part), whole);
    }
}
