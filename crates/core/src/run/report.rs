//! What a run took: per phase, per step, and the chain of steps that decided its length.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Phase, Progress, RunPlan, Step, StepState};

/// Time of one phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseTime {
    /// Its label.
    pub phase: String,
    /// Steps in it.
    pub steps: usize,
    /// When its first step could start.
    pub began: Timestamp,
    /// When its last step was done.
    pub ended: Timestamp,
    /// From the one to the other.
    pub seconds: f64,
}

/// Time of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTime {
    /// Its id.
    pub step: String,
    /// From the moment when its edges were open until it was done.
    pub seconds: f64,
    /// Of these, from the last thing that was done for it: the wait for its gate.
    pub gate_seconds: f64,
}

/// What a run took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// When it started.
    pub started: Option<Timestamp>,
    /// When its last step was done.
    pub ended: Option<Timestamp>,
    /// From the one to the other.
    pub seconds: f64,
    /// Phases in their order.
    pub phases: Vec<PhaseTime>,
    /// Every step that is done, longest first.
    pub steps: Vec<StepTime>,
    /// The steps that followed one another without a gap until the end, first to last.
    pub critical_path: Vec<StepTime>,
}

fn between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn times(progress: &Progress, step: &Step) -> Option<(Timestamp, Timestamp, Timestamp)> {
    match progress.state(&step.id)? {
        StepState::Done { began, since, at } => Some((*began, *since, *at)),
        StepState::Running { .. } | StepState::Stuck { .. } => None,
    }
}

impl Report {
    /// Reads it from a run's journal.
    pub fn of(plan: &RunPlan, progress: &Progress) -> Self {
        let mut phases: BTreeMap<Phase, PhaseTime> = BTreeMap::new();
        let mut steps = Vec::new();
        for step in &plan.steps {
            let Some((began, _, at)) = times(progress, step) else {
                continue;
            };
            let phase = phases.entry(step.phase).or_insert_with(|| PhaseTime {
                phase: step.phase.label().to_owned(),
                steps: 0,
                began,
                ended: at,
                seconds: 0.0,
            });
            phase.steps += 1;
            phase.began = phase.began.min(began);
            phase.ended = phase.ended.max(at);
            phase.seconds = between(phase.began, phase.ended);
            steps.extend(step_time(progress, step));
        }
        steps.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let ended = plan
            .steps
            .iter()
            .filter_map(|step| Some(times(progress, step)?.2))
            .max();
        let seconds = match (progress.started(), ended) {
            (Some(started), Some(ended)) => between(started, ended),
            _ => 0.0,
        };
        Self {
            started: progress.started(),
            ended,
            seconds,
            phases: phases.into_values().collect(),
            steps,
            critical_path: critical_path(plan, progress),
        }
    }
}

fn step_time(progress: &Progress, step: &Step) -> Option<StepTime> {
    let (began, since, at) = times(progress, step)?;
    Some(StepTime {
        step: step.id.clone(),
        seconds: between(began, at),
        gate_seconds: between(since, at),
    })
}

/// From the step that was done last, always to the one of its needs that was done last.
fn critical_path(plan: &RunPlan, progress: &Progress) -> Vec<StepTime> {
    let done = |step: &&Step| times(progress, step).map(|(_, _, at)| at);
    let by_id = plan.by_id();
    let mut at = plan
        .steps
        .iter()
        .filter(|step| done(step).is_some())
        .max_by_key(done);
    let mut path = Vec::new();
    while let Some(step) = at {
        path.extend(step_time(progress, step));
        if path.len() > plan.steps.len() {
            break;
        }
        at = step
            .needs
            .iter()
            .filter_map(|edge| by_id.get(edge.on.as_str()).copied())
            .filter(|step| done(step).is_some())
            .max_by_key(done);
    }
    path.reverse();
    path
}
