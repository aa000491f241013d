//! Other names at the second site: which namespaces get one, and what an object or an end is called then. Only what is a typed reference in
//! the objects of `application` follows; text stays.

use std::collections::BTreeMap;

use refloat_core::names::ANNOTATION_DIGEST;
use refloat_core::plan::{Form, Mappings, ObjectPatch, Target};
use serde_json::{Value, json};

use crate::chaos::application::{Application, OPERATOR};
use crate::chaos::lots::Lots;
use crate::chaos::state::State;

/// Namespaces of the point, and what they are called at the second site.
pub(in crate::chaos) type Names = BTreeMap<String, String>;

/// The label that every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Draws other names: for one namespace or more; sometimes two change theirs.
pub(super) fn draw(lots: &mut Lots, application: &Application) -> Names {
    let all = &application.namespaces;
    if all.len() > 1 && lots.chance(20) {
        let (first, second) = (all[0].clone(), all[1].clone());
        return Names::from([(first.clone(), second.clone()), (second, first)]);
    }
    let certain = lots.below(all.len());
    let drawn = all.iter().enumerate().filter_map(|(index, name)| {
        let is_mapped = lots.chance(60) || index == certain;
        is_mapped.then(|| (name.clone(), format!("{name}-drill")))
    });
    drawn.collect()
}

/// What a namespace is called.
pub(in crate::chaos) fn called<'a>(names: &'a Names, namespace: &'a str) -> &'a str {
    names.get(namespace).map_or(namespace, String::as_str)
}

/// `namespace/name` with the namespace as it is called.
pub(in crate::chaos) fn placed(names: &Names, place: &str) -> String {
    match place.split_once('/') {
        Some((namespace, name)) => format!("{}/{name}", called(names, namespace)),
        None => place.to_owned(),
    }
}

/// As the user says it. Where an operator is, the simulated cluster knows from an annotation: no reference that could follow by itself.
pub(in crate::chaos) fn mappings(names: &Names, application: &Application) -> Mappings {
    let operators = application.objects.iter().filter_map(|(resource, object)| {
        let operator = object["metadata"]["annotations"].get(OPERATOR)?.as_str()?;
        let new = placed(names, operator);
        (new != operator).then(|| ObjectPatch {
            target: Target {
                kind: resource.kind.clone(),
                ..Target::default()
            },
            form: Form::Merge,
            patch: json!({ "metadata": { "annotations": { OPERATOR: new } } }),
        })
    });
    Mappings {
        namespaces: names.clone(),
        patches: operators.collect(),
        ..Mappings::default()
    }
}

/// Renames an object in place.
pub(in crate::chaos) fn rename(value: &mut Value, names: &Names) {
    if value["kind"] == "Namespace"
        && let Some(name) = value.pointer_mut("/metadata/name")
    {
        rename_text(name, |text| called(names, text).to_owned());
    }
    follow(value, names);
}

fn rename_text(value: &mut Value, new: impl Fn(&str) -> String) {
    if let Value::String(text) = value {
        *text = new(text);
    }
}

fn follow(value: &mut Value, names: &Names) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match key.as_str() {
                    "namespace" | NAME_LABEL => {
                        rename_text(inner, |text| called(names, text).to_owned());
                    }
                    OPERATOR => rename_text(inner, |text| placed(names, text)),
                    _ => follow(inner, names),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| follow(one, names)),
        Value::String(text) => {
            if let Some(volume) = volume_of(text, names) {
                *text = volume;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A volume is called after its claim in a state.
fn volume_of(text: &str, names: &Names) -> Option<String> {
    let rest = text.strip_prefix("volume-of-")?;
    names.iter().find_map(|(old, new)| {
        let claim = rest.strip_prefix(old.as_str())?.strip_prefix('-')?;
        Some(format!("volume-of-{new}-{claim}"))
    })
}

/// An end under other names. Digests, and ports that the cluster gives, are of each recovery.
pub(in crate::chaos) fn renamed(end: &State, names: &Names) -> State {
    let one = |(id, object): (&String, &Value)| {
        let mut object = object.clone();
        rename(&mut object, names);
        plain(&mut object);
        let (kind, place) = id.split_once(' ').unwrap_or((id, ""));
        let place = match volume_of(place, names) {
            Some(volume) => volume,
            None if kind == "Namespace" => called(names, place).to_owned(),
            None => placed(names, place),
        };
        (format!("{kind} {place}"), object)
    };
    end.iter().map(one).collect()
}

fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| key != ANNOTATION_DIGEST && key != "nodePort");
            map.values_mut().for_each(plain);
        }
        Value::Array(list) => list.iter_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_references_follow_and_text_stays() {
        let names = Names::from([("shop".to_owned(), "shop-drill".to_owned())]);
        let end = State::from([
            (
                "Namespace shop".to_owned(),
                json!({ "kind": "Namespace", "metadata": { "name": "shop" } }),
            ),
            (
                "RoleBinding shop/reads".to_owned(),
                json!({ "metadata": { "namespace": "shop" }, "subjects": [{ "namespace": "shop", "name": "shop" }] }),
            ),
            (
                "PersistentVolume volume-of-shop-data".to_owned(),
                json!({ "spec": { "claimRef": { "namespace": "shop" } } }),
            ),
            (
                "ConfigMap mail/a".to_owned(),
                json!({ "data": { "url": "db.shop.svc" } }),
            ),
        ]);
        let renamed = renamed(&end, &names);
        let ids: Vec<&str> = renamed.keys().map(String::as_str).collect();
        assert_eq!(
            ids,
            [
                "ConfigMap mail/a",
                "Namespace shop-drill",
                "PersistentVolume volume-of-shop-drill-data",
                "RoleBinding shop-drill/reads"
            ]
        );
        let binding = &renamed["RoleBinding shop-drill/reads"];
        assert_eq!(
            binding["subjects"][0],
            json!({ "namespace": "shop-drill", "name": "shop" })
        );
        assert_eq!(
            renamed["Namespace shop-drill"]["metadata"]["name"],
            "shop-drill"
        );
        assert_eq!(renamed["ConfigMap mail/a"]["data"]["url"], "db.shop.svc");
    }
}
