//! When does an object count as ready? Pure predicates over live objects: open, closed with a reason, or failed for good.
//!
//! One file per family of kinds. Called by `recovery` while it waits for what it wrote. Databases are asked by their
//! drivers: object status alone is never enough for them.

mod cluster;
mod pods;
mod resource;
#[cfg(test)]
mod tests;
mod workloads;

use serde_json::Value;

use crate::driver::{Problem, Query, Seen, Why};
use crate::inventory::Resource;

/// What a gate says.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Dependents may start.
    Open,
    /// Not yet: why.
    Closed(Why),
    /// It will not open by itself.
    Failed(Problem),
}

impl Gate {
    fn closed(code: &str, message: impl Into<String>) -> Self {
        Self::Closed(Why::new(code, message))
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer)?.as_u64()
}

/// `StatefulSet shop/db`.
fn name(resource: &Resource, object: &Value) -> String {
    let name = text(object, "/metadata/name").unwrap_or_default();
    match text(object, "/metadata/namespace") {
        Some(namespace) => format!("{} {namespace}/{name}", resource.kind),
        None => format!("{} {name}", resource.kind),
    }
}

/// A condition's status and message.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|one| one.get("type").and_then(Value::as_str) == Some(kind))?;
    let part = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
    Some((part("status"), part("message")))
}

/// True when the controller has not yet seen the newest spec.
fn is_stale(object: &Value) -> bool {
    match (
        number(object, "/status/observedGeneration"),
        number(object, "/metadata/generation"),
    ) {
        (Some(observed), Some(generation)) => observed < generation,
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// What else must be read to judge this object.
pub fn look(resource: &Resource, live: &Value) -> Vec<Query> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => {
            pods::look(live).into_iter().collect()
        }
        ("", "Namespace") => vec![cluster::default_account(live)],
        ("admissionregistration.k8s.io", _) => cluster::webhook_services(live),
        _ => Vec::new(),
    }
}

/// Judges a live object.
pub fn assess(resource: &Resource, live: &Value, seen: &Seen) -> Gate {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => cluster::namespace(live, seen),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => cluster::definition(live),
        ("apiregistration.k8s.io", "APIService") => cluster::api_service(live),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => cluster::webhooks(live, seen),
        ("apps", "Deployment") => workloads::deployment(resource, live, seen),
        ("apps", "StatefulSet") => workloads::stateful_set(resource, live, seen),
        ("apps", "DaemonSet") => workloads::daemon_set(resource, live, seen),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => {
            workloads::replica_set(resource, live, seen)
        }
        ("batch", "Job") => workloads::job(resource, live),
        ("", "Pod") => pods::pod(resource, live),
        ("", "PersistentVolumeClaim") => resource::claim(resource, live),
        ("", "Service") => resource::service(resource, live),
        (group, _) if group.contains('.') && !group.ends_with(".k8s.io") => {
            resource::custom(resource, live)
        }
        _ => Gate::Open,
    }
}
