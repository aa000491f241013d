//! Which step must wait for which: from a point and a target to a run plan that can be printed, compared and approved.
//!
//! Planning changes nothing and finds all problems, not the first. Edges come from `rules`, one file each; phases are
//! labels. Called by `plan` and `recover`.

mod clean;
mod context;
mod explain;
mod gates;
mod order;
mod phases;
mod preflight;
mod rules;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::{Inventory, LeftOut};
use crate::names::{RunId, SiteName};
use crate::recovery::Existing;
use crate::run::{Edge, RunKind, RunPlan};

pub use clean::clean;
pub use rules::{RULES, Rule};

use context::Context;

/// Why the source cannot write any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A person says that it is dead, and why.
    SourceDead {
        /// In the person's words; recorded.
        reason: String,
    },
    /// It was looked at and runs nothing.
    SourceStopped {
        /// What was seen.
        proof: String,
    },
    /// The copy will not meet users or the source's peers.
    Isolated,
}

/// What the user wants of a recovery.
#[derive(Debug, Clone)]
pub struct Goal {
    /// This recovery.
    pub run: RunId,
    /// Where it runs.
    pub site: SiteName,
    /// Why the source cannot write any more; `None` refuses.
    pub evidence: Option<Evidence>,
    /// What to do with objects that are there already.
    pub existing: Existing,
    /// StorageClasses by their names at the source.
    pub storage_classes: BTreeMap<String, String>,
    /// Image of the movers.
    pub mover_image: String,
    /// Identity of the target cluster.
    pub cluster_uid: String,
    /// Gates of the user's own, by name, that are not waited for.
    pub skip_gates: BTreeSet<String>,
}

/// A planned recovery.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its steps, in an order that respects all edges.
    pub plan: RunPlan,
    /// What does not come back, and why.
    pub left_out: Vec<LeftOut>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Plans a recovery, or says everything that stands against it.
pub fn plan(
    point_id: &str,
    point: &PointContent,
    objects: &Inventory,
    target: &Inventory,
    goal: &Goal,
) -> Result<Planned, Vec<Problem>> {
    let (context, left_out) = Context::of(point, objects, target);
    let mut problems = preflight::check(&context, point, objects, target, goal);
    let mut warnings = Vec::new();
    let mut steps = steps::steps(&context, point, goal, &mut problems);
    for rule in RULES {
        for drawn in (rule.draw)(&context) {
            if let Some(step) = steps.get_mut(&drawn.step)
                && drawn.step != drawn.on
            {
                let edge = Edge::new(&drawn.on, rule.name, drawn.evidence);
                step.needs.insert(edge.with(drawn.confidence));
            }
        }
    }
    let known: Vec<String> = steps.keys().cloned().collect();
    for step in steps.values_mut() {
        step.needs.retain(|edge| known.contains(&edge.on));
    }
    gates::add(
        &context,
        point,
        goal,
        &mut steps,
        &mut problems,
        &mut warnings,
    );
    if objects.kubernetes_version != target.kubernetes_version
        && !target.kubernetes_version.is_empty()
    {
        warnings.push(format!(
            "the point was made on Kubernetes {}, the target is {}",
            objects.kubernetes_version, target.kubernetes_version
        ));
    }
    if let Some(Evidence::SourceDead { reason }) = &goal.evidence {
        warnings.push(format!(
            "nobody has fenced the source; it is taken for dead: {reason}"
        ));
    }
    let ordered = match order::order(steps) {
        Ok(ordered) => ordered,
        Err(problem) => {
            problems.push(problem);
            Vec::new()
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let plan = RunPlan {
        kind: RunKind::Restore,
        run: goal.run.clone(),
        protection: point.protection.clone(),
        site: goal.site.clone(),
        point: Some(point_id.to_owned()),
        mover_image: goal.mover_image.clone(),
        steps: ordered,
    };
    Ok(Planned {
        plan,
        left_out,
        warnings,
    })
}
