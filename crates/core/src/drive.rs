//! The one loop: look → decide → journal → act. The CLI and the operator drive every run through it.
//!
//! A turn looks only at steps that are new, were acted on, or of which something changed (`rounds`, `looking`), and writes one journal entry
//! (`turn`); what it set out to do is done while the next one looks and decides (`acting`), and what the next one wants to see is read while
//! this one decides and writes (`ahead`).

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::{Effect, Outcome, Problem, Why};
use crate::planted::{self, Bug};
use crate::run::{End, Frontier, Phase, Progress, Record, RunPlan, Step, Workers, again, until};
use crate::world::World;

mod acting;
mod ahead;
mod doing;
mod looking;
mod rounds;
mod turn;
mod verdicts;

use acting::{Acting, beside};
use ahead::Ahead;
use looking::Known;
use rounds::Rounds;
use turn::still_awaited;

/// Steps that one turn looks at: as many as make a batch that is worth its journal entry.
pub const TURN_STEPS_MAX: usize = 512;

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
    /// Everything up to this phase is done, as was wanted; resume it to go on.
    Paused(Phase),
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
    /// Steps that one turn looks at: [`TURN_STEPS_MAX`], fewer in a simulation, where plans are small.
    pub turn_steps_max: usize,
}

/// What one process knows of a run beyond its journal.
struct Going<'a> {
    plan: &'a RunPlan,
    frontier: Frontier<'a>,
    rounds: Rounds<'a>,
    /// What effects of the engine's own brought, by step.
    brought: BTreeMap<String, Outcome>,
    /// Objects that the last turn created, by step and uid: for the journal, unless their steps are done by then.
    created: Vec<(String, String)>,
    /// What is read for the next turn.
    ahead: Option<Ahead<'a>>,
    /// What the turns before have read for it.
    known: Known<'a>,
}

impl<'e, W: World, J: Journal, O: Observer> Engine<'e, W, J, O> {
    /// Drives a run until it ended, paused as was wanted, or needs a person.
    pub async fn drive(
        &mut self,
        plan: &RunPlan,
        progress: &mut Progress,
    ) -> Result<Drive, DriveError> {
        if let (Some(phase), None) = (progress.paused(), progress.ended()) {
            return Ok(Drive::Paused(phase));
        }
        let wanted = progress.until().filter(|_| progress.failing().is_none());
        match wanted.and_then(|phase| Some((until(plan, phase)?, phase))) {
            Some((part, phase)) => self.drive_part(&part, Some(phase), progress).await,
            None => self.drive_part(plan, None, progress).await,
        }
    }

    /// Drives all steps of a plan, or the part of one after which it pauses.
    async fn drive_part(
        &mut self,
        plan: &RunPlan,
        pauses: Option<Phase>,
        progress: &mut Progress,
    ) -> Result<Drive, DriveError> {
        let mut going = Going {
            plan,
            frontier: Frontier::new(plan, progress),
            rounds: Rounds::new(self.world.elapsed(), self.turn_steps_max),
            brought: BTreeMap::new(),
            created: Vec::new(),
            ahead: None,
            known: Known::default(),
        };
        let mut acting = None;
        // A journal that fails ends all that is being done with it: nothing more can be written down.
        Box::pin(self.go(&mut going, &mut acting, pauses, progress)).await
    }

    async fn go<'s>(
        &mut self,
        going: &mut Going<'s>,
        acting: &mut Option<Acting<'s>>,
        pauses: Option<Phase>,
        progress: &mut Progress,
    ) -> Result<Drive, DriveError>
    where
        'e: 's,
    {
        let plan = going.plan;
        loop {
            if let Some(end) = progress.ended() {
                return Ok(Drive::Ended(end));
            }
            let broken = self.breaks_off(plan, progress);
            if broken.is_some() || going.frontier.is_empty() {
                self.end(going, acting, progress).await?;
            }
            if let Some(problem) = broken {
                // A later engine must know what was created: it may be gone by then.
                let created = still_awaited(going, &BTreeSet::new(), self.world.now());
                self.write(progress, created).await?;
                if !plan.kind.cleans_up_on_failure() {
                    return Ok(Drive::Stuck(problem));
                }
                self.give_up(going, progress, problem).await?;
            }
            if going.frontier.is_empty() {
                return self.finish(plan, pauses, progress).await;
            }
            let due = going
                .rounds
                .due(going.frontier.opened(), self.world.elapsed());
            if !due.now.is_empty() {
                let next = beside(acting, self.turn(going, &due, progress)).await?;
                self.act(going, acting, next, progress).await?;
            } else if acting.is_some() {
                self.end(going, acting, progress).await?;
            } else {
                let pause = going.rounds.pause(self.world.elapsed());
                let changed = self.world.pause(pause, going.rounds.interest()).await;
                going.rounds.heard(&changed);
            }
        }
    }

    /// Why the run goes no further, if so: a user wants it, or a run that cleans up behind itself needs a person.
    fn breaks_off(&self, plan: &RunPlan, progress: &Progress) -> Option<Problem> {
        if progress.failing().is_some() {
            return None;
        }
        if plan.kind.cleans_up_on_failure()
            && let Some((_, problem)) = progress.stuck().next()
        {
            return Some(problem.clone());
        }
        self.observer.interrupted().then(|| {
            Problem::stuck(
                "interrupted",
                "interrupted by the user",
                "run the same command again",
            )
        })
    }

    /// Writes records, durably, and takes them into account.
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
        going: &mut Going<'_>,
        progress: &mut Progress,
        problem: Problem,
    ) -> Result<(), DriveError> {
        self.observer.event(&Event::GivingUp(&problem));
        let at = self.world.now();
        self.write(progress, vec![Record::Failing { at, problem }])
            .await?;
        going.frontier = Frontier::new(going.plan, progress);
        going.ahead = None;
        going.known = Known::default();
        going.rounds = Rounds::new(self.world.elapsed(), self.turn_steps_max);
        Ok(())
    }

    async fn finish(
        &mut self,
        plan: &RunPlan,
        pauses: Option<Phase>,
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
        if let (Some(phase), false) = (pauses, giving_up) {
            let again = again(plan);
            self.write(progress, vec![Record::Paused { at, phase, again }])
                .await?;
            return Ok(Drive::Paused(phase));
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
}
