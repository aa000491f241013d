//! Which step must wait for which: from a point and a target to a run plan that can be printed, compared and approved.
//!
//! Planning changes nothing and finds all problems, not the first. Edges come from `rules`, one file each; phases are
//! labels. Called by `plan` and `recover`.

mod adopted;
mod asked;
mod clean;
mod conflicts;
mod connections;
mod context;
mod cycles;
mod draft;
mod duties;
mod gates;
mod labelled;
mod links;
mod mapping;
mod operators;
mod order;
mod owners;
mod page;
mod phases;
mod preflight;
mod rollback;
mod rules;
mod selection;
mod show;
mod status;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::{Inventory, LeftOut};
use crate::names::{RunId, SiteName};
use crate::recovery::Existing;
use crate::run::{RunKind, RunPlan};

pub use crate::run::Evidence;
pub(crate) use adopted::is_made_by_cluster;
pub use clean::clean;
pub use connections::{Client, Connection, Connections, Peer, Witness, Workload};
pub use cycles::Broken;
use draft::{Draft, draft};
pub use mapping::{Form, Mapped, MappedKind, Mappings, ObjectPatch, Remain, Target};
pub use page::page;
pub use preflight::{
    Away, Facts, Findings, Judging, Preflight, Refusal, Rehearsal, Rehearsals, Rehearsed, Said,
    Survey, Trial, warning_line,
};
pub use rollback::{Changed, Data, RollbackGoal, RolledBack, left_behind, rollback, rollback_look};
pub use rules::{OWN_RULES, OwnRule, RULES, Rule};
pub use selection::{NewName, NewNameError, Selection, What, WhatError};
pub use show::{
    Around, ChangedStep, Conflict, DOCUMENT, Detail, Difference, Direction, Document,
    EstimateSummary, ExplainedChain, ExplainedStep, Fate, FieldChange, Language, Moves, Reason,
    VERSION, View, document_of,
};

/// Which ports the nodes give to recovered Services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NodePorts {
    /// The cluster gives new ones.
    #[default]
    Anew,
    /// Those of the source.
    Preserve,
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
    /// Which node ports Services get.
    pub node_ports: NodePorts,
    /// StorageClasses by their names at the source.
    pub storage_classes: BTreeMap<String, String>,
    /// Other names at the target, and patches.
    pub mappings: Mappings,
    /// Image of the movers.
    pub mover_image: String,
    /// Identity of the target cluster.
    pub cluster_uid: String,
    /// What of the point is wanted.
    pub selection: Selection,
    /// Gates of the user's own, by name, that are not waited for.
    pub skip_gates: BTreeSet<String>,
    /// Connections that were seen at the source.
    pub connections: Connections,
}

/// A planned recovery.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its steps, in an order that respects all edges.
    pub plan: RunPlan,
    /// What does not come back, and why.
    pub left_out: Vec<LeftOut>,
    /// What each mapping and patch did.
    pub mapped: Vec<Mapped>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Edges that were left out because they closed a cycle; each kind of them is in the warnings.
    pub broken: Vec<Broken>,
    /// What was chosen, a line each; empty when everything comes back.
    pub selected: Vec<String>,
}

/// Plans a recovery, or says everything that stands against it.
pub fn plan(
    point_id: &str,
    point: &PointContent,
    objects: &Inventory,
    target: &Inventory,
    goal: &Goal,
) -> Result<Planned, Vec<Problem>> {
    match attempt(point_id, point, objects, target, goal) {
        (Some(planned), problems) if problems.is_empty() => Ok(planned),
        (_, problems) => Err(problems),
    }
}

/// The same for who wants to see both: the plan where there is one, and everything that stands against it. A plan with
/// problems is to be read, never to be performed.
pub fn attempt(
    point_id: &str,
    point: &PointContent,
    objects: &Inventory,
    target: &Inventory,
    goal: &Goal,
) -> (Option<Planned>, Vec<Problem>) {
    let carried = mapping::map(point, objects, goal);
    let (context, mut left_out) = carried.context(point, target);
    let (point, objects) = (carried.point.as_ref(), carried.objects.as_ref());
    let Draft {
        mut steps,
        mut problems,
        mut warnings,
        mut broken,
    } = draft(&context, point, goal);
    problems.extend(carried.problems.iter().cloned());
    let selected = selection::select(&context, target, goal, &left_out, &mut steps);
    problems.extend(match &selected.chosen {
        None => preflight::check(&context, point, objects, target, goal),
        Some(chosen) => selection::check(&context, point, target, goal, chosen),
    });
    problems.extend(selected.problems);
    let (conflicting, notes) = match &selected.chosen {
        None => conflicts::check(&context, point, target, goal),
        Some(chosen) => selection::conflicts(&context, point, target, goal, chosen),
    };
    problems.extend(conflicting);
    warnings.extend(notes);
    if selected.chosen.is_some() {
        left_out.clear();
    }
    gates::add(
        &context,
        point,
        goal,
        &mut steps,
        &mut problems,
        &mut warnings,
    );
    owners::add(&context, &mut steps, &mut warnings);
    status::add(&context, &mut steps, &mut warnings);
    broken.retain(|one| steps.contains_key(&one.step));
    warnings.extend(cycles::warnings(&broken));
    warnings.extend(selected.warnings);
    warnings.extend(warned(objects, target, goal));
    warnings.extend(links::useless(&context));
    warnings.extend(rules::flux_unknown(&context));
    let ordered = match order::order(steps) {
        Ok(ordered) => ordered,
        Err(problem) => {
            // What the cycle is has been told already.
            if problems.iter().all(|one| one.code != problem.code) {
                problems.push(problem);
            }
            return (None, problems);
        }
    };
    let plan = RunPlan {
        kind: RunKind::Restore,
        run: goal.run.clone(),
        protection: point.protection.clone(),
        site: goal.site.clone(),
        point: Some(point_id.to_owned()),
        mover_image: goal.mover_image.clone(),
        steps: ordered,
    };
    warnings.extend(mapping::warnings(&carried.mapped));
    let planned = Planned {
        plan,
        left_out,
        mapped: carried.mapped,
        warnings,
        broken,
        selected: selected.lines,
    };
    (Some(planned), problems)
}

/// What nobody has made sure.
fn warned(objects: &Inventory, target: &Inventory, goal: &Goal) -> Vec<String> {
    let mut warnings = Vec::new();
    if objects.kubernetes_version != target.kubernetes_version
        && !target.kubernetes_version.is_empty()
    {
        warnings.push(format!(
            "the point was made on Kubernetes {}, the target is {}",
            objects.kubernetes_version, target.kubernetes_version
        ));
    }
    warnings.extend(goal.evidence.as_ref().and_then(Evidence::warning));
    warnings
}
