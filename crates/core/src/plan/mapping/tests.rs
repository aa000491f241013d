//! What follows a mapping, what stays, and what is only reported.

mod follows;
mod places;
mod property;
mod remains;
mod strategic;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Mappings, Maps, follow};
use crate::inventory::ThingId;

fn pairs(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter()
        .map(|&(old, new)| (old.to_owned(), new.to_owned()))
        .collect()
}

/// `shop` and `bank` elsewhere, a registry, hosts, a class; Services `db` of both.
fn maps() -> Maps {
    Maps {
        mappings: Mappings {
            namespaces: pairs(&[("shop", "shop-drill"), ("bank", "vault")]),
            registries: pairs(&[
                ("registry.old.example", "mirror.example/all"),
                ("registry.old.example/team", "registry.new.example/team"),
                ("docker.io", "mirror.example/hub"),
            ]),
            hosts: pairs(&[
                ("shop.example.com", "shop.dr.example.com"),
                ("*.example.org", "*.dr.example.org"),
                ("*.eu.example.org", "*.europe.example"),
            ]),
            patches: Vec::new(),
        },
        classes: pairs(&[("slow", "fast")]),
        services: services(&[("shop", "db"), ("bank", "db")]),
    }
}

fn services(all: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs(all).into_iter().collect()
}

/// An object of `shop` (or of the cluster, for kinds without a namespace) with these fields, mapped.
fn followed(group: &str, kind: &str, body: &Value, maps: &Maps) -> Value {
    let id = ThingId::namespaced(group, kind, "shop", "it");
    follow::object(&object(kind, body), &id, (group, kind), maps, None)
}

fn object(kind: &str, body: &Value) -> Value {
    let mut object = json!({ "kind": kind, "metadata": { "name": "it", "namespace": "shop" } });
    for (key, value) in body.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("metadata", Value::Object(more)) => {
                for (key, value) in more {
                    object["metadata"][key] = value.clone();
                }
            }
            _ => object[key] = value.clone(),
        }
    }
    object
}
