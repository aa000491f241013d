//! A recovery in two goes: what belongs to it up to a phase, what is left for later, and the names of the phases.
//!
//! Pure. `drive` performs the part and pauses; `plan` and the CLI show the same cut.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Phase, Progress, RunPlan, Step, Work};

/// Phases of a recovery by the names that people give, in their order.
pub const RECOVERY_PHASES: &[(&str, Phase)] = &[
    ("guard", Phase::Guard),
    ("namespaces", Phase::Namespaces),
    ("crds", Phase::Crds),
    ("operators", Phase::Operators),
    ("storage", Phase::Storage),
    ("databases", Phase::Databases),
    ("queues", Phase::Queues),
    ("applications", Phase::Applications),
    ("traffic", Phase::Traffic),
];

/// The step that a pause adds: movers' access to the vault does not outlast it.
pub const PAUSE_STEP: &str = "vault-access-pause";

impl Phase {
    /// The phase of a recovery with this name: `databases`.
    pub fn of_recovery(name: &str) -> Option<Self> {
        let found = RECOVERY_PHASES.iter().find(|(known, _)| *known == name);
        found.map(|(_, phase)| *phase)
    }

    /// The name that a person gives: `databases`; the label where a recovery has no such phase.
    pub fn name(self) -> &'static str {
        let found = RECOVERY_PHASES.iter().find(|(_, phase)| *phase == self);
        found.map_or_else(|| self.label(), |(name, _)| *name)
    }
}

/// Ids of the steps that are done before a recovery pauses after a phase: those of the phases up to it, all that they need
/// whatever its phase, and the clean-up of what is done by then.
fn before(plan: &RunPlan, phase: Phase) -> BTreeSet<&str> {
    let mut inside: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|step| !step.cleanup && step.phase <= phase)
        .map(|step| step.id.as_str())
        .collect();
    let mut open: Vec<&Step> = plan
        .steps
        .iter()
        .filter(|step| inside.contains(step.id.as_str()))
        .collect();
    let by_id: BTreeMap<&str, &Step> = plan
        .steps
        .iter()
        .map(|step| (step.id.as_str(), step))
        .collect();
    while let Some(step) = open.pop() {
        for on in step
            .needs
            .iter()
            .filter_map(|edge| by_id.get(edge.on.as_str()))
        {
            if inside.insert(&on.id) {
                open.push(on);
            }
        }
    }
    // In plan order a clean-up step stands behind those that it needs.
    for step in plan.steps.iter().filter(|step| step.cleanup) {
        if step
            .needs
            .iter()
            .all(|edge| inside.contains(edge.on.as_str()))
        {
            inside.insert(&step.id);
        }
    }
    inside
}

/// The part of a recovery that is done before it pauses after a phase; `None` when that is all of it.
///
/// While volumes are still to come the movers' access to the vault is taken away for the pause, and given again afterwards.
pub fn until(plan: &RunPlan, phase: Phase) -> Option<RunPlan> {
    let inside = before(plan, phase);
    if inside.len() == plan.steps.len() {
        return None;
    }
    let mut part = RunPlan {
        steps: plan
            .steps
            .iter()
            .filter(|step| inside.contains(step.id.as_str()))
            .cloned()
            .collect(),
        ..plan.clone()
    };
    let has = |work: &Work| part.steps.iter().any(|step| step.work == *work);
    if has(&Work::VaultAccess) && !has(&Work::VaultAccessEnd) {
        let needs = part
            .steps
            .iter()
            .map(|step| {
                Edge::new(
                    &step.id,
                    "MOVERS_GONE_FIRST",
                    "the access goes last before a pause",
                )
            })
            .collect();
        part.steps.push(Step {
            id: PAUSE_STEP.to_owned(),
            phase: Phase::Clean,
            title: "take the movers' access to the vault away for the pause".to_owned(),
            needs,
            work: Work::VaultAccessEnd,
            limit_seconds: 600,
            cleanup: true,
        });
    }
    Some(part)
}

/// Steps that are done again when a recovery goes on after this part.
pub fn again(part: &RunPlan) -> Vec<String> {
    if part.step(PAUSE_STEP).is_none() {
        return Vec::new();
    }
    let access = part
        .steps
        .iter()
        .filter(|step| step.work == Work::VaultAccess);
    access
        .map(|step| step.id.clone())
        .chain([PAUSE_STEP.to_owned()])
        .collect()
}

/// Steps of later phases that are done before the pause, because an earlier one needs them.
pub fn drawn_in(part: &RunPlan, phase: Phase) -> Vec<&Step> {
    part.steps
        .iter()
        .filter(|step| !step.cleanup && step.phase > phase)
        .collect()
}

/// How many steps of each phase are left behind a pause, clean-up apart.
pub fn left(plan: &RunPlan, phase: Phase) -> BTreeMap<Phase, usize> {
    let inside = before(plan, phase);
    let mut left = BTreeMap::new();
    for step in &plan.steps {
        if !step.cleanup && !inside.contains(step.id.as_str()) {
            *left.entry(step.phase).or_default() += 1;
        }
    }
    left
}

/// The first step behind a pause after this phase that has begun already: the recovery is past it.
pub fn passed<'a>(plan: &'a RunPlan, progress: &Progress, phase: Phase) -> Option<&'a Step> {
    let inside = before(plan, phase);
    plan.steps
        .iter()
        .find(|step| !inside.contains(step.id.as_str()) && progress.state(&step.id).is_some())
}

/// What a person reads of a pause: what is done before it although it belongs to a later phase, and what is left.
pub fn describe(plan: &RunPlan, phase: Phase) -> String {
    let Some(part) = until(plan, phase) else {
        return format!(
            "nothing is left after {}: it does not pause\n",
            phase.label()
        );
    };
    let mut text = format!("pauses after {}\n", phase.label());
    for step in drawn_in(&part, phase) {
        text.push_str(&format!(
            "  before that, because an earlier step needs it: {} ({})\n",
            step.title,
            step.phase.label()
        ));
    }
    let left: Vec<String> = left(plan, phase)
        .iter()
        .map(|(phase, count)| format!("{} ({count} steps)", phase.label()))
        .collect();
    let left = if left.is_empty() {
        "clean-up".to_owned()
    } else {
        left.join(", ")
    };
    text.push_str(&format!("  left for `--continue`: {left}\n"));
    text
}
