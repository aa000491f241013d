//! Are the StorageClasses and the other cluster-scoped things there that the point needs? Pure; called by `check`.

use super::super::Goal;
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::{Inventory, Thing, ThingId};

pub(super) fn check(
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
    problems: &mut Vec<Problem>,
) {
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
