//! Flux's Kustomizations and HelmReleases: which of them applied a thing, and those that a point keeps for the order alone. They mostly
//! live in a namespace of Flux's own. Holds no order: `plan` draws it.
//!
//! Sources: fluxcd/kustomize-controller and fluxcd/helm-controller, which label what they apply with the name and the namespace of the
//! resource that says so.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::scope::inside;
use super::{Inventory, Thing, ThingId};
use crate::json::Json;

/// A kind of Flux that applies objects, with the labels that these get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FluxKind {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) name_label: &'static str,
    pub(crate) namespace_label: &'static str,
}

pub(crate) const FLUX_KINDS: &[FluxKind] = &[
    FluxKind {
        group: "kustomize.toolkit.fluxcd.io",
        kind: "Kustomization",
        name_label: "kustomize.toolkit.fluxcd.io/name",
        namespace_label: "kustomize.toolkit.fluxcd.io/namespace",
    },
    FluxKind {
        group: "helm.toolkit.fluxcd.io",
        kind: "HelmRelease",
        name_label: "helm.toolkit.fluxcd.io/name",
        namespace_label: "helm.toolkit.fluxcd.io/namespace",
    },
];

/// Fields of `spec` that say what waits for what. The rest is left out: values of a release may be secret.
const ORDER_FIELDS: &[&str] = &["dependsOn", "healthChecks", "wait"];

/// A Kustomization or a HelmRelease: an inventory has them of all namespaces.
pub(super) fn is_of_flux(thing: &Thing) -> bool {
    FLUX_KINDS.iter().any(|of| thing.is(of.group, of.kind))
}

/// What Flux applied a thing by, as its labels say.
pub(crate) fn applied_by(thing: &Thing) -> impl Iterator<Item = ThingId> {
    FLUX_KINDS.iter().filter_map(|of| {
        let (name, namespace) = (
            thing.label(of.name_label)?,
            thing.label(of.namespace_label)?,
        );
        Some(ThingId::namespaced(of.group, of.kind, namespace, name))
    })
}

/// What a Kustomization or a HelmRelease depends on, others of its kind, each with its place in the list.
pub(crate) fn depends_on(source: &Thing) -> impl Iterator<Item = (usize, ThingId)> {
    let own = source.namespace().unwrap_or_default();
    let all = source.list("/spec/dependsOn").iter().enumerate();
    all.filter_map(move |(place, on)| {
        let text = |key: &str| on.get(key).and_then(Json::as_str);
        let namespace = text("namespace").unwrap_or(own);
        let (group, kind) = (&source.resource.group, &source.resource.kind);
        let on = ThingId::namespaced(group, kind, namespace, text("name")?);
        Some((place, on))
    })
}

/// The Kustomizations and HelmReleases of other namespaces that applied something in these, or something owned, and what they depend on: a
/// point keeps them beside what it protects. Of each there is its name, and what it says of the order. They are never written back.
pub fn flux_order(inventory: &Inventory, namespaces: &[String], owned: &[ThingId]) -> Vec<Thing> {
    let protected = inventory.iter().filter(|thing| inside(thing, namespaces));
    let owned = owned.iter().filter_map(|id| inventory.get(id));
    let mut open: BTreeSet<ThingId> = protected.chain(owned).flat_map(applied_by).collect();
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    while let Some(id) = open.pop_first() {
        let Some(source) = inventory.get(&id) else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        open.extend(applied_by(source).chain(depends_on(source).map(|(_, on)| on)));
        if !inside(source, namespaces) {
            found.push(source.with(bare(source)));
        }
    }
    found
}

fn bare(source: &Thing) -> Value {
    let mut labels = Map::new();
    for key in FLUX_KINDS
        .iter()
        .flat_map(|of| [of.name_label, of.namespace_label])
    {
        if let Some(value) = source.label(key) {
            labels.insert(key.to_owned(), json!(value));
        }
    }
    let mut spec = Map::new();
    for key in ORDER_FIELDS {
        if let Some(value) = source.at("/spec").and_then(|spec| spec.get(key)) {
            spec.insert((*key).to_owned(), value.to_value());
        }
    }
    json!({
        "apiVersion": source.text("/apiVersion"),
        "kind": source.resource.kind,
        "metadata": { "name": source.name(), "namespace": source.namespace(), "labels": labels },
        "spec": spec,
    })
}
