//! Sets of fields in the form of `fieldsV1`, and what they are computed from.
//!
//! A name with an empty map below is in the set; one with `"."` below is in it and has fields below; one without has only
//! fields below. Called by `managers` and `apply`.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schema::{Shape, item_name, shape};

/// A set of fields.
pub(super) type Fields = Map<String, Value>;

const SELF: &str = ".";
/// Fields of `metadata` that nobody owns.
const UNOWNED: &[&str] = &[
    "name",
    "namespace",
    "creationTimestamp",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];
/// Structs that are always there: they are never fields of their own.
const STRUCTS: &[&str] = &["metadata", "spec", "status", "template"];

fn is_member(below: &Value) -> bool {
    below
        .as_object()
        .is_none_or(|below| below.is_empty() || below.contains_key(SELF))
}

fn node(member: bool, below: Fields) -> Option<Value> {
    if below.is_empty() {
        return member.then(|| json!({}));
    }
    let mut below = below;
    if member {
        below.insert(SELF.to_owned(), json!({}));
    }
    Some(Value::Object(below))
}

/// Both.
pub(super) fn union(left: &Fields, right: &Fields) -> Fields {
    let mut all = left.clone();
    all.remove(SELF);
    for (name, theirs) in right.iter().filter(|(name, _)| *name != SELF) {
        match left.get(name) {
            None => {
                all.insert(name.clone(), theirs.clone());
            }
            Some(ours) => {
                let member = is_member(ours) || is_member(theirs);
                let below = union(inner(ours), inner(theirs));
                if let Some(both) = node(member, below) {
                    all.insert(name.clone(), both);
                }
            }
        }
    }
    all
}

/// What is below a name, itself included.
fn inner(node: &Value) -> &Fields {
    static NOTHING: LazyLock<Fields> = LazyLock::new(Fields::new);
    node.as_object().unwrap_or(&NOTHING)
}

/// Whether anything is in both.
pub(super) fn meet(left: &Fields, right: &Fields) -> bool {
    left.iter()
        .filter(|(name, _)| *name != SELF)
        .any(|(name, ours)| {
            right.get(name).is_some_and(|theirs| {
                is_member(ours) && is_member(theirs) || meet(inner(ours), inner(theirs))
            })
        })
}

/// The first without what is in the second.
pub(super) fn without(left: &Fields, right: &Fields) -> Fields {
    let mut rest = Fields::new();
    for (name, ours) in left.iter().filter(|(name, _)| *name != SELF) {
        match right.get(name) {
            None => {
                rest.insert(name.clone(), ours.clone());
            }
            Some(theirs) => {
                let member = is_member(ours) && !is_member(theirs);
                if let Some(kept) = node(member, without(inner(ours), inner(theirs))) {
                    rest.insert(name.clone(), kept);
                }
            }
        }
    }
    rest
}

/// The paths of what is in both: `.data.a`.
pub(super) fn common(left: &Fields, right: &Fields) -> Vec<String> {
    let mut paths = Vec::new();
    collect_common(left, right, "", &mut paths);
    paths
}

fn collect_common(left: &Fields, right: &Fields, at: &str, paths: &mut Vec<String>) {
    for (name, ours) in left.iter().filter(|(name, _)| *name != SELF) {
        let Some(theirs) = right.get(name) else {
            continue;
        };
        let path = format!("{at}{}", shown(name));
        if is_member(ours) && is_member(theirs) {
            paths.push(path.clone());
        }
        collect_common(inner(ours), inner(theirs), &path, paths);
    }
}

/// `.data`, `[name="web"]`.
fn shown(name: &str) -> String {
    if let Some(field) = name.strip_prefix("f:") {
        return format!(".{field}");
    }
    let keys = name
        .strip_prefix("k:")
        .and_then(|keys| serde_json::from_str::<Map<String, Value>>(keys).ok());
    match keys {
        Some(keys) => {
            let keys: Vec<String> = keys
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("[{}]", keys.join(","))
        }
        None => format!("[={}]", name.trim_start_matches("v:")),
    }
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// What is new or has another value.
    pub(super) set: Fields,
    /// What is gone.
    pub(super) removed: Fields,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }
}

/// Whether nobody owns this field of this map: the server writes it.
fn is_unowned(path: &[&str], key: &str) -> bool {
    match path {
        [] => matches!(key, "apiVersion" | "kind"),
        ["metadata"] => UNOWNED.contains(&key),
        _ => false,
    }
}

/// What a writer changed.
pub(super) fn difference(old: &Value, new: &Value, custom: bool) -> Difference {
    let mut difference = Difference::default();
    compare(old, new, &[], custom, &mut difference);
    difference
}

fn compare(old: &Value, new: &Value, path: &[&str], custom: bool, found: &mut Difference) {
    static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    let old = old.as_object().unwrap_or(&NOTHING);
    let new = new.as_object().unwrap_or(&NOTHING);
    for (key, value) in new {
        if is_unowned(path, key) || old.get(key) == Some(value) {
            continue;
        }
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let before = old.get(key).unwrap_or(&Value::Null);
        let one = compare_field(before, value, &path, custom);
        place(found, format!("f:{key}"), one);
    }
    for (key, value) in old {
        if !is_unowned(path, key) && !new.contains_key(key) {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            let name = format!("f:{key}");
            found
                .removed
                .insert(name, whole(value, &path, custom, true));
        }
    }
}

fn place(found: &mut Difference, name: String, one: (Option<Value>, Option<Value>)) {
    if let Some(set) = one.0 {
        found.set.insert(name.clone(), set);
    }
    if let Some(removed) = one.1 {
        found.removed.insert(name, removed);
    }
}

fn compare_field(
    old: &Value,
    new: &Value,
    path: &[&str],
    custom: bool,
) -> (Option<Value>, Option<Value>) {
    let field = path.last().copied().unwrap_or_default();
    let kind = shape(field, new, custom);
    let mut inside = Difference::default();
    match (kind, old) {
        (Shape::Map, Value::Object(_)) => compare(old, new, path, custom, &mut inside),
        (Shape::Keyed(_) | Shape::Set, Value::Array(before)) => {
            let after = new.as_array().map_or(&[][..], Vec::as_slice);
            compare_items(kind, before, after, path, custom, &mut inside);
        }
        _ => return (Some(whole(new, path, custom, true)), None),
    }
    (node(false, inside.set), node(false, inside.removed))
}

fn compare_items(
    kind: Shape,
    old: &[Value],
    new: &[Value],
    path: &[&str],
    custom: bool,
    found: &mut Difference,
) {
    let named = |items: &[Value]| -> Vec<(String, Value)> {
        items
            .iter()
            .filter_map(|item| Some((item_name(kind, item)?, item.clone())))
            .collect()
    };
    let (old, new) = (named(old), named(new));
    for (name, value) in &new {
        let before = old.iter().find(|(one, _)| one == name);
        match before {
            Some((_, before)) if before == value => {}
            Some((_, before)) => {
                let mut inside = Difference::default();
                let path: Vec<&str> = path.iter().copied().chain(["[]"]).collect();
                compare(before, value, &path, custom, &mut inside);
                let one = (node(false, inside.set), node(false, inside.removed));
                place(found, name.clone(), one);
            }
            None => {
                found
                    .set
                    .insert(name.clone(), item(value, path, custom, true));
            }
        }
    }
    for (name, value) in old {
        if !new.iter().any(|(one, _)| *one == name) {
            let whole = item(&value, path, custom, true);
            found.removed.insert(name, whole);
        }
    }
}

fn item(value: &Value, path: &[&str], custom: bool, maps: bool) -> Value {
    let path: Vec<&str> = path.iter().copied().chain(["[]"]).collect();
    let below = value
        .as_object()
        .map(|fields| inside(fields, &path, custom, maps))
        .unwrap_or_default();
    node(true, below).unwrap_or_else(|| json!({}))
}

fn inside(fields: &Map<String, Value>, path: &[&str], custom: bool, maps: bool) -> Fields {
    fields
        .iter()
        .filter(|(key, _)| !is_unowned(path, key))
        .map(|(key, value)| {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            (format!("f:{key}"), whole(value, &path, custom, maps))
        })
        .collect()
}

/// All of a field. With `maps`, maps are fields themselves, as for who updates; an applier owns only what is in them.
fn whole(value: &Value, path: &[&str], custom: bool, maps: bool) -> Value {
    let field = path.last().copied().unwrap_or_default();
    let kind = shape(field, value, custom);
    match (kind, value) {
        (Shape::Map, Value::Object(fields)) => {
            let member = maps && !STRUCTS.contains(&field);
            let below = inside(fields, path, custom, maps);
            node(member || below.is_empty(), below).unwrap_or_else(|| json!({}))
        }
        (Shape::Keyed(_) | Shape::Set, Value::Array(items)) => {
            let below: Fields = items
                .iter()
                .filter_map(|one| Some((item_name(kind, one)?, item(one, path, custom, maps))))
                .collect();
            node(maps || below.is_empty(), below).unwrap_or_else(|| json!({}))
        }
        _ => json!({}),
    }
}

/// The fields that an applied configuration names.
pub(super) fn applied(configuration: &Value, custom: bool) -> Fields {
    configuration
        .as_object()
        .map(|fields| inside(fields, &[], custom, false))
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, below)| {
            name != "f:metadata" || below.as_object().is_some_and(|all| !all.is_empty())
        })
        .collect()
}

/// Takes fields out of an object; a map that becomes empty goes, too.
pub(super) fn take_out(object: &mut Value, fields: &Fields, custom: bool) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    for (name, below) in fields {
        let Some(key) = name.strip_prefix("f:") else {
            continue;
        };
        let Some(value) = map.get_mut(key) else {
            continue;
        };
        let kind = shape(key, value, custom);
        let deeper = inner(below);
        let gone = match kind {
            Shape::Atomic => is_member(below),
            Shape::Map => {
                take_out(value, deeper, custom);
                let empty = value.as_object().is_some_and(Map::is_empty);
                empty && !STRUCTS.contains(&key)
            }
            Shape::Keyed(_) | Shape::Set => {
                take_items(kind, value, deeper, custom);
                value.as_array().is_some_and(Vec::is_empty)
            }
        };
        if gone {
            map.remove(key);
        }
    }
}

fn take_items(kind: Shape, value: &mut Value, fields: &Fields, custom: bool) {
    let Some(items) = value.as_array_mut() else {
        return;
    };
    items.retain_mut(|one| {
        let below = item_name(kind, one).and_then(|name| fields.get(&name));
        match below {
            Some(below) if is_member(below) => false,
            Some(below) => {
                take_out(one, inner(below), custom);
                true
            }
            None => true,
        }
    });
}
