//! What of an inventory a protection carries, what it owns of the cluster, what the other site must have, and what is left
//! out and why.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ended::ended;
use super::rights::{own_rbac, writers};
use super::{Inventory, Thing, ThingId};
use crate::backup::Required;

/// The reach of a protection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Things that are stored and written back, those of the cluster included.
    pub carried: Vec<ThingId>,
    /// Cluster-scoped things among them: every user of them is inside.
    pub owned: Vec<ThingId>,
    /// Cluster-scoped things that the other site must have; never written.
    pub required: Vec<Required>,
    /// What is not carried, and why.
    pub left_out: Vec<LeftOut>,
}

/// A thing that is not carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which thing.
    pub thing: ThingId,
    /// Why.
    pub why: String,
}

/// Kinds that a cluster makes anew by itself, each with the reason.
const MADE_ANEW: &[(&str, &str, &str)] = &[
    ("", "Event", "tells of the past"),
    ("events.k8s.io", "Event", "tells of the past"),
    ("", "Endpoints", "kept by its Service"),
    ("discovery.k8s.io", "EndpointSlice", "kept by its Service"),
    ("coordination.k8s.io", "Lease", "held by a running process"),
    ("apps", "ControllerRevision", "kept by its workload"),
    ("metrics.k8s.io", "PodMetrics", "measured anew"),
    (
        "snapshot.storage.k8s.io",
        "VolumeSnapshot",
        "a copy at the old site",
    ),
    (
        "groupsnapshot.storage.k8s.io",
        "VolumeGroupSnapshot",
        "a copy at the old site",
    ),
    ("", "PersistentVolumeClaim", "made by the storage steps"),
];

/// What of the namespaces themselves is carried and what is left out; cluster-scoped things are not looked at.
pub fn inside_scope(inventory: &Inventory, namespaces: &[String]) -> Scope {
    let mut scope = Scope::default();
    let uids: BTreeSet<&str> = inventory.iter().map(Thing::uid).collect();
    for thing in inventory.iter() {
        if inside(thing, namespaces) {
            place(thing, &uids, &mut scope);
        }
    }
    scope
}

/// What the protection of these namespaces reaches.
pub fn scope(inventory: &Inventory, namespaces: &[String]) -> Scope {
    let mut scope = inside_scope(inventory, namespaces);
    own_rbac(inventory, namespaces, &mut scope);
    own_definitions(inventory, namespaces, &mut scope);
    own_webhooks(inventory, namespaces, &mut scope);
    own_api_services(inventory, namespaces, &mut scope);
    require(inventory, namespaces, &mut scope);
    scope.carried.extend(scope.owned.clone());
    scope.carried.sort();
    scope.carried.dedup();
    scope.required.sort_by(|a, b| a.thing.cmp(&b.thing));
    scope.required.dedup_by(|a, b| a.thing == b.thing);
    scope
}

pub(super) fn is_protected(namespace: &str, namespaces: &[String]) -> bool {
    namespaces.iter().any(|one| one == namespace)
}

pub(super) fn inside(thing: &Thing, namespaces: &[String]) -> bool {
    match thing.namespace() {
        Some(namespace) => is_protected(namespace, namespaces),
        None => thing.id().is("", "Namespace") && is_protected(thing.name(), namespaces),
    }
}

/// The owner that manages a thing.
fn controller(thing: &Thing) -> Option<&Value> {
    thing
        .list("/metadata/ownerReferences")
        .iter()
        .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
        .or_else(|| thing.list("/metadata/ownerReferences").first())
}

fn place(thing: &Thing, uids: &BTreeSet<&str>, scope: &mut Scope) {
    let id = thing.id();
    let left_out = |scope: &mut Scope, why: String| {
        scope.left_out.push(LeftOut {
            thing: thing.id(),
            why,
        });
    };
    if let Some((_, _, why)) = MADE_ANEW.iter().find(|(group, kind, _)| id.is(group, kind)) {
        return left_out(scope, (*why).to_owned());
    }
    if let Some(owner) = controller(thing) {
        let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        if uids.contains(text("uid")) {
            let why = format!("made by its owner {} {}", text("kind"), text("name"));
            return left_out(scope, why);
        }
    }
    if id.is("", "Secret")
        && thing.text("/type") == Some("kubernetes.io/service-account-token")
        && thing
            .annotation("kubernetes.io/service-account.name")
            .is_none()
    {
        return left_out(scope, "a token of the old cluster".to_owned());
    }
    if let Some(why) = ended(thing) {
        return left_out(scope, why.to_owned());
    }
    if thing.annotation("meta.refloat.io/ignore").is_some() {
        return left_out(scope, "marked with meta.refloat.io/ignore".to_owned());
    }
    scope.carried.push(id);
}

fn own_definitions(inventory: &Inventory, namespaces: &[String], scope: &mut Scope) {
    for definition in inventory.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let group = definition.text("/spec/group").unwrap_or_default();
        let plural = definition.text("/spec/names/plural").unwrap_or_default();
        let kind = definition.text("/spec/names/kind").unwrap_or_default();
        let used = inventory
            .of_kind(group, kind)
            .any(|thing| inside(thing, namespaces));
        let operators: Vec<(String, String)> = writers(inventory, group, plural)
            .into_iter()
            .filter(|(namespace, name)| runs_something(inventory, namespace, name))
            .collect();
        let all_inside = !operators.is_empty()
            && operators
                .iter()
                .all(|(namespace, _)| is_protected(namespace, namespaces));
        if all_inside {
            scope.owned.push(definition.id());
        } else if used {
            scope.required.push(Required {
                thing: definition.id(),
                why: format!(
                    "{kind} objects of it are protected, and its operator lives elsewhere"
                ),
            });
        }
    }
}

/// True when a workload uses this ServiceAccount; an unused grant makes nobody an operator.
fn runs_something(inventory: &Inventory, namespace: &str, account: &str) -> bool {
    inventory.iter().any(|thing| {
        thing.namespace() == Some(namespace)
            && thing.pod_spec().is_some_and(|spec| {
                spec.get("serviceAccountName").and_then(Value::as_str) == Some(account)
            })
    }) || !inventory
        .iter()
        .any(|thing| thing.namespace() == Some(namespace))
}

fn own_webhooks(inventory: &Inventory, namespaces: &[String], scope: &mut Scope) {
    for kind in [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
    ] {
        for configuration in inventory.of_kind("admissionregistration.k8s.io", kind) {
            let hooks = configuration.list("/webhooks");
            let ours = !hooks.is_empty()
                && hooks.iter().all(|hook| {
                    hook.pointer("/clientConfig/service/namespace")
                        .and_then(Value::as_str)
                        .is_some_and(|namespace| is_protected(namespace, namespaces))
                });
            if ours {
                scope.owned.push(configuration.id());
            }
        }
    }
}

/// An API that a protected Service answers; those of definitions have none, and are made anew.
fn own_api_services(inventory: &Inventory, namespaces: &[String], scope: &mut Scope) {
    for service in inventory.of_kind("apiregistration.k8s.io", "APIService") {
        let ours = service
            .text("/spec/service/namespace")
            .is_some_and(|namespace| is_protected(namespace, namespaces));
        if ours {
            scope.owned.push(service.id());
        }
    }
}

/// Cluster-scoped things that the protected ones name.
fn require(inventory: &Inventory, namespaces: &[String], scope: &mut Scope) {
    let mut need = |group: &str, kind: &str, name: Option<&str>, by: &Thing, field: &str| {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            scope.required.push(Required {
                thing: ThingId::cluster(group, kind, name),
                why: format!("{} ({field})", by.id()),
            });
        }
    };
    for thing in inventory.iter().filter(|thing| inside(thing, namespaces)) {
        let id = thing.id();
        if id.is("", "PersistentVolumeClaim") {
            let class = thing.text("/spec/storageClassName");
            need(
                "storage.k8s.io",
                "StorageClass",
                class,
                thing,
                "spec.storageClassName",
            );
        }
        if id.is("networking.k8s.io", "Ingress") {
            let class = thing.text("/spec/ingressClassName");
            need(
                "networking.k8s.io",
                "IngressClass",
                class,
                thing,
                "spec.ingressClassName",
            );
        }
        let Some(spec) = thing.pod_spec() else {
            continue;
        };
        let text = |key: &str| spec.get(key).and_then(Value::as_str);
        let priority = text("priorityClassName").filter(|name| !name.starts_with("system-"));
        need(
            "scheduling.k8s.io",
            "PriorityClass",
            priority,
            thing,
            "priorityClassName",
        );
        let runtime = text("runtimeClassName");
        need(
            "node.k8s.io",
            "RuntimeClass",
            runtime,
            thing,
            "runtimeClassName",
        );
    }
}
