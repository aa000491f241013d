//! A custom resource waits for the carried things that it refers to in its `…Ref`s, and for the Secrets and ConfigMaps that it
//! names.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Json;

use super::super::context::{Context, write_step};
use super::super::cycles::knots;
use super::typed_reference::Reference;
use super::{Drawn, Rule};
use crate::inventory::{Thing, ThingId};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "CUSTOM_REFERENCE",
    reason: "an operator that does not find what its resource refers to reports a failure, or makes one anew",
    confidence: &[Confidence::Certain, Confidence::High],
    draw,
};

/// A resource nested deeper, or larger, is not looked through to its end.
const DEPTH_MAX: usize = 24;
const FOUND_MAX: usize = 1000;

/// Where a name stands without its kind: end of the key, kind.
const NAMED: &[(&str, &str)] = &[("secret", "Secret"), ("configmap", "ConfigMap")];

struct Found {
    from: ThingId,
    to: ThingId,
    field: String,
    confidence: Confidence,
}

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut found = Vec::new();
    for (id, thing) in &context.things {
        if is_custom(id) {
            let mut search = Search {
                context,
                thing,
                found: Vec::new(),
            };
            if let Some(spec) = thing.object.get("spec") {
                search.walk(spec, "spec", 0);
            }
            found.extend(search.found);
        }
    }
    doubt_circles(&mut found);
    found
        .into_iter()
        .map(|one| {
            let evidence = format!("{}: {}", one.from, one.field);
            let edge = Drawn::new(write_step(&one.from), write_step(&one.to), evidence);
            edge.with(one.confidence)
        })
        .collect()
}

/// Kinds of Kubernetes itself have rules of their own.
pub(super) fn is_custom(id: &ThingId) -> bool {
    id.group.contains('.')
        && (!id.group.ends_with(".k8s.io") || id.group == "gateway.networking.k8s.io")
        || id.group.ends_with(".x-k8s.io")
}

/// Resources that refer to each other in a circle: which of them is the one that needs the other is not said.
fn doubt_circles(found: &mut [Found]) {
    let ids: BTreeSet<ThingId> = found
        .iter()
        .flat_map(|one| [one.from.clone(), one.to.clone()])
        .collect();
    let places: BTreeMap<&ThingId, usize> = ids.iter().zip(0..).collect();
    let mut needs = vec![Vec::new(); ids.len()];
    for one in found.iter() {
        needs[places[&one.from]].push(places[&one.to]);
    }
    let mut knot_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, knot) in knots(&needs).into_iter().enumerate() {
        knot_of.extend(knot.into_iter().map(|place| (place, number)));
    }
    for one in found {
        let of = |id: &ThingId| knot_of.get(&places[id]);
        if of(&one.from).is_some() && of(&one.from) == of(&one.to) {
            one.confidence = Confidence::High;
        }
    }
}

struct Search<'s, 'a> {
    context: &'s Context<'a>,
    thing: &'s Thing,
    found: Vec<Found>,
}

impl Search<'_, '_> {
    fn walk(&mut self, value: &Json, path: &str, depth: usize) {
        if depth > DEPTH_MAX || self.found.len() > FOUND_MAX {
            return;
        }
        match value {
            Json::Object(map) => {
                for (key, inner) in map {
                    let here = format!("{path}.{key}");
                    self.look(key, inner, &here);
                    self.walk(inner, &here, depth + 1);
                }
            }
            Json::Array(list) => {
                for (place, inner) in list.iter().enumerate() {
                    let here = format!("{path}[{place}]");
                    if path.ends_with("Refs") {
                        self.refers(inner, &here);
                    }
                    self.walk(inner, &here, depth + 1);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn look(&mut self, key: &str, value: &Json, path: &str) {
        let lower = key.to_ascii_lowercase();
        if lower.ends_with("ref") && value.get("kind").is_some() {
            return self.refers(value, path);
        }
        for (word, kind) in NAMED {
            let name = if lower.ends_with(&format!("{word}name")) {
                value.as_str()
            } else if ["", "ref", "keyref", "keyselector", "selector"]
                .iter()
                .any(|end| lower.ends_with(&format!("{word}{end}")))
            {
                let name = value.get("name").or_else(|| value.get("secretName"));
                name.and_then(Json::as_str)
            } else {
                None
            };
            let namespace = value.get("namespace").and_then(Json::as_str);
            let namespace = namespace.or(self.thing.namespace());
            if let (Some(name), Some(namespace)) = (name, namespace) {
                let id = ThingId::namespaced("", kind, namespace, name);
                self.push(id, path, Confidence::High);
            }
        }
    }

    fn refers(&mut self, value: &Json, path: &str) {
        let Some(reference) = Reference::of(value, "", "") else {
            return;
        };
        for id in reference.meant(self.context, self.thing) {
            let confidence = if id.is("", "Secret") {
                Confidence::High
            } else {
                Confidence::Certain
            };
            self.push(id, path, confidence);
        }
    }

    fn push(&mut self, to: ThingId, path: &str, confidence: Confidence) {
        let from = self.thing.id();
        if from != to && self.context.has(&to) {
            self.found.push(Found {
                from,
                to,
                field: path.to_owned(),
                confidence,
            });
        }
    }
}
