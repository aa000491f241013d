//! Everything that stands against a recovery, found before anything is changed.

use super::conflicts::is_going;
use super::context::{Context, is_system};
use super::{Evidence, Goal};
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::{Inventory, Thing, ThingId};
use crate::recovery::Existing;

pub(super) fn check(
    context: &Context<'_>,
    point: &PointContent,
    objects: &Inventory,
    target: &Inventory,
    goal: &Goal,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    source(point, target, goal, &mut problems);
    served(context, target, &mut problems);
    required(point, target, goal, &mut problems);
    in_use(context, point, target, goal, &mut problems);
    for unread in &target.unread {
        problems.push(Problem::stuck(
            "inventory-incomplete",
            format!(
                "{} at the target could not be read: {}",
                unread.resource.plural, unread.message
            ),
            "grant `get` and `list`, or repair the API",
        ));
    }
    if point.parts.is_empty() && objects.is_empty() {
        problems.push(Problem::stuck(
            "point-empty",
            "the point holds nothing",
            "take another point",
        ));
    }
    problems
}

/// Nobody is started while the old one may still write.
fn source(point: &PointContent, target: &Inventory, goal: &Goal, problems: &mut Vec<Problem>) {
    if matches!(goal.evidence, Some(Evidence::Isolated)) && goal.cluster_uid == point.cluster_uid {
        problems.push(Problem::stuck(
            "not-isolated",
            "the target is the source's own cluster: a copy there is not isolated",
            "recover into another cluster",
        ));
    }
    if goal.evidence.is_some() {
        return;
    }
    let gone = goal.cluster_uid == point.cluster_uid
        && point.namespaces.iter().all(|namespace| {
            let id = ThingId::cluster("", "Namespace", namespace);
            target.get(&id).is_none()
        });
    if gone {
        return;
    }
    problems.push(Problem::stuck(
        "source-may-be-alive",
        format!(
            "nothing says that site {} can no longer write: two copies would serve the same users",
            point.site
        ),
        "show that it is stopped with `--source-kubeconfig FILE`, or say `--source-dead REASON` (recorded), or `--isolated`",
    ));
}

fn carried_definition(context: &Context<'_>, group: &str, kind: &str) -> bool {
    context
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .any(|definition| {
            definition.text("/spec/group") == Some(group)
                && definition.text("/spec/names/kind") == Some(kind)
        })
}

fn served(context: &Context<'_>, target: &Inventory, problems: &mut Vec<Problem>) {
    let mut missing: Vec<(&str, &str, usize)> = Vec::new();
    for id in context.things.keys() {
        let known = target.serves(&id.group, &id.kind).is_some()
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
            "install what serves this kind at the target, or protect its operator too",
        ));
    }
}

fn required(point: &PointContent, target: &Inventory, goal: &Goal, problems: &mut Vec<Problem>) {
    let mut classes: Vec<&str> = point
        .parts
        .iter()
        .map(|part| part.storage_class.as_str())
        .collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let mapped = goal
            .storage_classes
            .get(class)
            .map_or(class, String::as_str);
        let id = ThingId::cluster("storage.k8s.io", "StorageClass", mapped);
        if target.get(&id).is_none() {
            let there: Vec<&str> = target
                .of_kind("storage.k8s.io", "StorageClass")
                .map(Thing::name)
                .collect();
            problems.push(Problem::stuck(
                "storage-class-missing",
                format!("the target has no StorageClass `{mapped}`"),
                format!(
                    "map it with `--map-storage-class {class}=NAME` (there: {})",
                    if there.is_empty() {
                        "none".to_owned()
                    } else {
                        there.join(", ")
                    }
                ),
            ));
        }
    }
    for need in &point.required {
        if need.thing.is("storage.k8s.io", "StorageClass") || target.get(&need.thing).is_some() {
            continue;
        }
        problems.push(Problem::stuck(
            "required-missing",
            format!("the target lacks {}, needed by {}", need.thing, need.why),
            "create it at the target: it is not the protection's own, so it is never written",
        ));
    }
}

/// Objects that the cluster itself puts into every namespace.
fn is_default(thing: &Thing) -> bool {
    let id = thing.id();
    id.is("", "Namespace") || super::steps::is_made_by_cluster(&id)
}

fn in_use(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
    problems: &mut Vec<Problem>,
) {
    if goal.existing != Existing::Fail {
        return;
    }
    for namespace in &point.namespaces {
        if is_system(namespace) {
            continue;
        }
        let found: Vec<String> = target
            .iter()
            .filter(|thing| thing.namespace() == Some(namespace) && !is_default(thing))
            .filter(|thing| !is_going(thing))
            .map(|thing| thing.id().to_string())
            .collect();
        if let Some(first) = found.first() {
            problems.push(Problem::stuck(
                "namespace-in-use",
                format!(
                    "namespace `{namespace}` at the target holds {} objects already, {first} among them",
                    found.len()
                ),
                "empty or delete it, or say what is to become of what is there: `--existing skip`, `update` or `replace`",
            ));
        }
    }
    for id in context.things.keys().filter(|id| id.namespace.is_none()) {
        if !id.is("", "Namespace") && target.get(id).is_some_and(|there| !is_going(there)) {
            problems.push(Problem::stuck(
                "already-exists",
                format!("{id} is at the target already and belongs to the protection"),
                "delete it, or say what is to become of it: `--existing skip` or `update`",
            ));
        }
    }
}
