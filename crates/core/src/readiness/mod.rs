//! When does an object count as ready? Pure predicates over live objects: open, closed with a reason, or failed for good.
//!
//! One file per family of kinds; kinds of operators that are known are tables in `known`, all others go by `custom`. Called by
//! `recovery` while it waits for what it wrote. Databases are asked by their drivers as well: object status alone is never
//! enough for them.

mod clock;
mod cluster;
mod custom;
mod duty;
mod events;
mod fresh;
pub(crate) mod images;
mod jobs;
mod known;
mod leaders;
mod page;
mod pods;
mod reading;
mod rule;
mod scheduling;
mod storage;
#[cfg(test)]
mod tests;
mod told;
mod traffic;
pub mod user;
mod webhooks;
mod words;
mod workloads;

pub use clock::Clock;
pub use cluster::deleting;
pub use duty::{Duty, Sample};
pub use jobs::{JOB_FAILED, job_ended};
pub use page::page;
pub use told::{Told, told};
pub use words::ready_when;

use serde_json::Value;

use crate::driver::{Problem, Query, Seen, Why};
use crate::inventory::Resource;

/// Code of what the user of the kubeconfig has no right to.
const FORBIDDEN: &str = "forbidden";
/// Seconds within which a right may still come: an API server that has just started refuses what it has not read the rights of yet.
const RIGHTS_SECONDS: u32 = 20;

/// What a gate says.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Dependents may start.
    Open,
    /// Dependents may start, although nobody has said that it is ready: what was waited for, and in vain.
    Assumed(Why),
    /// Not yet: why.
    Closed(Why),
    /// It will not open by itself.
    Failed(Problem),
}

impl Gate {
    fn closed(code: &str, message: impl Into<String>, takes: impl Into<String>) -> Self {
        Self::Closed(Why::new(code, message).taking(takes))
    }

    fn failed(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed(Problem::stuck(code, message, hint))
    }

    /// Something that was to be read was refused. What may not be read is assumed in the end; all else may be answered at the next look.
    fn unread(clock: Clock, problem: Problem) -> Self {
        let is_forbidden = problem.code == FORBIDDEN;
        let gate = Self::closed(&problem.code, problem.message, problem.hint);
        if is_forbidden {
            gate.or_assumed(clock, RIGHTS_SECONDS)
        } else {
            gate
        }
    }

    /// A closed gate that is opened after this many seconds of waiting, because what it waits for may never be told.
    fn or_assumed(self, clock: Clock, after_seconds: u32) -> Self {
        self.or_assumed_since(clock, None, after_seconds)
    }

    /// The same, for what cannot be so before something else has come to be, at this time of the cluster's.
    fn or_assumed_since(self, clock: Clock, from: Option<&str>, after_seconds: u32) -> Self {
        match self {
            Self::Closed(why) if clock.has_lasted(from, after_seconds) => Self::Assumed(why),
            other => other,
        }
    }
}

/// All that a gate is judged by.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The object's kind.
    pub resource: &'a Resource,
    /// The object as it is now.
    pub live: &'a Value,
    /// What it told at the site that it comes from.
    pub told: &'a Told,
    /// What else was read.
    pub seen: &'a Seen,
    /// The time, and how long this is being waited for.
    pub clock: Clock,
    /// What others expect of it, when that is more than to be ready.
    pub duty: Option<&'a Duty>,
}

/// What must be read before [`assess`] can judge; empty when all of it was seen. To be asked again after each look: why a
/// gate stays closed is read only once it has been closed for a while.
pub fn look(view: &View<'_>) -> Vec<Query> {
    let unseen = |queries: Vec<Query>| -> Vec<Query> {
        queries
            .into_iter()
            .filter(|query| !view.seen.has(query))
            .collect()
    };
    let needs = unseen(needs(view));
    if !needs.is_empty() || !view.clock.is_past(events::AFTER_SECONDS) {
        return needs;
    }
    match judge(view) {
        Gate::Closed(_) => unseen(evidence(view)),
        Gate::Open | Gate::Assumed(_) | Gate::Failed(_) => Vec::new(),
    }
}

/// Without these nothing can be said.
fn needs(view: &View<'_>) -> Vec<Query> {
    match (view.resource.group.as_str(), view.resource.kind.as_str()) {
        ("apps", "Deployment") => pods::look(view)
            .into_iter()
            .chain(leaders::look(view))
            .collect(),
        ("apps", "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            pods::look(view).into_iter().collect()
        }
        ("", "Namespace") => vec![cluster::default_account(view)],
        ("", "PersistentVolumeClaim") => storage::claim_needs(view),
        ("storage.k8s.io", "StorageClass")
        | ("snapshot.storage.k8s.io", "VolumeSnapshotClass" | "VolumeGroupSnapshotClass") => {
            vec![storage::nodes_query()]
        }
        ("admissionregistration.k8s.io", _) => webhooks::look(view),
        ("apiextensions.k8s.io", _) => cluster::definition_look(view),
        _ => Vec::new(),
    }
}

/// What tells why it stays closed.
fn evidence(view: &View<'_>) -> Vec<Query> {
    let mut queries: Vec<Query> = events::look(view).into_iter().collect();
    if view.is("", "PersistentVolumeClaim") {
        queries.push(storage::nodes_query());
    }
    queries
}

/// True for what is done once (a backup, a migration): a recovery that puts it back does not wait for it.
pub fn is_done_once(resource: &Resource) -> bool {
    known::rule(resource).is_some_and(|rule| rule.once)
}

/// False for what is done once and whose definition has no subresource `status`: it cannot be written anew as ended.
pub(crate) fn keeps_status_apart(resource: &Resource) -> bool {
    known::rule(resource).is_none_or(|rule| rule.status_apart)
}

/// True for what is done once to make things that are used after it has ended: those of others are its own workers.
pub(crate) fn makes_for_others(resource: &Resource) -> bool {
    known::rule(resource).is_some_and(|rule| rule.makes_for_others)
}

/// Judges a live object.
pub fn assess(view: &View<'_>) -> Gate {
    match judge(view) {
        Gate::Closed(why) => Gate::Closed(events::explained(view, why)),
        gate @ (Gate::Open | Gate::Assumed(_) | Gate::Failed(_)) => gate,
    }
}

/// True for a kind of which an object is ready as soon as it is there.
pub fn is_ready_when_there(resource: &Resource) -> bool {
    known::rule(resource).is_none() && gate(resource).is_none()
}

fn judge(view: &View<'_>) -> Gate {
    if let Some(rule) = known::rule(view.resource) {
        return rule.judge(view);
    }
    gate(view.resource).map_or(Gate::Open, |judge| judge(view))
}

/// What judges objects of a kind that no table tells of; nothing when they are ready as soon as they are there.
fn gate(resource: &Resource) -> Option<fn(&View<'_>) -> Gate> {
    Some(match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => cluster::namespace,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => cluster::definition,
        ("apiregistration.k8s.io", "APIService") => cluster::api_service,
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => webhooks::configuration,
        ("apps", "Deployment") => workloads::deployment,
        ("apps", "StatefulSet") => workloads::stateful_set,
        ("apps", "DaemonSet") => workloads::daemon_set,
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set,
        ("batch", "Job") => jobs::job,
        ("", "Pod") => pods::pod,
        ("", "PersistentVolumeClaim") => storage::claim,
        ("", "PersistentVolume") => storage::volume,
        ("storage.k8s.io", "StorageClass") => storage::storage_class,
        ("snapshot.storage.k8s.io", "VolumeSnapshotClass" | "VolumeGroupSnapshotClass") => {
            storage::snapshot_class
        }
        ("", "Service") => traffic::service,
        ("networking.k8s.io", "Ingress") => traffic::ingress,
        (group, _) if is_custom(group) => custom::judge,
        _ => return None,
    })
}

/// Groups that Kubernetes itself serves besides those without a dot. Others that end in `.k8s.io` belong to definitions.
const BUILT_IN: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether a group belongs to custom resources.
pub(crate) fn is_custom(group: &str) -> bool {
    group.contains('.') && !BUILT_IN.contains(&group)
}
