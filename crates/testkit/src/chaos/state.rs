//! The state of a world without what differs from run to run: uids, versions, times, generated names and addresses.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sim::SimWorld;

/// Objects by their identity.
pub(super) type State = BTreeMap<String, Value>;

/// Fields that differ from run to run.
const FIELDS: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "observedGeneration",
    "time",
    "clusterIP",
    "clusterIPs",
    "refloat.io/nudged",
    "f:refloat.io/nudged",
    FOREIGN,
];

/// The label that a foreign hand leaves.
pub(super) const FOREIGN: &str = "foreign-hand";

/// Everything that is there once controllers have come to rest.
pub(super) fn state(world: &SimWorld) -> State {
    world.settle(10);
    let inventory = world.inventory();
    let mut names = BTreeMap::new();
    for volume in inventory.of_kind("", "PersistentVolume") {
        let text = |key: &str| {
            volume.object["spec"]["claimRef"][key]
                .as_str()
                .unwrap_or("nobody")
        };
        let name = format!("volume-of-{}-{}", text("namespace"), text("name"));
        names.insert(volume.name().to_owned(), name);
    }
    let mut found = State::new();
    for thing in inventory.iter() {
        let mut object = thing.as_read();
        plain(&mut object, &names);
        let mut id = thing.id().to_string();
        if let Some(name) = names.get(thing.name()) {
            id = format!("PersistentVolume {name}");
        }
        while found.contains_key(&id) {
            id.push_str(" once more");
        }
        found.insert(id, object);
    }
    found
}

fn plain(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !FIELDS.contains(&key.as_str()));
            // A list whose items are told apart by uid names it in its owners' fields, too.
            if let Some(key) = map
                .keys()
                .find(|key| key.starts_with("k:{\"uid\":"))
                .cloned()
                && let Some(fields) = map.remove(&key)
            {
                map.insert("k:{\"uid\"}".to_owned(), fields);
            }
            map.values_mut().for_each(|one| plain(one, names));
            if let Some(Value::Array(entries)) = map.get_mut("managedFields") {
                // In the order of their times.
                entries.sort_by_key(Value::to_string);
            }
            map.retain(|key, one| {
                let hollow = matches!(key.as_str(), "labels" | "annotations");
                !hollow || one.as_object().is_none_or(|all| !all.is_empty())
            });
        }
        Value::Array(list) => list.iter_mut().for_each(|one| plain(one, names)),
        Value::String(text) => {
            if let Some(name) = names.get(text.as_str()) {
                text.clone_from(name);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where two states differ, one sentence; objects in `except` are not compared.
pub(super) fn difference(wanted: &State, now: &State, except: &[String]) -> Option<String> {
    let compared = |id: &&String| !except.contains(id);
    for id in wanted.keys().filter(compared) {
        match now.get(id) {
            None => return Some(format!("{id} is lost")),
            Some(object) if *object != wanted[id] => {
                return Some(format!("{id} differs: {}", first(&wanted[id], object, "")));
            }
            Some(_) => {}
        }
    }
    let more = now
        .keys()
        .filter(compared)
        .find(|id| !wanted.contains_key(*id));
    more.map(|id| format!("{id} is there and should not be"))
}

/// The first place where two values differ.
fn first(wanted: &Value, now: &Value, at: &str) -> String {
    if let (Value::Object(wanted), Value::Object(now)) = (wanted, now) {
        for key in wanted.keys().chain(now.keys()) {
            let (one, other) = (wanted.get(key), now.get(key));
            if one != other {
                let nothing = Value::Null;
                let place = format!("{at}/{key}");
                return first(one.unwrap_or(&nothing), other.unwrap_or(&nothing), &place);
            }
        }
    }
    let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
    format!("{at} should be {} and is {}", short(wanted), short(now))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(objects: &[(&str, Value)]) -> State {
        let owned = objects.iter();
        owned
            .map(|(id, object)| ((*id).to_owned(), object.clone()))
            .collect()
    }

    #[test]
    fn what_is_lost_changed_or_too_much_is_told() {
        let wanted = of(&[("a", json!({ "x": { "y": 1 } })), ("b", json!({}))]);
        let tell = |now: &State| difference(&wanted, now, &[]);
        assert_eq!(tell(&wanted), None);
        assert_eq!(
            tell(&of(&[("a", wanted["a"].clone())])).unwrap(),
            "b is lost"
        );
        let changed = of(&[("a", json!({ "x": { "y": 2 } })), ("b", json!({}))]);
        assert_eq!(
            tell(&changed).unwrap(),
            "a differs: /x/y should be 1 and is 2"
        );
        let mut more = wanted.clone();
        more.insert("c".to_owned(), json!({}));
        assert_eq!(tell(&more).unwrap(), "c is there and should not be");
        assert_eq!(difference(&wanted, &more, &["c".to_owned()]), None);
    }

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let names = BTreeMap::from([("pvc-uid-3".to_owned(), "volume-of-shop-data".to_owned())]);
        let mut object = json!({
            "metadata": { "uid": "1", "labels": { FOREIGN: "yes" } }, "spec": { "volumeName": "pvc-uid-3" },
        });
        plain(&mut object, &names);
        let plain = json!({ "metadata": {}, "spec": { "volumeName": "volume-of-shop-data" } });
        assert_eq!(object, plain);
    }
}
