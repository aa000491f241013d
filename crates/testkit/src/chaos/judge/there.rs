//! What was at the target before a recovery, held against what was promised of it: kept as it was, updated to the point's content with what
//! only it had, or replaced. Words of its own, none of the engine's. Called by `end`.

use std::collections::{BTreeMap, BTreeSet};

use refloat_core::driver::ObjectRef;
use refloat_core::json::Json;
use refloat_core::names::{ANNOTATION_RECOVERY, ANNOTATION_UPDATED, FIELD_MANAGER};
use refloat_core::recovery::{Existing, Writing};
use refloat_core::run::Work;
use serde_json::{Map, Value, json};

use crate::chaos::scene::Scene;
use crate::chaos::ways::names::Names;
use crate::sim::{Store, resource};

/// Annotations of Refloat begin with this.
const OURS: &str = "refloat.io/";

/// All that was there before a recovery.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Before {
    pub(super) objects: BTreeMap<ObjectRef, Value>,
    /// Namespaces of the point under whose names nothing comes back.
    left: BTreeSet<String>,
}

impl Before {
    /// Everything in a store; what comes back has these names.
    pub(in crate::chaos) fn of(store: &Store, names: &Names) -> Self {
        let objects = store.iter();
        let is_new = |old: &&String| names.values().any(|new| new == *old);
        let left = names.keys().filter(|old| !is_new(old)).cloned();
        Self {
            left: left.collect(),
            objects: objects
                .map(|(reference, object)| (reference.clone(), object.clone()))
                .collect(),
        }
    }
}

/// What is wrong with what was there before, now that the recovery is complete.
pub(super) fn of_before(scene: &Scene<'_>) -> Option<String> {
    let writings: BTreeMap<ObjectRef, &Writing> = scene
        .plan
        .steps
        .iter()
        .filter_map(|step| match &step.work {
            Work::Write(writing) => Some((writing.target(), writing)),
            _ => None,
        })
        .collect();
    let judge = scene.judge.borrow();
    let run = scene.plan.run.as_str();
    scene.world.with_store(|store| {
        for (reference, writing) in &writings {
            let live = store.get(reference).filter(|_| !writing.adopt);
            if let Some(what) = live.and_then(taken) {
                return Some(format!("{}: Refloat took {what}", reference.id()));
            }
        }
        if let Some(wrong) = strayed(store, &judge.before) {
            return Some(wrong);
        }
        judge.before.objects.iter().find_map(|(reference, was)| {
            let wrong = of_one(store, reference, was, writings.get(reference).copied(), run)?;
            Some(format!(
                "{}, which was there before, {wrong}",
                reference.id()
            ))
        })
    })
}

/// What of a recovery under other names is at the old ones, or names them where it refers to something.
fn strayed(store: &Store, before: &Before) -> Option<String> {
    store.iter().find_map(|(reference, live)| {
        let of = reference.namespace.as_ref().unwrap_or(&reference.name);
        let is_inside = reference.namespace.is_some() || reference.resource.kind == "Namespace";
        let home = ObjectRef::cluster(resource("Namespace"), of);
        let marks = &live["metadata"]["annotations"];
        let is_written = [ANNOTATION_RECOVERY, ANNOTATION_UPDATED]
            .iter()
            .any(|key| marks.get(*key).is_some());
        if is_inside && before.left.contains(of) {
            let is_new = is_written || !before.objects.contains_key(&home);
            return is_new.then(|| format!("{} went to the old name", reference.id()));
        }
        let old = named(live, &before.left).filter(|_| is_written)?;
        Some(format!("{} still refers to `{old}`", reference.id()))
    })
}

/// A namespace of these that is referred to.
fn named<'a>(value: &'a Value, namespaces: &BTreeSet<String>) -> Option<&'a str> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, inner)| match inner.as_str() {
            Some(text) if key == "namespace" && namespaces.contains(text) => Some(text),
            _ => named(inner, namespaces),
        }),
        Value::Array(list) => list.iter().find_map(|one| named(one, namespaces)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn of_one(
    store: &Store,
    reference: &ObjectRef,
    was: &Value,
    writing: Option<&Writing>,
    run: &str,
) -> Option<String> {
    if is_made_of_others(reference, was) {
        return None;
    }
    let Some(live) = store.get(reference) else {
        return Some("is lost".to_owned());
    };
    let same = live["metadata"]["uid"] == was["metadata"]["uid"];
    let untouched = || (own(live) != own(was)).then(|| "was changed".to_owned());
    let existing = writing
        .filter(|one| !one.adopt)
        .map_or(Existing::Skip, |one| one.existing);
    let holds_others = matches!(
        reference.resource.kind.as_str(),
        "Namespace" | "CustomResourceDefinition"
    );
    match (existing, writing) {
        (Existing::Replace, _) if !holds_others => same.then(|| "was not replaced".to_owned()),
        _ if !same => Some("is another one".to_owned()),
        (Existing::Update | Existing::Replace, Some(writing)) => {
            let point = parts(&writing.object.to_value());
            if has_all(&parts(was), &point) {
                return untouched();
            }
            let mark = live["metadata"]["annotations"].get(ANNOTATION_UPDATED);
            if mark != Some(&json!(run)) {
                return Some("was not updated".to_owned());
            }
            let now = parts(live);
            let lacks = uncovered(&now, &point, "");
            lacks
                .map(|at| format!("has not the point's {at}"))
                .or_else(|| {
                    unkept(&parts(was), &point, &now, "").map(|at| format!("has lost its {at}"))
                })
        }
        _ => untouched(),
    }
}

/// What a controller makes of something else, and takes away with it.
pub(super) fn is_made_of_others(reference: &ObjectRef, object: &Value) -> bool {
    let kind = reference.resource.kind.as_str();
    matches!(kind, "EndpointSlice" | "Endpoints" | "Event")
        || object["metadata"]["ownerReferences"].is_array()
}

/// What an object says of itself, and who wrote it: all but what the cluster keeps of it.
pub(super) fn own(object: &Value) -> Value {
    let mut own = parts(object);
    let writers = object["metadata"]["managedFields"].as_array();
    let writers = writers.into_iter().flatten();
    let writers: Vec<&Value> = writers
        .filter(|entry| entry["subresource"] != "status")
        .collect();
    own["managers"] = json!(writers);
    own
}

/// Labels, annotations that are not Refloat's, and content.
fn parts(object: &Value) -> Value {
    let mut all = Map::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            all.insert(key.clone(), value.clone());
        }
    }
    let theirs = object["metadata"]["annotations"].as_object();
    let theirs: Map<String, Value> = theirs
        .into_iter()
        .flatten()
        .filter(|(key, _)| !key.starts_with(OURS))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let labels = object["metadata"]["labels"].as_object().cloned();
    let labels = labels.unwrap_or_default();
    all.insert(
        "metadata".to_owned(),
        json!({ "labels": labels, "annotations": theirs }),
    );
    Value::Object(all)
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(all) => all.values().all(says_nothing),
        Value::Array(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether it has all of the point to the letter.
fn has_all(was: &Value, point: &Value) -> bool {
    match (was, point) {
        (_, Value::Null) => true,
        (Value::Object(there), Value::Object(all)) => all
            .iter()
            .all(|(key, value)| has_all(there.get(key).unwrap_or(&Value::Null), value)),
        (was, point) => was == point,
    }
}

/// Where it has not what the point has; what the server adds is no difference.
fn uncovered(now: &Value, point: &Value, at: &str) -> Option<String> {
    match (now, point) {
        (_, point) if says_nothing(point) => None,
        (Value::Object(there), Value::Object(all)) => all.iter().find_map(|(key, value)| {
            let now = there.get(key).unwrap_or(&Value::Null);
            uncovered(now, value, &format!("{at}/{key}"))
        }),
        (Value::Array(there), Value::Array(all)) if there.len() == all.len() => all
            .iter()
            .zip(there)
            .find_map(|(value, now)| uncovered(now, value, at)),
        (now, point) => (now != point).then(|| at.to_owned()),
    }
}

/// Where it has not what only it had.
fn unkept(was: &Value, point: &Value, now: &Value, at: &str) -> Option<String> {
    let Value::Object(was) = was else {
        return None;
    };
    was.iter().find_map(|(key, was)| {
        let at = format!("{at}/{key}");
        let now = now.get(key).unwrap_or(&Value::Null);
        match point.get(key).filter(|point| !point.is_null()) {
            Some(point) => unkept(was, point, now, &at),
            None => (now != was).then_some(at),
        }
    })
}

/// A field that Refloat calls its own and that is none of its annotations, nor a link to an owner that it has put back.
fn taken(live: &Value) -> Option<String> {
    let writers = live["metadata"]["managedFields"].as_array();
    let mut ours = writers
        .into_iter()
        .flatten()
        .filter(|entry| entry["manager"] == FIELD_MANAGER);
    ours.find_map(|entry| {
        let fields = entry["fieldsV1"].as_object()?;
        let beside = fields.keys().find(|key| *key != "f:metadata");
        let metadata = fields.get("f:metadata").and_then(Value::as_object);
        let named = ["f:annotations", "f:ownerReferences"];
        let beside = beside.or_else(|| metadata?.keys().find(|key| !named.contains(&key.as_str())));
        let all = metadata.and_then(|all| all.get("f:annotations")?.as_object());
        let of_others = |key: &&String| *key != "." && !key.starts_with(&format!("f:{OURS}"));
        beside.or_else(|| all?.keys().find(of_others)).cloned()
    })
}

/// What was there when a recovery that updates or replaces came to it, and needed nothing.
pub(super) fn needed_nothing(live: &Value, object: &Json) -> bool {
    let marks = &live["metadata"]["annotations"];
    let unmarked = [ANNOTATION_RECOVERY, ANNOTATION_UPDATED]
        .iter()
        .all(|key| marks.get(*key).is_none());
    unmarked && has_all(&parts(live), &parts(&object.to_value()))
}

/// What an updated object must hold of the point, by key.
pub(super) fn holds(live: &Value, point: &Value) -> bool {
    uncovered(live, point, "").is_none()
}

#[cfg(test)]
mod tests {
    use refloat_core::driver::FieldOwner;
    use refloat_core::readiness::Told;

    use super::*;

    fn map(data: &Value, marks: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": { "name": "web", "namespace": "shop", "labels": { "mine": "yes" }, "annotations": marks },
        })
    }

    /// What the judge says of a ConfigMap with `a: mine` and `b: mine` for which the point has `a: point`.
    fn judged(existing: Existing, change: impl FnOnce(&mut Store, &ObjectRef)) -> Option<String> {
        let writing = Writing {
            resource: resource("ConfigMap"),
            object: map(&json!({ "a": "point" }), &json!({})).into(),
            owner: FieldOwner::refloat(),
            managers: Vec::new(),
            existing,
            adopt: false,
            told: Told::default(),
            owns: Vec::new(),
            status: None,
            operated: false,
            duty: None,
        };
        let reference = writing.target();
        let mut store = Store::default();
        store.seed(
            &reference.resource,
            map(&json!({ "a": "mine", "b": "mine" }), &json!({})),
        );
        let was = store.get(&reference).cloned().unwrap();
        change(&mut store, &reference);
        of_one(&store, &reference, &was, Some(&writing), "restore-1")
    }

    #[test]
    fn what_is_not_as_its_way_promises_is_told() {
        let updated = |data: Value| {
            move |store: &mut Store, at: &ObjectRef| {
                let marks = json!({ ANNOTATION_UPDATED: "restore-1" });
                store.change(
                    at,
                    &json!({ "metadata": { "annotations": marks }, "data": data }),
                );
            }
        };
        let anew = |store: &mut Store, at: &ObjectRef| {
            store.remove(at);
            store.seed(&at.resource, map(&json!({ "a": "point" }), &json!({})));
        };
        let gone = |store: &mut Store, at: &ObjectRef| store.remove(at);
        let nothing = |_: &mut Store, _: &ObjectRef| {};
        let told = |said: Option<String>| said.unwrap_or_default();
        let (skip, update, replace) = (Existing::Skip, Existing::Update, Existing::Replace);
        assert_eq!(told(judged(skip, nothing)), "");
        assert_eq!(told(judged(skip, gone)), "is lost");
        assert_eq!(told(judged(skip, anew)), "is another one");
        assert_eq!(
            told(judged(skip, updated(json!({ "a": "point" })))),
            "was changed"
        );
        assert_eq!(told(judged(update, updated(json!({ "a": "point" })))), "");
        assert_eq!(told(judged(update, nothing)), "was not updated");
        assert_eq!(
            told(judged(update, updated(json!({})))),
            "has not the point's /data/a"
        );
        let lost = json!({ "a": "point", "b": null });
        assert_eq!(told(judged(update, updated(lost))), "has lost its /data/b");
        assert_eq!(told(judged(replace, anew)), "");
        assert_eq!(
            told(judged(replace, updated(json!({ "a": "point" })))),
            "was not replaced"
        );
    }

    #[test]
    fn a_field_that_refloat_takes_is_told() {
        let with = |fields: Value| {
            let entry =
                json!({ "manager": FIELD_MANAGER, "operation": "Update", "fieldsV1": fields });
            taken(&json!({ "metadata": { "managedFields": [entry] } }))
        };
        let marks = json!({ "f:metadata": { "f:annotations": { "f:refloat.io/digest": {} } } });
        assert_eq!(with(marks), None);
        let label = json!({ "f:metadata": { "f:labels": { "f:mine": {} } } });
        assert_eq!(with(label).unwrap(), "f:labels");
        assert_eq!(with(json!({ "f:data": {} })).unwrap(), "f:data");
    }
}
