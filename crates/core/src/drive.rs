//! The one loop: look → decide → journal → act. The CLI and the operator drive every run through it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::driver::{
    Effect, Effected, ExecAnswer, LOOK_ROUNDS_MAX, Outcome, Problem, Query, Seen, Verdict, Why,
};
use crate::planted::{self, Bug};
use crate::run::{
    Decision, End, Progress, Record, RunPlan, Step, Workers, advance, eligible, first_queries,
};
use crate::world::World;

mod verdicts;

use verdicts::{endless_look, fatal};

/// Steps that one turn looks at.
const STEPS_PER_TURN_MAX: usize = 64;
/// Pause between two turns in which nothing was done.
const PAUSE: Duration = Duration::from_millis(200);

/// Where records go before anything is done.
#[allow(
    async_fn_in_trait,
    reason = "one engine drives one journal on one task: no Send bound is wanted"
)]
pub trait Journal {
    /// Appends one entry of several records, durably, or says that another engine writes this journal.
    async fn append(&mut self, records: &[Record]) -> Result<(), JournalError>;
}

/// A record was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another engine has taken this run over; this one must stop.
    #[error("another engine took this run over: {0}")]
    TakenOver(String),
    /// The vault does not answer.
    #[error("the journal could not be written: {0}")]
    Unwritable(Problem),
}

/// Who watches a run: progress lines, interruption.
pub trait Observer {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
    /// True once the user asked to stop.
    fn interrupted(&self) -> bool {
        false
    }
}

/// What happens in a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step's edges are open.
    Began(&'a Step),
    /// A step is acted on.
    Acting(&'a Step, &'a [Effect]),
    /// A step waits.
    Waiting(&'a Step, &'a Why),
    /// A step is done.
    Done(&'a Step, &'a Outcome),
    /// A step needs a person.
    Stuck(&'a Step, &'a Problem),
    /// The run is being given up; clean-up follows.
    GivingUp(&'a Problem),
}

/// How a drive ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Drive {
    /// Nothing is left to do.
    Ended(End),
    /// A step needs a person; run again to go on.
    Stuck(Problem),
}

/// A drive broke off.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DriveError {
    /// The journal was not written, so nothing may be done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan can go no further although steps are left: a defect.
    #[error("no step of the run can start although {left} are left, the first `{first}`")]
    Deadlock {
        /// How many.
        left: usize,
        /// Which is first.
        first: String,
    },
}

/// What a drive works with.
pub struct Engine<'a, W, J, O> {
    /// Hands and eyes.
    pub world: &'a W,
    /// Journal of this run.
    pub journal: &'a mut J,
    /// Who watches.
    pub observer: &'a O,
    /// The catalogue of drivers.
    pub workers: Workers<'a>,
}

impl<W: World, J: Journal, O: Observer> Engine<'_, W, J, O> {
    /// Drives a run until it ended or needs a person.
    pub async fn drive(
        &mut self,
        plan: &RunPlan,
        progress: &mut Progress,
    ) -> Result<Drive, DriveError> {
        let mut brought: BTreeMap<String, Outcome> = BTreeMap::new();
        loop {
            if let Some(end) = progress.ended() {
                return Ok(Drive::Ended(end));
            }
            if self.observer.interrupted() && progress.failing().is_none() {
                let problem = Problem::stuck(
                    "interrupted",
                    "interrupted by the user",
                    "run the same command again",
                );
                if !plan.kind.cleans_up_on_failure() {
                    return Ok(Drive::Stuck(problem));
                }
                self.give_up(progress, problem).await?;
            }
            let steps = eligible(plan, progress);
            if steps.is_empty() {
                return self.finish(plan, progress).await;
            }
            let steps = &steps[..steps.len().min(STEPS_PER_TURN_MAX)];
            self.begin(steps, progress).await?;
            let news = self.turn(plan, steps, progress, &mut brought).await?;
            if !news {
                self.world.pause(PAUSE).await;
            }
        }
    }

    async fn begin(&mut self, steps: &[&Step], progress: &mut Progress) -> Result<(), DriveError> {
        let at = self.world.now();
        let mut records = Vec::new();
        for step in steps {
            if progress.state(&step.id).is_none() {
                self.observer.event(&Event::Began(step));
                let step = step.id.clone();
                records.push(Record::Began { at, step });
            }
        }
        self.write(progress, records).await
    }

    pub(crate) async fn write(
        &mut self,
        progress: &mut Progress,
        records: Vec<Record>,
    ) -> Result<(), DriveError> {
        if records.is_empty() {
            return Ok(());
        }
        match self.journal.append(&records).await {
            Err(JournalError::TakenOver(_)) if planted::is(Bug::GoesOnAfterTakenOver) => {}
            written => written?,
        }
        for record in &records {
            progress.apply(record);
        }
        Ok(())
    }

    async fn give_up(
        &mut self,
        progress: &mut Progress,
        problem: Problem,
    ) -> Result<(), DriveError> {
        self.observer.event(&Event::GivingUp(&problem));
        let at = self.world.now();
        self.write(progress, vec![Record::Failing { at, problem }])
            .await
    }

    async fn finish(
        &mut self,
        plan: &RunPlan,
        progress: &mut Progress,
    ) -> Result<Drive, DriveError> {
        let at = self.world.now();
        let giving_up = progress.failing().is_some();
        // While giving up, only a clean-up step that is stuck is news.
        let stuck = progress
            .stuck()
            .find(|(id, _)| !giving_up || plan.step(id).is_some_and(|step| step.cleanup));
        if let Some((_, problem)) = stuck {
            return Ok(Drive::Stuck(problem.clone()));
        }
        let mut left = plan
            .steps
            .iter()
            .filter(|step| !progress.is_done(&step.id) && (!giving_up || step.cleanup));
        if let Some(first) = left.next() {
            return Err(DriveError::Deadlock {
                first: first.id.clone(),
                left: left.count() + 1,
            });
        }
        let end = if giving_up {
            End::Failed
        } else {
            End::Completed
        };
        self.write(progress, vec![Record::Ended { at, end }])
            .await?;
        Ok(Drive::Ended(end))
    }

    /// One turn over all eligible steps; true when something new was done.
    async fn turn(
        &mut self,
        plan: &RunPlan,
        steps: &[&Step],
        progress: &mut Progress,
        brought: &mut BTreeMap<String, Outcome>,
    ) -> Result<bool, DriveError> {
        let decisions = self.decide(plan, steps, progress, brought).await;
        let at = self.world.now();
        let mut records = Vec::new();
        let mut batch: Vec<(&Step, Vec<Effect>)> = Vec::new();
        for (step, decision) in decisions {
            match decision {
                Decision::Verdict(Verdict::Act(effects)) => {
                    self.observer.event(&Event::Acting(step, &effects));
                    let effects_text = effects.iter().map(Effect::describe).collect();
                    records.push(Record::Intent {
                        at,
                        step: step.id.clone(),
                        effects: effects_text,
                    });
                    batch.push((step, effects));
                }
                Decision::Verdict(Verdict::Wait(why)) => {
                    self.observer.event(&Event::Waiting(step, &why));
                }
                Decision::Verdict(Verdict::Done(outcome)) => {
                    self.observer.event(&Event::Done(step, &outcome));
                    let step = step.id.clone();
                    records.push(Record::Done { at, step, outcome });
                }
                Decision::Verdict(Verdict::Stuck(problem)) | Decision::Overdue(problem) => {
                    self.observer.event(&Event::Stuck(step, &problem));
                    let step = step.id.clone();
                    records.push(Record::Stuck { at, step, problem });
                }
                Decision::Verdict(Verdict::Look(_)) => {
                    let problem = endless_look(step);
                    self.observer.event(&Event::Stuck(step, &problem));
                    let step = step.id.clone();
                    records.push(Record::Stuck { at, step, problem });
                }
            }
        }
        let news = records.iter().any(|record| progress.is_news(record));
        if !planted::is(Bug::JournalAfterActing) {
            let first = std::mem::take(&mut records);
            self.write(progress, first).await?;
        }
        self.perform(plan, batch, progress, brought).await?;
        self.write(progress, records).await?;
        let stuck = progress.stuck().next().map(|(_, problem)| problem.clone());
        if let Some(problem) = stuck
            && progress.failing().is_none()
            && plan.kind.cleans_up_on_failure()
        {
            self.give_up(progress, problem).await?;
        }
        Ok(news)
    }

    async fn decide<'s>(
        &self,
        plan: &RunPlan,
        steps: &[&'s Step],
        progress: &Progress,
        brought: &BTreeMap<String, Outcome>,
    ) -> Vec<(&'s Step, Decision)> {
        let queries: Vec<Query> = steps
            .iter()
            .flat_map(|step| first_queries(plan, step, progress, self.workers))
            .collect();
        let mut seen = self.world.see(&unseen(queries, &Seen::default())).await;
        let mut open: Vec<&'s Step> = steps.to_vec();
        let mut decisions = Vec::new();
        for round in 0..=LOOK_ROUNDS_MAX {
            let mut more = Vec::new();
            let mut again = Vec::new();
            for step in open {
                let decision = advance(
                    plan,
                    step,
                    progress,
                    self.workers,
                    &seen,
                    brought.get(&step.id),
                    self.world.now(),
                );
                match decision {
                    Decision::Verdict(Verdict::Look(queries)) if round < LOOK_ROUNDS_MAX => {
                        more.extend(queries);
                        again.push(step);
                    }
                    decision => decisions.push((step, decision)),
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
        plan: &RunPlan,
        batch: Vec<(&Step, Vec<Effect>)>,
        progress: &mut Progress,
        brought: &mut BTreeMap<String, Outcome>,
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
            for (effect, result) in effects.iter().zip(results) {
                match result {
                    Ok(Effected::Stored(outcome) | Effected::Sealed(outcome)) => {
                        brought.insert(step.id.clone(), outcome);
                    }
                    Ok(Effected::Ran(answer)) => {
                        brought.insert(step.id.clone(), ran(answer));
                    }
                    Ok(
                        Effected::Created(_)
                        | Effected::Exists(_)
                        | Effected::Patched(_)
                        | Effected::Deleted,
                    ) => {}
                    Err(problem) => {
                        if let Some(problem) = fatal(effect, problem) {
                            self.observer.event(&Event::Stuck(step, &problem));
                            records.push(Record::Stuck {
                                at: self.world.now(),
                                step: step.id.clone(),
                                problem,
                            });
                        }
                    }
                }
            }
        }
        self.write(progress, records).await?;
        for (step, effects) in captures {
            self.perform_capture(plan, step, &effects, progress, brought)
                .await?;
        }
        Ok(())
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
