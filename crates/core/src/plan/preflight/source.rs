//! May the source still write? Pure; called by `check`.

use super::super::context::Context;
use super::super::selection::starts_nothing;
use super::super::{Evidence, Goal};
use crate::driver::Problem;
use crate::inventory::{Inventory, ThingId};

/// Nobody is started while the old one may still write.
pub(super) fn check(
    context: &Context<'_>,
    target: &Inventory,
    goal: &Goal,
    problems: &mut Vec<Problem>,
) {
    let point = context.source;
    if matches!(goal.evidence, Some(Evidence::Isolated)) && goal.cluster_uid == point.cluster_uid {
        problems.push(Problem::stuck(
            "not-isolated",
            "the target is the source's own cluster: a copy there is not isolated",
            "recover into another cluster",
        ));
    }
    if goal.evidence.is_some() || starts_nothing(context, point, target, goal) {
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
