//! When an object of a kind counts as ready, in one line for people: what `judge` asks, said. Called by what explains a plan.

use super::page::ready_words;
use super::{Duty, is_custom, known};
use crate::inventory::Resource;

/// `all replicas available and of the newest template`: the condition under which dependents may start.
pub fn ready_when(resource: &Resource, duty: Option<&Duty>) -> String {
    if let Some(rule) = known::rule(resource) {
        return ready_words(rule);
    }
    let words = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => "it is Active and has its `default` ServiceAccount",
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            "it is Established, its names are accepted and its kind can be listed"
        }
        ("apiregistration.k8s.io", "APIService") => "it is Available",
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => "each of its Services has a ready address and its caBundle is not empty",
        ("apps", "Deployment") => "all replicas are available and of the newest template",
        ("apps", "StatefulSet") => "all replicas are ready and of the newest revision",
        ("apps", "DaemonSet" | "ReplicaSet") | ("", "ReplicationController") => {
            "all its pods are available"
        }
        ("batch", "Job") => "it is Complete, or suspended",
        ("", "Pod") => "it is Ready, or has Succeeded",
        ("", "PersistentVolumeClaim") => "it is Bound, or waits for its first consumer",
        ("storage.k8s.io", "StorageClass")
        | ("snapshot.storage.k8s.io", "VolumeSnapshotClass" | "VolumeGroupSnapshotClass") => {
            "some node has its driver"
        }
        ("", "Service") => "it exists; one of type LoadBalancer: it has an address",
        ("networking.k8s.io", "Ingress") => {
            "it exists; with an address if it had one at the source"
        }
        (group, _) if is_custom(group) => {
            "its status is of its newest generation and says Ready or Available; without such conditions, what it told at the source"
        }
        _ => "it exists",
    };
    match duty {
        Some(duty) if duty.operator => format!("{words}, and one of its pods leads"),
        Some(duty) if !duty.samples.is_empty() => {
            format!("{words}, and the API server reaches its webhooks")
        }
        Some(_) | None => words.to_owned(),
    }
}
