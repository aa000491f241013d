//! Kubernetes' strategic merge: as JSON merge, but lists of built-in kinds are merged by the keys that their types name.
//!
//! Source: `k8s.io/apimachinery/pkg/util/strategicpatch` and the `patchStrategy`, `patchMergeKey` tags in `k8s.io/api`.

use serde_json::{Map, Value};

/// Groups that are part of every API server, whose types name merge keys.
const BUILT_IN: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether a group is part of every API server.
pub(in super::super) fn is_built_in(group: &str) -> bool {
    BUILT_IN.contains(&group)
}

/// How a field is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// A list of maps, by this key.
    Key(&'static str),
    /// A list of plain values, as a set.
    Set,
    /// As a whole.
    Replace,
    /// Maps field by field, lists as a whole.
    Plain,
}

/// Where a place is in a pod's spec; `None` outside of one.
fn in_pod<'a>(group: &str, kind: &str, place: &'a [String]) -> Option<&'a [String]> {
    let prefix: &[&str] = match (group, kind) {
        ("", "Pod") => &["spec"],
        ("", "PodTemplate") => &["template", "spec"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template", "spec"],
        ("apps" | "batch", _) | ("", "ReplicationController") => &["spec", "template", "spec"],
        _ => return None,
    };
    let fits =
        place.len() > prefix.len() && place.iter().zip(prefix).all(|(one, other)| one == other);
    fits.then(|| &place[prefix.len()..])
}

fn strategy(group: &str, kind: &str, place: &[String]) -> Strategy {
    let names: Vec<&str> = place.iter().map(String::as_str).collect();
    if let [.., "metadata", last] = names.as_slice() {
        return match *last {
            "finalizers" => Strategy::Set,
            "ownerReferences" => Strategy::Key("uid"),
            _ => Strategy::Plain,
        };
    }
    if let Some(pod) = in_pod(group, kind, place) {
        let pod: Vec<&str> = pod.iter().map(String::as_str).collect();
        return match pod.as_slice() {
            [
                "containers"
                | "initContainers"
                | "ephemeralContainers"
                | "volumes"
                | "imagePullSecrets"
                | "schedulingGates"
                | "resourceClaims",
            ] => Strategy::Key("name"),
            ["hostAliases"] => Strategy::Key("ip"),
            ["topologySpreadConstraints"] => Strategy::Key("topologyKey"),
            [
                "containers" | "initContainers" | "ephemeralContainers",
                field,
            ] => match *field {
                "env" => Strategy::Key("name"),
                "ports" => Strategy::Key("containerPort"),
                "volumeMounts" => Strategy::Key("mountPath"),
                "volumeDevices" => Strategy::Key("devicePath"),
                _ => Strategy::Plain,
            },
            _ => Strategy::Plain,
        };
    }
    match (group, kind, names.as_slice()) {
        ("", "Service", ["spec", "ports"]) => Strategy::Key("port"),
        ("", "ServiceAccount", ["secrets"]) => Strategy::Key("name"),
        ("admissionregistration.k8s.io", _, ["webhooks"] | ["webhooks", "matchConditions"]) => {
            Strategy::Key("name")
        }
        ("policy", "PodDisruptionBudget", ["spec", "selector"]) => Strategy::Replace,
        _ => Strategy::Plain,
    }
}

/// Merges a patch into an object of this group and kind.
pub(in super::super) fn merge(
    object: &mut Value,
    patch: &Value,
    group: &str,
    kind: &str,
) -> Result<(), String> {
    let merging = Merging { group, kind };
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            merging.maps(object, patch, &mut Vec::new())
        }
        _ => Err("both object and patch must be maps".to_owned()),
    }
}

/// A directive in a list or map of a patch.
fn directive(map: &Map<String, Value>) -> Option<&str> {
    map.get("$patch").map(|value| value.as_str().unwrap_or("?"))
}

/// A value that is new in the object: without directives, without what is to be removed.
fn fresh(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
            .map(|(key, value)| (key.clone(), fresh(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(list) => list
            .iter()
            .filter(|one| one.as_object().and_then(directive) != Some("delete"))
            .map(fresh)
            .filter(|one| !one.as_object().is_some_and(Map::is_empty))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn wrong(place: &[String], what: &str) -> String {
    format!("at `{}`: {what}", place.join("."))
}

struct Merging<'a> {
    group: &'a str,
    kind: &'a str,
}

impl Merging<'_> {
    fn maps(
        &self,
        object: &mut Map<String, Value>,
        patch: &Map<String, Value>,
        place: &mut Vec<String>,
    ) -> Result<(), String> {
        match directive(patch) {
            Some("replace") => {
                let new = fresh(&Value::Object(patch.clone()));
                *object = new.as_object().cloned().unwrap_or_default();
                return Ok(());
            }
            Some("delete") => {
                object.clear();
                return Ok(());
            }
            Some("merge") | None => {}
            Some(other) => return Err(wrong(place, &format!("`$patch: {other}` is not known"))),
        }
        if let Some(kept) = patch.get("$retainKeys") {
            let kept: Vec<&str> = kept
                .as_array()
                .map(|all| all.iter().filter_map(Value::as_str).collect())
                .ok_or_else(|| wrong(place, "`$retainKeys` is no list of keys"))?;
            object.retain(|key, _| kept.contains(&key.as_str()));
        }
        for (key, value) in patch {
            if matches!(key.as_str(), "$patch" | "$retainKeys") {
                continue;
            }
            if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
                delete_plain(object, field, value).map_err(|why| wrong(place, &why))?;
                continue;
            }
            if key.starts_with('$') {
                return Err(wrong(
                    place,
                    &format!("`{key}` is not taken: orders of lists cannot be set"),
                ));
            }
            place.push(key.clone());
            self.field(object, key, value, place)?;
            place.pop();
        }
        Ok(())
    }

    fn field(
        &self,
        object: &mut Map<String, Value>,
        key: &str,
        value: &Value,
        place: &mut Vec<String>,
    ) -> Result<(), String> {
        if value.is_null() {
            object.remove(key);
            return Ok(());
        }
        let strategy = strategy(self.group, self.kind, place);
        match (object.get_mut(key), value, strategy) {
            (Some(Value::Object(old)), Value::Object(new), Strategy::Plain) => {
                self.maps(old, new, place)
            }
            (Some(Value::Array(old)), Value::Array(new), Strategy::Key(name)) => {
                self.lists(old, new, name, place)
            }
            (Some(Value::Array(old)), Value::Array(new), Strategy::Set) => {
                let before = old.clone();
                old.extend(new.iter().filter(|one| !before.contains(one)).cloned());
                let wanted: Vec<&Value> = new.iter().collect();
                *old = ordered(
                    std::mem::take(old),
                    &wanted,
                    &before.iter().collect::<Vec<_>>(),
                    &|one| Some(one),
                );
                Ok(())
            }
            (_, _, Strategy::Key(_) | Strategy::Set | Strategy::Replace | Strategy::Plain) => {
                object.insert(key.to_owned(), fresh(value));
                Ok(())
            }
        }
    }

    fn lists(
        &self,
        list: &mut Vec<Value>,
        patch: &[Value],
        key: &str,
        place: &mut Vec<String>,
    ) -> Result<(), String> {
        let replaces = |one: &Value| one.as_object().and_then(directive) == Some("replace");
        if patch.iter().any(replaces) {
            *list = patch
                .iter()
                .filter(|one| !replaces(one))
                .map(fresh)
                .collect();
            return Ok(());
        }
        let before = list.clone();
        for one in patch {
            let one = one
                .as_object()
                .ok_or_else(|| wrong(place, "an element is no map"))?;
            let name = one.get(key).ok_or_else(|| {
                wrong(
                    place,
                    &format!("an element has no `{key}`, by which this list is merged"),
                )
            })?;
            if directive(one) == Some("delete") {
                list.retain(|old| old.get(key) != Some(name));
                continue;
            }
            let old = list
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .find(|old| old.get(key) == Some(name));
            match old {
                Some(old) => self.maps(old, one, place)?,
                None => list.push(fresh(&Value::Object(one.clone()))),
            }
        }
        let of = |one: &Value| one.get(key).cloned();
        let wanted: Vec<Value> = patch.iter().filter_map(of).collect();
        let before: Vec<Value> = before.iter().filter_map(of).collect();
        *list = ordered(
            std::mem::take(list),
            &wanted.iter().collect::<Vec<_>>(),
            &before.iter().collect::<Vec<_>>(),
            &|one| one.get(key),
        );
        Ok(())
    }
}

/// A merged list in the API server's order: the patch's elements in the patch's order; before each of them those that only the
/// object has, as far as they stood before it there (`mergeSortedSlice` of strategicpatch).
fn ordered(
    merged: Vec<Value>,
    wanted: &[&Value],
    before: &[&Value],
    key: &dyn Fn(&Value) -> Option<&Value>,
) -> Vec<Value> {
    let at = |all: &[&Value], one: &Value| {
        let name = key(one)?;
        all.iter().position(|other| *other == name)
    };
    let (mut patched, own): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|one| at(wanted, one).is_some());
    patched.sort_by_key(|one| at(wanted, one));
    let mut own = own.into_iter().peekable();
    let mut all = Vec::new();
    for one in patched {
        let place = at(before, &one);
        let stands_before = |other: &Value| {
            at(before, other)
                .zip(place)
                .is_some_and(|(other, this)| other < this)
        };
        while let Some(other) = own.next_if(stands_before) {
            all.push(other);
        }
        all.push(one);
    }
    all.extend(own);
    all
}

fn delete_plain(
    object: &mut Map<String, Value>,
    field: &str,
    values: &Value,
) -> Result<(), String> {
    let gone = values
        .as_array()
        .ok_or_else(|| format!("`$deleteFromPrimitiveList/{field}` is no list"))?;
    if let Some(Value::Array(list)) = object.get_mut(field) {
        list.retain(|one| !gone.contains(one));
    }
    Ok(())
}
