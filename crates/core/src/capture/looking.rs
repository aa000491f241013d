//! Looks at the cuts that are awaited: what their drivers read, decide and have done.

use std::collections::BTreeMap;

use super::machine::Event;
use super::spec::{Capture, Cut};
use crate::driver::{
    Driver, Effect, Effected, LOOK_ROUNDS_MAX, Op, Outcome, Problem, Query, Seen, Task, Verdict,
};
use crate::run::RunPlan;
use crate::world::World;

/// What a look at cuts needs.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) plan: &'a RunPlan,
    pub(super) drivers: &'a [&'static dyn Driver],
    /// By part: what its own check brought.
    pub(super) checks: &'a BTreeMap<String, BTreeMap<String, Outcome>>,
}

/// One look at every cut that is awaited, and what follows from it.
pub(super) async fn look_at<W: World>(
    world: &W,
    look: Look<'_>,
    mut open: Vec<&Cut>,
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut seen = Seen::default();
    let mut queries: Vec<Query> = Vec::new();
    for cut in &open {
        let step = step_id(cut);
        if let Some(driver) = look.driver(cut) {
            queries.extend(driver.look(&look.task(cut, &step)));
        }
    }
    let mut batches: Vec<(&Cut, Vec<Effect>)> = Vec::new();
    for round in 0..=LOOK_ROUNDS_MAX {
        queries.sort();
        queries.dedup();
        queries.retain(|query| !seen.has(query));
        seen.extend(world.see(&queries).await);
        queries = Vec::new();
        let mut again = Vec::new();
        for cut in open {
            let step = step_id(cut);
            let verdict = match look.driver(cut) {
                Some(driver) => driver.decide(&look.task(cut, &step), &seen, world.now()),
                None => Verdict::Stuck(no_driver(cut)),
            };
            match verdict {
                Verdict::Look(more) if round < LOOK_ROUNDS_MAX => {
                    queries.extend(more);
                    again.push(cut);
                }
                Verdict::Look(_) => {
                    let why = format!("{}: it never stops reading", cut.part);
                    events.push(Event::CutWaits(cut.part.clone(), why));
                }
                Verdict::Act(effects) => batches.push((cut, effects)),
                Verdict::Wait(why) => {
                    events.push(Event::CutWaits(cut.part.clone(), why.message));
                }
                Verdict::Done(outcome) => {
                    events.push(Event::CutDone(cut.part.clone(), outcome));
                }
                Verdict::Stuck(problem) => {
                    events.push(Event::CutFailed(cut.part.clone(), problem));
                }
            }
        }
        open = again;
        if open.is_empty() {
            break;
        }
    }
    events.extend(act_on_cuts(world, batches).await);
    events
}

async fn act_on_cuts<W: World>(world: &W, batches: Vec<(&Cut, Vec<Effect>)>) -> Vec<Event> {
    if batches.is_empty() {
        return Vec::new();
    }
    let effects: Vec<Vec<Effect>> = batches.iter().map(|(_, one)| one.clone()).collect();
    let results = world.act(effects.into()).await;
    let mut events = Vec::new();
    for ((cut, _), results) in batches.iter().zip(results) {
        let failed = results
            .into_iter()
            .find_map(|result: Result<Effected, Problem>| result.err());
        match failed.map(Verdict::from) {
            Some(Verdict::Stuck(problem)) => {
                events.push(Event::CutFailed(cut.part.clone(), problem));
            }
            Some(Verdict::Wait(why)) => {
                events.push(Event::CutWaits(cut.part.clone(), why.message));
            }
            Some(Verdict::Look(_) | Verdict::Act(_) | Verdict::Done(_)) | None => {}
        }
    }
    events
}

impl<'a> Look<'a> {
    fn driver(&self, cut: &Cut) -> Option<&'static dyn Driver> {
        let drivers = self.drivers.iter();
        drivers
            .copied()
            .find(|driver| driver.facts().id == cut.claim.driver)
    }

    fn task<'t>(&self, cut: &'t Cut, step: &'t str) -> Task<'t>
    where
        'a: 't,
    {
        Task {
            op: Op::Capture,
            run: &self.plan.run,
            step,
            claim: &cut.claim,
            inputs: &cut.inputs,
            prior: &self.checks[&cut.part],
            ran: None,
        }
    }
}

/// What the check of each volume brought, by part.
pub(super) fn checks(
    capture: &Capture,
    prior: &BTreeMap<String, Outcome>,
) -> BTreeMap<String, BTreeMap<String, Outcome>> {
    let of_cut = |cut: &Cut| {
        let step = format!("check volume {}", cut.part);
        let own = prior.get_key_value(&step);
        let own = own.map(|(step, outcome)| (step.clone(), outcome.clone()));
        (cut.part.clone(), own.into_iter().collect())
    };
    capture.cuts.iter().map(of_cut).collect()
}

fn step_id(cut: &Cut) -> String {
    format!("cut {}", cut.part)
}

fn no_driver(cut: &Cut) -> Problem {
    Problem::stuck(
        "driver-missing",
        format!("this refloat has no driver `{}`", cut.claim.driver),
        "use a refloat at least as new as the one that planned this",
    )
}
