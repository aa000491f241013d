//! What of an inventory a protection carries, what it owns of the cluster, what the other site must have, and what is left
//! out and why.

use crate::json::Json;

use super::flux::is_of_flux;
use super::inside::inside_scope;
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
        None => thing.is("", "Namespace") && is_protected(thing.name(), namespaces),
    }
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

/// True when a workload uses this ServiceAccount; an unused grant makes nobody an operator. Nor does one of a namespace of which rights are read
/// and no workloads; where nothing is read but what Flux says of an order, it may well be one.
fn runs_something(inventory: &Inventory, namespace: &str, account: &str) -> bool {
    inventory.iter().any(|thing| {
        thing.namespace() == Some(namespace)
            && thing.pod_spec().is_some_and(|spec| {
                spec.get("serviceAccountName").and_then(Json::as_str) == Some(account)
            })
    }) || !inventory
        .iter()
        .any(|thing| thing.namespace() == Some(namespace) && !is_of_flux(thing))
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
                        .and_then(Json::as_str)
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
        let text = |key: &str| spec.get(key).and_then(Json::as_str);
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
