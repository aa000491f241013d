//! What a rollback will take away, and what it has, as it is told. Called by `rollback`.

use refloat_core::plan::{RolledBack, left_behind};
use refloat_core::recovery::Removing;
use refloat_core::run::{Progress, RunPlan, Work};
use serde::Serialize;

use crate::recovery::Recovery;

/// What a rollback achieved.
#[derive(Debug, Serialize)]
pub(super) struct Achieved {
    recovery: String,
    run: String,
    resumed: bool,
    removed: Vec<String>,
    /// Volumes that stay with their data, by name.
    kept_volumes: Vec<String>,
    /// What this recovery had created and what stays all the same, with the reason.
    left: Vec<(String, String)>,
    /// What it had not created, with the reason.
    untouched: Vec<(String, String)>,
}

impl Achieved {
    pub(super) fn of(
        recovery: String,
        plan: &RunPlan,
        progress: &Progress,
        resumed: bool,
        untouched: Vec<(String, String)>,
    ) -> Self {
        let left = left_behind(plan, progress);
        let outcomes = progress.outcomes().map(|(_, outcome)| outcome);
        let removed = removals(plan)
            .map(|removing| removing.object.id().to_string())
            .filter(|id| left.iter().all(|(stays, _)| stays != id))
            .collect();
        Self {
            recovery,
            run: plan.run.to_string(),
            resumed,
            removed,
            kept_volumes: outcomes
                .filter_map(|outcome| outcome.text("kept").map(str::to_owned))
                .collect(),
            left,
            untouched,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "recovery {} is taken away: {} objects removed\n",
            self.recovery,
            self.removed.len()
        );
        for volume in &self.kept_volumes {
            text.push_str(&format!(
                "  PersistentVolume {volume} stays with its data (`Retain`)\n"
            ));
        }
        for (id, why) in &self.left {
            text.push_str(&format!("  {id} stays: {why}\n"));
        }
        for (id, why) in &self.untouched {
            text.push_str(&format!("  not touched: {id}: {why}\n"));
        }
        text
    }
}

/// What goes.
pub(super) fn removals(plan: &RunPlan) -> impl Iterator<Item = &Removing> {
    plan.steps.iter().filter_map(|step| match &step.work {
        Work::Remove(removing) => Some(removing),
        _ => None,
    })
}

/// What would go, and what would not.
pub(super) fn preview(recovery: &Recovery, planned: &RolledBack, finished: bool) -> String {
    let plan = &recovery.plan;
    let point = plan.point.as_deref().unwrap_or_default();
    let mut text = format!(
        "rollback of recovery {} (point {point}): {} objects go, in this order\n",
        plan.run,
        removals(&planned.plan).count()
    );
    for removing in removals(&planned.plan) {
        let id = removing.object.id();
        let changed = if planned.changed.contains(&id) {
            " (changed since)"
        } else {
            ""
        };
        let note = match (&removing.keeps, removing.inside.is_empty()) {
            (Some(volume), _) => format!(" (volume {} stays with its data)", volume.name),
            (None, false) => " (unless others use it)".to_owned(),
            (None, true) => String::new(),
        };
        text.push_str(&format!("  remove {id}{changed}{note}\n"));
    }
    if !planned.untouched.is_empty() {
        text.push_str(&format!("not touched: {}\n", planned.untouched.len()));
    }
    for (id, why) in &planned.untouched {
        text.push_str(&format!("  {id}: {why}\n"));
    }
    if !finished {
        text.push_str("the recovery is not finished: it is given up first\n");
    }
    text
}
