//! Everything that stands against a recovery, found before anything is changed.

mod in_use;
mod required;
mod served;
mod source;

use super::Goal;
use super::context::Context;
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::Inventory;

pub(super) fn check(
    context: &Context<'_>,
    point: &PointContent,
    objects: &Inventory,
    target: &Inventory,
    goal: &Goal,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    source::check(point, target, goal, &mut problems);
    served::check(context, target, &mut problems);
    required::check(point, target, goal, &mut problems);
    in_use::check(context, point, target, goal, &mut problems);
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
