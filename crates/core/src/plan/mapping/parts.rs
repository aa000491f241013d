//! The point itself under its names at the target: what is protected, its members, its volumes.
//!
//! Bytes are found by snapshot and tree; a part's id is a name and follows. The source's own identity (site, cluster) stays.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{MappedKind, Maps, Tally, follow};
use crate::backup::{Member, Part, PointContent};
use crate::inventory::ThingId;

/// The point under its names at the target.
pub(super) fn point(point: &PointContent, maps: &Maps, tally: &mut Tally) -> PointContent {
    let mut point = point.clone();
    for namespace in &mut point.namespaces {
        rename(namespace, maps);
    }
    let names: BTreeMap<String, String> = point
        .parts
        .iter()
        .map(|part| (part.id.clone(), slashed(&part.id, maps)))
        .collect();
    for part in &mut point.parts {
        map_part(part, maps, tally);
    }
    for member in &mut point.members {
        map_member(member, &names, maps);
    }
    for id in &mut point.owned {
        map_id(id, maps);
    }
    for gate in &mut point.gates {
        map_id(&mut gate.of, maps);
        map_check(&mut gate.check, maps);
    }
    point
}

fn rename(namespace: &mut String, maps: &Maps) {
    let new = maps.mappings.namespace(namespace).to_owned();
    *namespace = new;
}

pub(super) fn map_id(id: &mut ThingId, maps: &Maps) {
    if let Some(namespace) = &mut id.namespace {
        rename(namespace, maps);
    }
    if id.is("", "Namespace") {
        rename(&mut id.name, maps);
    }
}

/// What a gate asks: a Service with its namespace (`web.shop`, `web.shop.svc`), and where a probe asks from.
fn map_check(check: &mut Value, maps: &Maps) {
    let kinds = check.as_object_mut().into_iter().flatten();
    for words in kinds.filter_map(|(_, words)| words.as_object_mut()) {
        for (key, word) in words.iter_mut() {
            let Some(text) = word.as_str() else {
                continue;
            };
            let new = match key.as_str() {
                "from" => maps.mappings.namespace(text).to_owned(),
                "service" | "name" => {
                    let mut labels: Vec<&str> = text.split('.').collect();
                    if let Some(namespace) = labels.get_mut(1) {
                        *namespace = maps.mappings.namespace(namespace);
                    }
                    labels.join(".")
                }
                _ => continue,
            };
            *word = Value::from(new);
        }
    }
}

/// `shop/db` under the new name of `shop`.
fn slashed(name: &str, maps: &Maps) -> String {
    match name.split_once('/') {
        Some((namespace, rest)) => format!("{}/{rest}", maps.mappings.namespace(namespace)),
        None => name.to_owned(),
    }
}

fn map_part(part: &mut Part, maps: &Maps, tally: &mut Tally) {
    let (namespace, name) = part.id.split_once('/').unwrap_or(("", &part.id));
    let id = ThingId::namespaced("", "PersistentVolumeClaim", namespace, name);
    let kind = ("", "PersistentVolumeClaim");
    let claim = follow::object(&part.claim, &id, kind, maps, Some(tally));
    if maps.classes.contains_key(&part.storage_class) {
        tally.hit(MappedKind::StorageClass, &part.storage_class, &id);
    }
    part.claim = claim;
    part.id = slashed(&part.id, maps);
}

fn map_member(member: &mut Member, names: &BTreeMap<String, String>, maps: &Maps) {
    member.name = slashed(&member.name, maps);
    map_id(&mut member.thing, maps);
    for part in &mut member.parts {
        if let Some(new) = names.get(part) {
            part.clone_from(new);
        }
    }
    // Drivers keep there what they will need, parts by their ids among it.
    for text in member.engine.values_mut() {
        if let Ok(mut value) = serde_json::from_str::<Value>(text)
            && renamed(&mut value, names)
        {
            *text = value.to_string();
        }
    }
}

fn renamed(value: &mut Value, names: &BTreeMap<String, String>) -> bool {
    match value {
        Value::String(text) => match names.get(text) {
            Some(new) if new != text => {
                text.clone_from(new);
                true
            }
            Some(_) | None => false,
        },
        Value::Array(list) => any_renamed(list.iter_mut(), names),
        Value::Object(map) => any_renamed(map.values_mut(), names),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn any_renamed<'a>(
    values: impl Iterator<Item = &'a mut Value>,
    names: &BTreeMap<String, String>,
) -> bool {
    let mut any = false;
    for value in values {
        any |= renamed(value, names);
    }
    any
}
