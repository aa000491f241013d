//! Does the target serve every kind that is written? Pure; called by `check`.

use super::super::context::Context;
use crate::driver::Problem;
use crate::inventory::Inventory;

fn carried_definition(context: &Context<'_>, group: &str, kind: &str) -> bool {
    context
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .any(|definition| {
            definition.text("/spec/group") == Some(group)
                && definition.text("/spec/names/kind") == Some(kind)
        })
}

pub(super) fn check(context: &Context<'_>, target: &Inventory, problems: &mut Vec<Problem>) {
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
