//! The pure heart of a run: which steps may run now, what each must read, and what it decides.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{Progress, RunPlan, Step, StepState, Work};
use crate::driver::{Driver, Effect, Outcome, Problem, Query, Seen, Task, Verdict, Why};
use crate::planted::{self, Bug};
use crate::readiness::Clock;
use crate::readiness::user::GateTask;
use crate::{backup, capture, probe, recovery};

/// The drivers that a run may use, by id.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    /// The catalogue.
    pub drivers: &'a [&'static dyn Driver],
}

impl Workers<'_> {
    fn driver(&self, id: &str) -> Result<&'static dyn Driver, Problem> {
        let found = self.drivers.iter().find(|driver| driver.facts().id == id);
        found.copied().ok_or_else(|| {
            Problem::stuck(
                "driver-missing",
                format!("this refloat has no driver `{id}`"),
                "use a refloat at least as new as the one that made the point",
            )
        })
    }
}

/// When a decision is made.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// How long the step's limit has run, by a clock that does not jump.
    pub waited: Duration,
}

/// What one step decided in one turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Act or look again, as the verdict says.
    Verdict(Verdict),
    /// It waited longer than its limit.
    Overdue(Problem),
}

/// Steps that may run now, in plan order.
///
/// While a run is being given up these are its clean-up steps, whatever their edges.
pub fn eligible<'a>(plan: &'a RunPlan, progress: &Progress) -> Vec<&'a Step> {
    if progress.ended().is_some() {
        return Vec::new();
    }
    let giving_up = progress.failing().is_some();
    let by_id = plan.by_id();
    let cleans_up = |id: &str| by_id.get(id).is_some_and(|step| step.cleanup);
    plan.steps
        .iter()
        .filter(|step| !progress.is_done(&step.id))
        .filter(|step| {
            let cleaned_before = step
                .needs
                .iter()
                .filter(|edge| cleans_up(&edge.on))
                .all(|edge| progress.is_done(&edge.on));
            let open = step.needs.iter().all(|edge| progress.is_done(&edge.on));
            if giving_up {
                step.cleanup && cleaned_before
            } else {
                open
            }
        })
        .filter(|step| !matches!(progress.state(&step.id), Some(StepState::Stuck { .. })))
        .collect()
}

/// What the steps have brought that a step needs. A clean-up step runs without them when a run is given up: it knows what those steps
/// had to go by.
fn prior(plan: &RunPlan, step: &Step, progress: &Progress) -> BTreeMap<String, Outcome> {
    let mut known = BTreeMap::new();
    for edge in &step.needs {
        if let Some(outcome) = progress.outcome(&edge.on) {
            known.insert(edge.on.to_string(), outcome.clone());
        } else if let Some(open) = plan.step(&edge.on).filter(|_| step.cleanup) {
            let before = open.needs.iter().filter_map(|edge| {
                let outcome = progress.outcome(&edge.on)?;
                Some((edge.on.to_string(), outcome.clone()))
            });
            known.extend(before);
        }
    }
    known
}

/// What a step must read first.
pub fn first_queries(
    plan: &RunPlan,
    step: &Step,
    progress: &Progress,
    workers: Workers<'_>,
) -> Vec<Query> {
    match &step.work {
        Work::Driver { op, claim, inputs } => {
            let Ok(driver) = workers.driver(&claim.driver) else {
                return Vec::new();
            };
            driver.look(&Task {
                op: *op,
                run: &plan.run,
                step: &step.id,
                claim,
                inputs,
                prior: &prior(plan, step, progress),
                ran: None,
            })
        }
        Work::SystemNamespace => recovery::system_namespace_look(),
        Work::Fill(filling) => filling.look(plan, step, &prior(plan, step, progress)),
        Work::Write(writing) => writing.look(),
        Work::Remove(removing) => removing.look(),
        Work::Link(linking) => linking.look(),
        Work::Retain(retaining) => retaining.look(),
        Work::Gate(gating) => gating.look(&gate_task(plan, step, progress, None)),
        Work::VaultAccess => backup::vault_access_look(plan),
        Work::VaultAccessEnd => backup::vault_access_end_look(plan),
        Work::Capture(_) | Work::Release { .. } | Work::StoreObjects | Work::Seal { .. } => {
            Vec::new()
        }
    }
}

/// What a step decides, given what was seen. `effected` holds what the engine's own effects of this step brought.
pub fn advance(
    plan: &RunPlan,
    step: &Step,
    progress: &Progress,
    workers: Workers<'_>,
    seen: &Seen,
    effected: Option<&Outcome>,
    moment: Moment,
) -> Decision {
    let now = moment.now;
    let prior = prior(plan, step, progress);
    if backup::is_of_left_out(step, &prior) {
        return Decision::Verdict(Verdict::Done(backup::nothing_to_do()));
    }
    let verdict = match &step.work {
        Work::Driver { op, claim, inputs } => match workers.driver(&claim.driver) {
            Ok(driver) => driver.decide(
                &Task {
                    op: *op,
                    run: &plan.run,
                    step: &step.id,
                    claim,
                    inputs,
                    prior: &prior,
                    ran: effected,
                },
                seen,
                now,
            ),
            Err(problem) => Verdict::Stuck(problem),
        },
        Work::Capture(capturing) => capture::decide(capturing, &prior, effected),
        Work::Release { capture, member } => {
            let since = since(step, progress);
            capture::release_decide(capture, member, progress, since, effected, now)
        }
        Work::SystemNamespace => recovery::system_namespace_decide(seen),
        Work::VaultAccess => backup::vault_access_decide(plan, seen),
        Work::VaultAccessEnd => backup::vault_access_end_decide(plan, seen),
        Work::Fill(filling) => filling.decide(plan, step, progress.resumed(), &prior, seen),
        Work::Write(writing) => {
            let waited = moment.waited;
            let deeds = progress.deeds(&step.id);
            writing.decide(&plan.run, deeds, seen, Clock { now, waited })
        }
        Work::Remove(removing) => {
            let waited = moment.waited;
            removing.decide(seen, Clock { now, waited })
        }
        Work::Link(linking) => linking.decide(&plan.run, seen),
        Work::Retain(retaining) => retaining.decide(seen),
        Work::Gate(gating) => {
            let waited = moment.waited;
            let task = gate_task(plan, step, progress, effected);
            gating.decide(&task, seen, Clock { now, waited })
        }
        Work::StoreObjects => backup::store_objects_decide(effected),
        Work::Seal { draft } => backup::seal_decide(draft, progress, effected, now),
    };
    let why = match &verdict {
        Verdict::Wait(why) => why.clone(),
        Verdict::Act(effects) => acting(step, effects, effected),
        Verdict::Look(_) | Verdict::Done(_) | Verdict::Stuck(_) => {
            return Decision::Verdict(verdict);
        }
    };
    match overdue(step, &why, moment.waited) {
        Some(_) if may_answer(step, &verdict, moment.waited) => Decision::Verdict(verdict),
        Some(problem) => Decision::Overdue(problem),
        None => Decision::Verdict(verdict),
    }
}

/// Whether a gate whose time is over is just being asked, or a pod that has asked is to be removed: its answer is better than none, and
/// who skips the gate finds no pod.
fn may_answer(step: &Step, verdict: &Verdict, waited: Duration) -> bool {
    let is_asked = match verdict {
        Verdict::Wait(why) => probe::is_asking(why),
        Verdict::Act(effects) => matches!(effects.first(), Some(Effect::Delete { .. })),
        Verdict::Look(_) | Verdict::Done(_) | Verdict::Stuck(_) => false,
    };
    is_asked && step.work.only_asks() && waited <= step.limit() + probe::ANSWER_MAX
}

/// What is waited for by who acts: of a gate, another answer than the last one, or its first.
fn acting(step: &Step, effects: &[Effect], effected: Option<&Outcome>) -> Why {
    let effect = effects.first();
    let still = effect.map(|effect| format!("still has to {}", effect.describe()));
    let still = still.unwrap_or_default();
    if !step.work.only_asks() {
        return Why::new("acting", still);
    }
    match probe::last_no(effected) {
        Some(said) => Why::new("gate-closed", format!("when it was asked last: {said}"))
            .taking("another answer"),
        None => Why::new("gate-closed", format!("it has not answered yet, {still}"))
            .taking("an answer, and a limit that one try by a pod fits in"),
    }
}

/// Who asks a user's gate.
fn gate_task<'a>(
    plan: &'a RunPlan,
    step: &'a Step,
    progress: &Progress,
    ran: Option<&'a Outcome>,
) -> GateTask<'a> {
    GateTask {
        run: &plan.run,
        step: &step.id,
        attempt: progress.resumed(),
        image: &plan.mover_image,
        ran,
    }
}

/// When a running step was last acted on or resumed.
fn since(step: &Step, progress: &Progress) -> Option<Timestamp> {
    match progress.state(&step.id)? {
        StepState::Running { since, .. } => Some(*since),
        StepState::Done { .. } | StepState::Stuck { .. } => None,
    }
}

fn overdue(step: &Step, why: &Why, waited: Duration) -> Option<Problem> {
    if planted::is(Bug::WaitWithoutLimit) {
        return None;
    }
    let takes = if why.takes.is_empty() {
        "see to what is waited for"
    } else {
        &format!("it takes this: {}", why.takes)
    };
    let skip = match &step.work {
        Work::Gate(gating) => format!("; {}", gating.skip_hint()),
        _ => String::new(),
    };
    (waited > step.limit()).then(|| {
        Problem::stuck(
            &format!("{}-timeout", why.code),
            format!(
                "{}: waited {} s (limit {} s): {}",
                step.title,
                waited.as_secs(),
                step.limit_seconds,
                why.message
            ),
            format!("{takes}; then run the same command again: it goes on where it was{skip}"),
        )
    })
}

impl From<Problem> for Verdict {
    /// A problem that may pass is waited for (the step's limit bounds it); any other needs a person.
    fn from(problem: Problem) -> Self {
        match problem.class {
            crate::driver::Class::Wait | crate::driver::Class::Retry => {
                Self::Wait(Why::new(&problem.code, problem.message).taking(problem.hint))
            }
            crate::driver::Class::Stuck | crate::driver::Class::Bug => Self::Stuck(problem),
        }
    }
}
