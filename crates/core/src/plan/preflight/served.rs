//! Does the target serve every kind that is written? Pure; called by `check`.

use super::super::context::Context;
use crate::driver::Problem;

pub(super) fn carried_definition(context: &Context<'_>, group: &str, kind: &str) -> bool {
    context
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .any(|definition| {
            definition.text("/spec/group") == Some(group)
                && definition.text("/spec/names/kind") == Some(kind)
        })
}

pub(super) fn check(context: &Context<'_>, problems: &mut Vec<Problem>) {
    let mut missing: Vec<(&str, &str, usize)> = Vec::new();
    for id in context.things.keys() {
        let known = context.serves(&id.group, &id.kind).is_some()
            || carried_definition(context, &id.group, &id.kind);
        if known {
            continue;
        }
        match missing
            .iter_mut()
            .find(|(group, kind, _)| *group == id.group && *kind == id.kind)
        {
            Some((_, _, count)) => *count += 1,
            None => missing.push((&id.group, &id.kind, 1)),
        }
    }
    for (group, kind, count) in missing {
        problems.push(Problem::stuck(
            "kind-not-served",
            format!(
                "the target does not serve {kind}.{group} ({count} objects of it would be lost)"
            ),
            successor(group, kind).map_or_else(
                || "install what serves this kind at the target, or protect its operator too".to_owned(),
                |successor| format!("Kubernetes removed this kind: at the source, move to {successor}, then take a new point"),
            ),
        ));
    }
}

/// What took the place of kinds that Kubernetes removed (kubernetes.io/docs/reference/using-api/deprecation-guide).
fn successor(group: &str, kind: &str) -> Option<&'static str> {
    Some(match (group, kind) {
        ("extensions", "Ingress") => "Ingress of networking.k8s.io/v1",
        ("extensions", "NetworkPolicy") => "NetworkPolicy of networking.k8s.io/v1",
        ("extensions", "Deployment" | "DaemonSet" | "ReplicaSet") => "the same kind of apps/v1",
        ("extensions" | "policy", "PodSecurityPolicy") => "Pod Security labels of the namespaces",
        _ => return None,
    })
}
