//! Classes, issuers and stores of the cluster that recovered things name. No point carries them and no inventory reads them: they are asked
//! for one by one.

use std::collections::BTreeMap;

use super::finding::{Raised, Weight};
use super::scene::{Scene, text};
use crate::driver::ObjectRef;
use crate::inventory::{Inventory, Resource, Thing, ThingId};

const GATEWAY: &str = "gateway.networking.k8s.io";
const CERTIFICATES: &str = "cert-manager.io";
const SECRETS: &str = "external-secrets.io";

/// A field that holds a name: group and kind of the thing, pointer, group and kind of what is named.
const NAMES: &[(&str, &str, &str, &str, &str)] = &[(
    GATEWAY,
    "Gateway",
    "/spec/gatewayClassName",
    GATEWAY,
    "GatewayClass",
)];
/// A field that holds `{group, kind, name}`, of which this kind is one of the cluster; without a group it is this one.
const REFERENCES: &[(&str, &str, &str, &str, &str)] = &[
    (
        CERTIFICATES,
        "Certificate",
        "/spec/issuerRef",
        CERTIFICATES,
        "ClusterIssuer",
    ),
    (
        SECRETS,
        "ExternalSecret",
        "/spec/secretStoreRef",
        SECRETS,
        "ClusterSecretStore",
    ),
];
/// An annotation that holds a name: group and kind of the thing, key, group and kind of what is named.
const ANNOTATIONS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "networking.k8s.io",
        "Ingress",
        "cert-manager.io/cluster-issuer",
        CERTIFICATES,
        "ClusterIssuer",
    ),
    (
        GATEWAY,
        "Gateway",
        "cert-manager.io/cluster-issuer",
        CERTIFICATES,
        "ClusterIssuer",
    ),
];

/// All that are named, with how each is asked for; `None` where the target does not know its kind.
pub(super) fn named(scene: &Scene<'_>) -> BTreeMap<ThingId, Option<ObjectRef>> {
    let all = scene.written().flat_map(|(_, thing)| names(thing));
    let others = all.filter(|id| !scene.context.has(id));
    others
        .map(|id| {
            let object = served(scene.target, &id)
                .map(|resource| ObjectRef::cluster(resource.clone(), &id.name));
            (id, object)
        })
        .collect()
}

fn served<'a>(target: &'a Inventory, id: &ThingId) -> Option<&'a Resource> {
    let mut all = target.served.iter();
    all.find(|one| one.group == id.group && one.kind == id.kind && !one.namespaced)
}

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    for (id, thing) in scene.written() {
        for wanted in names(thing) {
            if scene.facts.missing.contains(&wanted) {
                raised.about(
                    Weight::Warning,
                    "reference-missing",
                    id,
                    format!("it names {wanted}, which no point carries and which is not at the target"),
                    "create it at the target before or while the recovery runs, unless something that comes back makes it",
                );
            }
        }
    }
}

fn names(thing: &Thing) -> Vec<ThingId> {
    let mut found = Vec::new();
    let mut add = |group: &str, kind: &str, name: Option<&str>| {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            found.push(ThingId::cluster(group, kind, name));
        }
    };
    for (group, kind, pointer, of, named) in NAMES {
        if thing.is(group, kind) {
            add(of, named, thing.text(pointer));
        }
    }
    for (group, kind, pointer, of, named) in REFERENCES {
        let Some(reference) = thing.at(pointer).filter(|_| thing.is(group, kind)) else {
            continue;
        };
        let said = text(reference, "/group").filter(|group| !group.is_empty());
        if text(reference, "/kind") == Some(named) && said.unwrap_or(of) == *of {
            add(of, named, text(reference, "/name"));
        }
    }
    for (group, kind, key, of, named) in ANNOTATIONS {
        if thing.is(group, kind) {
            add(of, named, thing.annotation(key));
        }
    }
    found
}
