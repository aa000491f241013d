//! One turn: what is due is looked at and decided, one entry is journaled, then everything is done side by side.

use std::collections::{BTreeMap, BTreeSet};

use super::verdicts::{endless_look, fatal};
use super::{DriveError, Engine, Event, Going, Journal, Observer};
use jiff::Timestamp;

use crate::driver::{
    Answer, Effect, Effected, ExecAnswer, LOOK_ROUNDS_MAX, ObjectRef, Outcome, Problem, Query,
    Seen, Verdict,
};
use crate::planted::{self, Bug};
use crate::probe;
use crate::recovery::Existing;
use crate::run::{Decision, Moment, Progress, Record, Step, Work, advance, first_queries};
use crate::world::World;

/// Effects of one step.
type Batch<'s> = (&'s Step, Vec<Effect>);

/// What a step decided, and what it had asked for.
type Decided<'s> = (&'s Step, Decision, Vec<Query>);

impl<W: World, J: Journal, O: Observer> Engine<'_, W, J, O> {
    /// One turn over the steps that are due.
    pub(super) async fn turn(
        &mut self,
        going: &mut Going<'_>,
        steps: &[&Step],
        progress: &mut Progress,
    ) -> Result<(), DriveError> {
        let mut records = self.begin(going, steps, progress);
        let decisions = self.decide(going, steps, progress).await;
        let at = self.world.now();
        let mut batch: Vec<Batch<'_>> = Vec::new();
        let mut over = Vec::new();
        for (step, decision, asked) in decisions {
            let id = step.id.clone();
            match decision {
                Decision::Verdict(Verdict::Act(effects)) => {
                    self.observer.event(&Event::Acting(step, &effects));
                    records.push(Record::Intent {
                        at,
                        step: id,
                        effects: effects.iter().map(Effect::intention).collect(),
                    });
                    batch.push((step, effects));
                }
                Decision::Verdict(Verdict::Wait(why)) => {
                    self.observer.event(&Event::Waiting(step, &why));
                    going.rounds.waits(step, asked, self.world.elapsed());
                }
                Decision::Verdict(Verdict::Done(outcome)) => {
                    self.observer.event(&Event::Done(step, &outcome));
                    over.push(step);
                    let step = id;
                    records.push(Record::Done { at, step, outcome });
                }
                Decision::Verdict(Verdict::Stuck(problem)) | Decision::Overdue(problem) => {
                    records.push(self.stuck(going, step, problem));
                }
                Decision::Verdict(Verdict::Look(_)) => {
                    records.push(self.stuck(going, step, endless_look(step)));
                }
            }
        }
        records.extend(still_awaited(going, &over, at));
        // Doing the same thing again is no progress: the step's limit goes on running, and it is not done at once.
        let news = news(&records, progress);
        let now = self.world.elapsed();
        for step in &news {
            going.rounds.anew(step, now);
        }
        if !planted::is(Bug::JournalAfterActing) {
            let first = std::mem::take(&mut records);
            self.write(progress, first).await?;
        }
        for step in over {
            going.rounds.over(&step.id);
            going.frontier.done(&step.id);
        }
        self.perform(going, batch, &news, progress).await?;
        self.write(progress, records).await?;
        let stuck = progress.stuck().next().map(|(_, problem)| problem.clone());
        if let Some(problem) = stuck
            && progress.failing().is_none()
            && going.plan.kind.cleans_up_on_failure()
        {
            self.give_up(going, progress, problem).await?;
        }
        Ok(())
    }

    /// Steps of which this is the first turn; the records of it.
    fn begin(&self, going: &mut Going<'_>, steps: &[&Step], progress: &Progress) -> Vec<Record> {
        let at = self.world.now();
        let mut records = Vec::new();
        for step in steps {
            if progress.state(&step.id).is_none() {
                self.observer.event(&Event::Began(step));
                going.rounds.anew(&step.id, self.world.elapsed());
                let step = step.id.clone();
                records.push(Record::Began { at, step });
            }
        }
        records
    }

    /// Says that a step needs a person; the record of it.
    fn stuck(&self, going: &mut Going<'_>, step: &Step, problem: Problem) -> Record {
        self.observer.event(&Event::Stuck(step, &problem));
        going.rounds.over(&step.id);
        going.frontier.stuck(&step.id);
        Record::Stuck {
            at: self.world.now(),
            step: step.id.clone(),
            problem,
        }
    }

    async fn decide<'s>(
        &self,
        going: &mut Going<'_>,
        steps: &[&'s Step],
        progress: &Progress,
    ) -> Vec<Decided<'s>> {
        let mut seen = Seen::default();
        let mut asked: BTreeMap<&str, Vec<Query>> = BTreeMap::new();
        for step in steps {
            seen.extend(going.rounds.fresh(&step.id));
            if let Some(target) = believed_absent(step, progress) {
                seen.insert(Query::Object(target), Answer::Object(None));
            }
            let queries = first_queries(going.plan, step, progress, self.workers);
            asked.insert(&step.id, queries);
        }
        let first = asked.values().flatten().cloned().collect();
        seen.extend(self.world.see(&unseen(first, &seen)).await);
        let mut open: Vec<&'s Step> = steps.to_vec();
        let mut decisions = Vec::new();
        for round in 0..=LOOK_ROUNDS_MAX {
            let mut more = Vec::new();
            let mut again = Vec::new();
            for step in open {
                let moment = Moment {
                    now: self.world.now(),
                    waited: going.rounds.waited(&step.id, self.world.elapsed()),
                };
                let decision = advance(
                    going.plan,
                    step,
                    progress,
                    self.workers,
                    &seen,
                    going.brought.get(&step.id),
                    moment,
                );
                match decision {
                    Decision::Verdict(Verdict::Look(queries)) if round < LOOK_ROUNDS_MAX => {
                        more.extend(queries.iter().cloned());
                        asked.entry(&step.id).or_default().extend(queries);
                        again.push(step);
                    }
                    decision => {
                        let decision = match decision {
                            Decision::Verdict(Verdict::Wait(why)) => {
                                let now = self.world.elapsed();
                                Decision::Verdict(going.rounds.judged(&step.id, why, now))
                            }
                            other => other,
                        };
                        let asked = asked.remove(step.id.as_str()).unwrap_or_default();
                        decisions.push((step, decision, asked));
                    }
                }
            }
            open = again;
            if open.is_empty() {
                break;
            }
            let fresh = self.world.see(&unseen(more, &seen)).await;
            seen.extend(fresh);
        }
        decisions
    }

    async fn perform(
        &mut self,
        going: &mut Going<'_>,
        batch: Vec<Batch<'_>>,
        news: &BTreeSet<String>,
        progress: &mut Progress,
    ) -> Result<(), DriveError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (captures, batch): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|(_, effects)| matches!(effects.first(), Some(Effect::Capture(_))));
        let effects: Vec<Vec<Effect>> = batch.iter().map(|(_, e)| e.clone()).collect();
        let results = self.world.act(&effects).await;
        let mut records = Vec::new();
        for ((step, effects), results) in batch.iter().zip(results) {
            let whole = results.len() == effects.len() && results.iter().all(Result::is_ok);
            let mut fresh = Seen::default();
            for (effect, result) in effects.iter().zip(results) {
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
                        if let Some(object) = object_of(effect) {
                            fresh.insert(Query::Object(object), Answer::Object(Some(live)));
                        }
                    }
                    Ok(Effected::Deleted) => {}
                    Err(problem) => {
                        let before = going.brought.get(&step.id);
                        let at = self.world.now();
                        if let Some(outcome) = probe::refused(effect, &problem, before, at) {
                            going.brought.insert(step.id.clone(), outcome);
                        } else if let Some(problem) =
                            fatal(effect, explained(step, effect, problem))
                            && !(news.contains(&step.id) && may_be_there(step, effect))
                        {
                            records.push(self.stuck(going, step, problem));
                        }
                    }
                }
            }
            let now = self.world.elapsed();
            if whole && news.contains(&step.id) {
                going.rounds.acted(&step.id, fresh, now);
            } else {
                going.rounds.in_vain(&step.id, now);
            }
        }
        self.write(progress, records).await?;
        for (step, effects) in captures {
            let brought = &mut going.brought;
            self.perform_capture(going.plan, step, &effects, progress, brought)
                .await?;
            let now = self.world.elapsed();
            going.rounds.acted(&step.id, Seen::default(), now);
            if progress.stuck().any(|(id, _)| id == step.id) {
                going.rounds.over(&step.id);
                going.frontier.stuck(&step.id);
            }
        }
        Ok(())
    }
}

/// Steps that intend something new.
fn news(records: &[Record], progress: &Progress) -> BTreeSet<String> {
    let new = records.iter().filter(|record| progress.is_news(record));
    new.filter_map(|record| match record {
        Record::Intent { step, .. } => Some(step.clone()),
        _ => None,
    })
    .collect()
}

/// Records of what the last turn created, unless the step is done and says so itself.
fn still_awaited(going: &mut Going<'_>, over: &[&Step], at: Timestamp) -> Vec<Record> {
    let created = std::mem::take(&mut going.created).into_iter();
    let awaited = created.filter(|(step, _)| over.iter().all(|one| one.id != *step));
    awaited
        .map(|(step, uid)| Record::Created { at, step, uid })
        .collect()
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
        _ => problem,
    }
}

/// Its operator may have made it since it was looked for, and its webhook may refuse a second one: it is looked for once more.
fn may_be_there(step: &Step, effect: &Effect) -> bool {
    matches!(&step.work, Work::Write(writing) if writing.operated)
        && matches!(effect, Effect::Create { .. })
}

/// The object that a step is about to write for the first time: nothing was there when the run was planned. Should something be
/// there by now, its creation says so, and it is looked at.
fn believed_absent(step: &Step, progress: &Progress) -> Option<ObjectRef> {
    match &step.work {
        // With `skip` something may well be there, and so may what an operator makes; a server may refuse to create it before it says
        // so.
        Work::Write(writing)
            if !writing.adopt
                && !writing.operated
                && writing.existing == Existing::Fail
                && !progress.was_intended(&step.id) =>
        {
            Some(writing.target())
        }
        _ => None,
    }
}

/// The object whose state the effect's answer is.
fn object_of(effect: &Effect) -> Option<ObjectRef> {
    match effect {
        Effect::Create {
            resource, object, ..
        } => {
            let text = |pointer: &str| object.pointer(pointer)?.as_str().map(str::to_owned);
            Some(ObjectRef {
                resource: resource.clone(),
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name")?,
            })
        }
        Effect::Patch { object, .. } => Some(object.clone()),
        Effect::Delete { .. }
        | Effect::Exec { .. }
        | Effect::GrantVault { .. }
        | Effect::Capture(_)
        | Effect::StoreObjects
        | Effect::Keep(_)
        | Effect::Seal(_) => None,
    }
}

fn unseen(mut queries: Vec<Query>, seen: &Seen) -> Vec<Query> {
    queries.sort();
    queries.dedup();
    queries.retain(|query| !seen.has(query));
    queries
}

fn ran(answer: ExecAnswer) -> Outcome {
    Outcome::default()
        .with("code", answer.code)
        .with("stdout", answer.stdout)
        .with("stderr", answer.stderr)
}
