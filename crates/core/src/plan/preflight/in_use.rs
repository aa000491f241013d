//! Is somebody else's work in the place where the recovery writes? Pure; called by `check`.

use super::super::conflicts::{is_going, there};
use super::super::context::{Context, is_system};
use super::super::{Goal, adopted};
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::{Inventory, Thing, made_everywhere_in};
use crate::recovery::Existing;

/// Objects that the cluster itself, or a controller, puts into every namespace.
fn is_default(thing: &Thing, target: &Inventory) -> bool {
    let id = thing.id();
    id.is("", "Namespace")
        || adopted::is_made_by_cluster(&id)
        || made_everywhere_in(target, thing).is_some()
}

pub(super) fn check(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
    problems: &mut Vec<Problem>,
) {
    // Of a selection each thing is looked at for itself, where it is chosen.
    if goal.existing != Existing::Fail || !goal.selection.is_whole() {
        return;
    }
    for namespace in &point.namespaces {
        if is_system(namespace) {
            continue;
        }
        let found: Vec<String> = target
            .iter()
            .filter(|thing| thing.namespace() == Some(namespace) && !is_default(thing, target))
            .filter(|thing| !is_going(thing, target))
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
        if !id.is("", "Namespace") && there(target, id).is_some() {
            problems.push(Problem::stuck(
                "already-exists",
                format!("{id} is at the target already and belongs to the protection"),
                "delete it, or say what is to become of it: `--existing skip` or `update`",
            ));
        }
    }
}
