//! What a turn set out to do is done, all of it side by side, while the next turn looks, decides and journals: at most one batch at a
//! time, and each only after its entry is durable.

use std::future::Future;

use super::doing::{self, Doing};
use super::looking::Known;
use super::verdicts::fatal;
use super::{DriveError, Engine, Event, Going, Journal, Observer};
use crate::driver::{Answer, Effect, Effected, ExecAnswer, Op, Outcome, Problem, Query, Why};
use crate::planted::{self, Bug};
use crate::probe;
use crate::recovery::without_namespace;
use crate::run::{Progress, Record, Step, Work};
use crate::world::{Batches, Results, World};

/// A step whose effects were journaled.
#[derive(Clone, Copy)]
pub(super) struct Intended<'s> {
    pub(super) step: &'s Step,
    /// It has not just done the same.
    pub(super) is_news: bool,
}

/// What a turn set out to do.
#[derive(Default)]
pub(super) struct Next<'s> {
    steps: Vec<Intended<'s>>,
    effects: Vec<Vec<Effect>>,
    captures: Vec<(Intended<'s>, Vec<Effect>)>,
    /// Records that a planted bug writes too late.
    pub(super) late: Vec<Record>,
}

impl<'s> Next<'s> {
    pub(super) fn push(&mut self, intended: Intended<'s>, effects: Vec<Effect>) {
        if matches!(effects.first(), Some(Effect::Capture(_))) {
            self.captures.push((intended, effects));
        } else {
            self.steps.push(intended);
            self.effects.push(effects);
        }
    }

    /// Takes away the removals that would be done for the first time: nothing brings back what somebody has put there meanwhile. All else
    /// says so by itself when it is done too late.
    pub(super) fn put_off(&mut self) -> Vec<&'s Step> {
        let all = std::mem::take(&mut self.steps).into_iter();
        let all: Vec<_> = all.zip(std::mem::take(&mut self.effects)).collect();
        let mut put_off = Vec::new();
        for (intended, effects) in all {
            if intended.is_news && matches!(intended.step.work, Work::Remove(_)) {
                put_off.push(intended.step);
            } else {
                self.push(intended, effects);
            }
        }
        put_off
    }
}

/// One batch that is being done.
pub(super) struct Acting<'s> {
    steps: Vec<Intended<'s>>,
    effects: Batches,
    doing: Doing<'s, Results>,
}

/// One batch that was done.
pub(super) struct Acted<'s> {
    steps: Vec<Intended<'s>>,
    effects: Batches,
    results: Results,
}

impl<'s> Acting<'s> {
    fn begin<W: World>(world: &'s W, steps: Vec<Intended<'s>>, effects: Vec<Vec<Effect>>) -> Self {
        let effects = Batches::from(effects);
        let doing = Doing::new(world.act(Batches::clone(&effects)));
        Self {
            steps,
            effects,
            doing,
        }
    }

    /// Waits until all of it is done.
    pub(super) async fn end(self) -> Acted<'s> {
        Acted {
            steps: self.steps,
            effects: self.effects,
            results: self.doing.end().await,
        }
    }
}

/// Awaits something while a batch goes on being done.
pub(super) async fn beside<T>(
    acting: &mut Option<Acting<'_>>,
    awaited: impl Future<Output = T>,
) -> T {
    doing::beside(acting.as_mut().map(|acting| &mut acting.doing), awaited).await
}

impl<'e, W: World, J: Journal, O: Observer> Engine<'e, W, J, O> {
    /// Begins to do what a turn set out to do, as soon as what is being done has ended; takes the results of that.
    pub(super) async fn act<'s>(
        &mut self,
        going: &mut Going<'_>,
        acting: &mut Option<Acting<'s>>,
        next: Next<'s>,
        progress: &mut Progress,
    ) -> Result<(), DriveError>
    where
        'e: 's,
    {
        let captures = next.captures;
        if !next.steps.is_empty() {
            let before = match acting.take() {
                Some(before) => Some(before.end().await),
                None => None,
            };
            for intended in &next.steps {
                going.rounds.acting(&intended.step.id);
            }
            *acting = Some(Acting::begin(self.world, next.steps, next.effects));
            if let Some(before) = before {
                beside(acting, self.settle(going, before, progress)).await?;
            }
        }
        if !captures.is_empty() || planted::is(Bug::JournalAfterActing) {
            self.end(going, acting, progress).await?;
            self.write(progress, next.late).await?;
        }
        for (intended, effects) in captures {
            // Nothing else is done while something is held.
            going.ahead = None;
            going.known = Known::default();
            let step = intended.step;
            let brought = &mut going.brought;
            self.perform_capture(going.plan, step, &effects, progress, brought)
                .await?;
            let now = self.world.elapsed();
            going.rounds.acted(&step.id, Vec::new(), now);
            if progress.stuck().any(|(id, _)| id == step.id) {
                going.rounds.over(&step.id);
                going.frontier.stuck(&step.id);
            }
        }
        Ok(())
    }

    /// Waits until what is being done has ended, and takes its results.
    pub(super) async fn end(
        &mut self,
        going: &mut Going<'_>,
        acting: &mut Option<Acting<'_>>,
        progress: &mut Progress,
    ) -> Result<(), DriveError> {
        match acting.take() {
            Some(acting) => self.settle(going, acting.end().await, progress).await,
            None => Ok(()),
        }
    }

    /// Takes the results of what was done.
    async fn settle(
        &mut self,
        going: &mut Going<'_>,
        acted: Acted<'_>,
        progress: &mut Progress,
    ) -> Result<(), DriveError> {
        let mut records = Vec::new();
        let done = acted.steps.iter().zip(acted.effects.iter());
        for ((intended, effects), results) in done.zip(acted.results) {
            let step = intended.step;
            let is_news = intended.is_news;
            let whole = results.len() == effects.len() && results.iter().all(Result::is_ok);
            let mut fresh = Vec::new();
            let mut refused = None;
            for (effect, result) in effects.iter().zip(results) {
                going.touched(effect);
                going.created.extend(created(step, &result));
                match result {
                    Ok(
                        Effected::Stored(outcome)
                        | Effected::Sealed(outcome)
                        | Effected::Kept(outcome),
                    ) => {
                        going.brought.insert(step.id.clone(), outcome);
                    }
                    Ok(Effected::Ran(answer)) => {
                        going.brought.insert(step.id.clone(), ran(answer));
                    }
                    Ok(
                        Effected::Created(live) | Effected::Exists(live) | Effected::Patched(live),
                    ) => {
                        if let Some(object) = effect.object() {
                            fresh.push((Query::Object(object), Answer::Object(Some(live))));
                        }
                    }
                    Ok(Effected::Deleted) => {}
                    Err(problem) => {
                        if is_of_another(effect, &problem) {
                            progress.refused(&step.id, effect);
                        }
                        let before = going.brought.get(&step.id);
                        let at = self.world.now();
                        if let Some(outcome) = probe::refused(effect, &problem, before, at) {
                            going.brought.insert(step.id.clone(), outcome);
                            continue;
                        }
                        let problem = explained(step, effect, problem);
                        let why = Why::new(&problem.code, &problem.message).taking(&problem.hint);
                        match fatal(effect, problem) {
                            Some(problem) if !(is_news && may_be_there(step, effect)) => {
                                records.push(self.stuck(going, step, problem));
                            }
                            Some(_) | None => refused = Some(why),
                        }
                    }
                }
            }
            let at_last = going.rounds.refused(&step.id).is_some();
            let fresh = (whole && (is_news || at_last)).then_some(fresh);
            self.acted(going, step, fresh, refused);
        }
        self.write(progress, records).await
    }

    /// It was acted on: what that answered, if it was all done, and news or refused before; and what was refused.
    fn acted(
        &self,
        going: &mut Going<'_>,
        step: &Step,
        fresh: Option<Vec<(Query, Answer)>>,
        refused: Option<Why>,
    ) {
        let now = self.world.elapsed();
        if let Some(fresh) = fresh {
            // What its limit and its gates count begins with what is there, not with the wish for it.
            if !step.work.only_asks() {
                going.rounds.anew(&step.id, now);
            }
            going.rounds.acted(&step.id, fresh, now);
        } else if going.rounds.in_vain(&step.id, refused.clone(), now)
            && let Some(why) = refused
        {
            self.observer.event(&Event::Waiting(step, &why));
        }
    }
}

/// Nothing was deleted, because another object is there by now than the one that was looked at.
fn is_of_another(effect: &Effect, problem: &Problem) -> bool {
    matches!(effect, Effect::Delete { .. }) && problem.code == "conflict"
}

/// The step and the uid of the object that was written for it.
fn created(step: &Step, result: &Result<Effected, Problem>) -> Option<(String, String)> {
    let (Ok(Effected::Created(live)), Work::Write(_)) = (result, &step.work) else {
        return None;
    };
    let uid = live.pointer("/metadata/uid")?.as_str()?;
    Some((step.id.clone(), uid.to_owned()))
}

fn explained(step: &Step, effect: &Effect, problem: Problem) -> Problem {
    match &step.work {
        Work::Write(writing) => writing.explain(effect, problem),
        Work::Driver {
            op: Op::Restore, ..
        } => without_namespace(effect, problem),
        _ => problem,
    }
}

/// Its operator may have made it since it was looked for, and its webhook may refuse a second one: it is looked for once more.
fn may_be_there(step: &Step, effect: &Effect) -> bool {
    matches!(&step.work, Work::Write(writing) if writing.operated)
        && matches!(effect, Effect::Create { .. })
}

fn ran(answer: ExecAnswer) -> Outcome {
    Outcome::default()
        .with("code", answer.code)
        .with("stdout", answer.stdout)
        .with("stderr", answer.stderr)
}
