//! From an inventory to the steps of a backup: who is a member, and what follows what.

use super::goal::BackupGoal;
use super::members::Members;
use super::point::PointContent;
use crate::driver::{Driver, Problem};
use crate::inventory::{Inventory, ThingId};
use crate::run::RunPlan;

/// A planned backup.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its steps.
    pub plan: RunPlan,
    /// What is known of the point before it is made.
    pub draft: PointContent,
}

/// Plans a backup, or says everything that stands against it.
pub fn plan(
    inventory: &Inventory,
    goal: &BackupGoal,
    drivers: &[&'static dyn Driver],
) -> Result<Planned, Vec<Problem>> {
    let mut problems = Vec::new();
    for namespace in &goal.namespaces {
        let id = ThingId::cluster("", "Namespace", namespace);
        if inventory.get(&id).is_none() {
            problems.push(Problem::stuck(
                "namespace-missing",
                format!("namespace `{namespace}` does not exist in this cluster"),
                "check the name and the kubeconfig context",
            ));
        }
    }
    for unread in &inventory.unread {
        problems.push(Problem::stuck(
            "inventory-incomplete",
            unread.to_string(),
            "grant `get` and `list`, or repair the API: a point without these objects may not be recoverable",
        ));
    }
    let mut members = Members::find(inventory, goal, drivers, &mut problems);
    members.check_modes(goal, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let draft = members.draft(inventory, goal);
    let plan = members.steps(goal, &draft);
    Ok(Planned { plan, draft })
}
