//! One turn: what is due is looked at and decided (`looking`), and one entry is journaled. What it set out to do is done by `acting`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::acting::{Intended, Next};
use super::rounds::Due;
use super::verdicts::endless_look;
use super::{DriveError, Engine, Event, Going, Journal, Observer};
use jiff::Timestamp;

use crate::driver::{Effect, ObjectRef, Problem, Verdict};
use crate::planted::{self, Bug};
use crate::recovery::Existing;
use crate::run::{Decision, Progress, Record, Step, Work};
use crate::world::World;

/// By what is older than this nothing is removed at the first intent.
const SEEN_MAX: Duration = Duration::from_secs(5);

impl<'e, W: World, J: Journal, O: Observer> Engine<'e, W, J, O> {
    /// One turn over the steps that are due: what it decided is journaled; what is to be done now comes back.
    pub(super) async fn turn<'s>(
        &mut self,
        going: &mut Going<'s>,
        due: &Due<'s>,
        progress: &mut Progress,
    ) -> Result<Next<'s>, DriveError>
    where
        'e: 's,
    {
        let mut records = self.begin(going, &due.now, progress);
        let decisions = self.decide(going, due, progress).await;
        let at = self.world.now();
        let mut next = Next::default();
        let mut decided = Vec::new();
        let mut over = BTreeSet::new();
        for (step, decision, asked) in decisions {
            let id = step.id.clone();
            match decision {
                Decision::Verdict(Verdict::Act(effects)) => {
                    self.observer.event(&Event::Acting(step, &effects));
                    let intent = Record::Intent {
                        at,
                        step: id,
                        effects: effects.iter().map(Effect::intention).collect(),
                    };
                    // Doing the same thing again is no progress: the step's limit goes on running, and it is not done at once.
                    let is_news = progress.is_news(&intent);
                    // Asking once more is none either, whatever pod asks.
                    if is_news && !step.work.only_asks() {
                        going.rounds.anew(&step.id, self.world.elapsed());
                    }
                    decided.push(intent);
                    next.push(Intended { step, is_news }, effects);
                }
                Decision::Verdict(Verdict::Wait(why)) => {
                    self.observer.event(&Event::Waiting(step, &why));
                    going.rounds.waits(step, asked, self.world.elapsed());
                }
                Decision::Verdict(Verdict::Done(outcome)) => {
                    self.observer.event(&Event::Done(step, &outcome));
                    over.insert(step.id.as_str());
                    let step = id;
                    decided.push(Record::Done { at, step, outcome });
                }
                Decision::Verdict(Verdict::Stuck(problem)) | Decision::Overdue(problem) => {
                    decided.push(self.stuck(going, step, problem));
                }
                Decision::Verdict(Verdict::Look(_)) => {
                    decided.push(self.stuck(going, step, endless_look(step)));
                }
            }
        }
        // First what was created: what is decided may be its failure.
        records.extend(still_awaited(going, &over, at));
        records.extend(decided);
        if planted::is(Bug::JournalAfterActing) {
            next.late = records;
        } else {
            let begun = self.world.elapsed();
            let written = self.write(progress, records);
            going.beside_looking(written).await?;
            self.look_again_after(begun, going, &mut next);
        }
        for step in over {
            going.rounds.over(step);
            going.frontier.done(step);
        }
        Ok(next)
    }

    /// Where the journal took so long that nothing is to be removed by what was seen (what is empty may be somebody's by now), it is looked
    /// again. Only once for each intent, so that a store that is always slow keeps nobody from going on.
    fn look_again_after(&self, begun: Duration, going: &mut Going<'_>, next: &mut Next<'_>) {
        if self.world.elapsed().saturating_sub(begun) <= SEEN_MAX {
            return;
        }
        going.known.forget();
        going.ahead = None;
        let now = self.world.elapsed();
        for step in next.put_off() {
            // The time that the journal took is none of the step's.
            going.rounds.anew(&step.id, now);
            going.rounds.in_vain(&step.id, None, now);
        }
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
    pub(super) fn stuck(&self, going: &mut Going<'_>, step: &Step, problem: Problem) -> Record {
        self.observer.event(&Event::Stuck(step, &problem));
        going.rounds.over(&step.id);
        going.frontier.stuck(&step.id);
        Record::Stuck {
            at: self.world.now(),
            step: step.id.clone(),
            problem,
        }
    }
}

/// Records of what the last turn created, unless the step is done and says so itself.
pub(super) fn still_awaited(
    going: &mut Going<'_>,
    over: &BTreeSet<&str>,
    at: Timestamp,
) -> Vec<Record> {
    let created = std::mem::take(&mut going.created).into_iter();
    let awaited = created.filter(|(step, _)| !over.contains(step.as_str()));
    awaited
        .map(|(step, uid)| Record::Created { at, step, uid })
        .collect()
}

/// The object that a step is about to write for the first time: nothing was there when the run was planned. Should something be
/// there by now, its creation says so, and it is looked at.
pub(super) fn believed_absent(step: &Step, progress: &Progress) -> Option<ObjectRef> {
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
