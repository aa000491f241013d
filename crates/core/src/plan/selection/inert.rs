//! Whether a recovery starts anything: one that does not needs no evidence that the source is dead.
//!
//! The rule: nothing is started, and nothing but what a person says meets users, when every chosen thing is of a kind that only lies
//! there, and nothing at the target waits for it. In the source's own cluster a workload that waits for it is the source itself; in
//! another one it would be a second copy. What is there already is never overwritten, whatever the evidence.

use crate::json::Json;

use crate::backup::PointContent;
use crate::inventory::{Inventory, ThingId};
use crate::plan::Goal;
use crate::plan::context::Context;

/// Kinds that only lie there: group and kind.
const INERT: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "PersistentVolumeClaim"),
    ("", "ServiceAccount"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
];
/// Kinds that lead to what runs; in the source's own cluster that is the source.
const LEADING: &[(&str, &str)] = &[("", "Service"), ("networking.k8s.io", "Ingress")];

/// True when what is chosen, and this context holds nothing else, starts nothing at the target.
pub(in crate::plan) fn starts_nothing(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
) -> bool {
    if goal.selection.is_whole() {
        return false;
    }
    let home = goal.cluster_uid == point.cluster_uid;
    let is =
        |id: &ThingId, kinds: &[(&str, &str)]| kinds.iter().any(|(group, kind)| id.is(group, kind));
    let lies = |id: &ThingId| is(id, INERT) || home && is(id, LEADING);
    let claims = context.parts.iter().filter_map(super::claim_of);
    context.things.keys().all(lies)
        && (home
            || context
                .things
                .keys()
                .cloned()
                .chain(claims)
                .all(|id| !is_awaited(&id, target, goal)))
}

/// True when a workload at the target names it: its pods may wait for nothing else.
fn is_awaited(id: &ThingId, target: &Inventory, goal: &Goal) -> bool {
    let name = goal
        .selection
        .renamed
        .as_ref()
        .map_or(id.name.as_str(), |name| name.as_str());
    let namespace = id.namespace.as_deref();
    target.iter().any(|thing| {
        let here = thing.namespace() == namespace;
        let named = || thing.pod_spec().is_some_and(|spec| names(spec, name));
        let claimed =
            || id.is("", "PersistentVolumeClaim") && super::rename::is_claim_of(thing, name);
        here && (named() || claimed())
    })
}

fn names(value: &Json, name: &str) -> bool {
    match value {
        Json::String(text) => text == name,
        Json::Array(list) => list.iter().any(|one| names(one, name)),
        Json::Object(map) => map.values().any(|one| names(one, name)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
