//! What is known of each step of a run: the journal, folded.

use std::collections::BTreeMap;
use std::time::Duration;

use ecow::EcoString;
use jiff::Timestamp;

use super::deeds::{self, Deeds};
use super::{End, MustRelease, PAUSE_STEP, Phase, Record};
use crate::driver::{Effect, Outcome, Problem};
use crate::planted::{self, Bug};
use crate::readiness::JOB_FAILED;

/// State of one step.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// Its edges were open; it was acted on or is waited for.
    Running {
        /// When its edges were open.
        began: Timestamp,
        /// When it was last acted on, or when the run was resumed.
        since: Timestamp,
    },
    /// It is done.
    Done {
        /// When its edges were open.
        began: Timestamp,
        /// When it was last acted on.
        since: Timestamp,
        /// When it was done.
        at: Timestamp,
    },
    /// A person must act; resuming tries it again.
    Stuck {
        /// When its edges were open.
        began: Timestamp,
        /// Why.
        problem: Box<Problem>,
    },
}

/// How often what a step comes back to counts as new.
const COMES_BACK_MAX: u32 = 8;

/// What a step intended.
#[derive(Debug, Clone, Default, PartialEq)]
struct Intents {
    last: Vec<String>,
    counts: BTreeMap<Vec<String>, u32>,
}

/// What is known of one step. Kept of every step of a run: what few have lies elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    state: Option<StepState>,
    /// What it intended last, and how often it began to intend what since the run was begun or resumed.
    intents: Option<Box<Intents>>,
    /// What it ever intended and made.
    deeds: Option<Deeds>,
    outcome: Option<Outcome>,
}

/// The journal, folded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// A tree that is filled in order has half of its places empty: so they are small.
    steps: BTreeMap<EcoString, Box<Known>>,
    must_release: Vec<(Timestamp, MustRelease)>,
    failing: Option<Problem>,
    ended: Option<End>,
    resumed: u32,
    /// After which phase it is to pause.
    until: Option<Phase>,
    /// After which phase it is paused, and since when.
    paused: Option<(Phase, Timestamp)>,
    /// How long earlier pauses lasted.
    paused_before: Duration,
    started: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Progress {
    /// Folds a whole journal.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut progress = Self::default();
        for record in records {
            progress.apply(record);
        }
        progress
    }

    /// Takes one more record into account.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Started { at, .. } => {
                self.started.get_or_insert(*at);
                self.last = Some(*at);
            }
            Record::Resumed { at, .. } => {
                self.resumed += 1;
                self.resume(*at);
            }
            Record::Began { at, step } => {
                self.last = Some(*at);
                let state = StepState::Running {
                    began: *at,
                    since: *at,
                };
                self.known(step).state.get_or_insert(state);
            }
            Record::Intent { at, step, effects } => {
                self.last = Some(*at);
                let is_news = self.is_news(record);
                let began = self.began(step).unwrap_or(*at);
                let known = self.known(step);
                known.deeds.get_or_insert_default().intend(effects);
                // Doing the same thing again is no progress: the step's limit goes on running.
                if is_news {
                    known.state = Some(StepState::Running { began, since: *at });
                    let intents = known.intents.get_or_insert_default();
                    intents.last.clone_from(effects);
                    *intents.counts.entry(effects.clone()).or_default() += 1;
                }
            }
            Record::MustRelease { at, sessions, .. } => {
                self.last = Some(*at);
                let sessions = sessions.iter().map(|one| (*at, one.clone()));
                self.must_release.extend(sessions);
            }
            Record::Kept { at, .. } => self.last = Some(*at),
            Record::Created { at, step, uid } => {
                self.last = Some(*at);
                self.known(step).deeds.get_or_insert_default().create(uid);
            }
            Record::Done { at, step, outcome } => {
                self.last = Some(*at);
                self.done(*at, step, outcome);
            }
            Record::Stuck { at, step, problem } => {
                self.last = Some(*at);
                self.needs_a_person(*at, step, problem);
            }
            Record::Failing { at, problem } => {
                self.last = Some(*at);
                self.failing.get_or_insert(problem.clone());
            }
            Record::Until { at, phase } => {
                self.last = Some(*at);
                self.wish(*phase);
            }
            Record::Paused { at, phase, again } => {
                self.last = Some(*at);
                self.paused = Some((*phase, *at));
                self.undo(again);
            }
            Record::Ended { at, end } => {
                self.last = Some(*at);
                self.ended = Some(*end);
            }
        }
    }

    /// False for an intent that repeats the step's last one, or that it has come back to again and again: that is no progress.
    pub fn is_news(&self, record: &Record) -> bool {
        match record {
            Record::Intent { step, effects, .. } => !self.intents(step).is_some_and(|before| {
                let count = before.counts.get(effects).copied().unwrap_or(0);
                before.last == *effects || count >= COMES_BACK_MAX
            }),
            Record::Started { .. }
            | Record::Resumed { .. }
            | Record::Began { .. }
            | Record::MustRelease { .. }
            | Record::Kept { .. }
            | Record::Created { .. }
            | Record::Done { .. }
            | Record::Stuck { .. }
            | Record::Failing { .. }
            | Record::Until { .. }
            | Record::Paused { .. }
            | Record::Ended { .. } => true,
        }
    }

    fn done(&mut self, at: Timestamp, step: &str, outcome: &Outcome) {
        let (began, since) = self.began_and_since(step).unwrap_or((at, at));
        let state = StepState::Done { began, since, at };
        let known = self.known(step);
        known.state = Some(state);
        known.outcome = Some(outcome.clone());
        // It intends nothing more.
        known.intents = None;
    }

    fn known(&mut self, step: &str) -> &mut Known {
        self.steps.entry(step.into()).or_default()
    }

    fn intents(&self, step: &str) -> Option<&Intents> {
        self.steps.get(step)?.intents.as_deref()
    }

    fn wish(&mut self, until: Option<Phase>) {
        self.until = until;
        // It ended an access of before: what comes until another pause may have to give it again.
        self.steps.remove(PAUSE_STEP);
    }

    /// What a step set out to do was refused, and nothing was done.
    pub(crate) fn refused(&mut self, step: &str, effect: &Effect) {
        if let Some(deeds) = &mut self.known(step).deeds {
            deeds.forget(effect);
        }
    }

    fn needs_a_person(&mut self, at: Timestamp, step: &str, problem: &Problem) {
        let state = StepState::Stuck {
            began: self.began(step).unwrap_or(at),
            problem: Box::new(problem.clone()),
        };
        let known = self.known(step);
        known.state = Some(state);
        if problem.code == JOB_FAILED
            && let Some(deeds) = &mut known.deeds
        {
            deeds.fail();
        }
    }

    /// These count as never begun.
    fn undo(&mut self, steps: &[String]) {
        for step in steps {
            self.steps.remove(step.as_str());
        }
    }

    fn resume(&mut self, at: Timestamp) {
        self.last = Some(at);
        if let Some((_, since)) = self.paused.take() {
            let lasted = Duration::try_from(at.duration_since(since));
            self.paused_before += lasted.unwrap_or_default();
        }
        for known in self.steps.values_mut() {
            known.intents = None;
            let Some(state) = &mut known.state else {
                continue;
            };
            match state {
                StepState::Stuck { .. } if planted::is(Bug::ResumeForgetsStuck) => {}
                StepState::Running { began, .. } | StepState::Stuck { began, .. } => {
                    *state = StepState::Running {
                        began: *began,
                        since: at,
                    };
                }
                StepState::Done { .. } => {}
            }
        }
    }

    fn began(&self, step: &str) -> Option<Timestamp> {
        Some(self.began_and_since(step)?.0)
    }

    fn began_and_since(&self, step: &str) -> Option<(Timestamp, Timestamp)> {
        match self.state(step)? {
            StepState::Running { began, since } | StepState::Done { began, since, .. } => {
                Some((*began, *since))
            }
            StepState::Stuck { began, .. } => Some((*began, *began)),
        }
    }

    /// State of a step; `None` while its edges are not open.
    pub fn state(&self, step: &str) -> Option<&StepState> {
        self.steps.get(step)?.state.as_ref()
    }

    /// True when the step is done.
    pub fn is_done(&self, step: &str) -> bool {
        matches!(self.state(step), Some(StepState::Done { .. }))
    }

    /// True once something was about to be done for the step.
    pub fn was_intended(&self, step: &str) -> bool {
        let known = self.steps.get(step);
        known.is_some_and(|known| known.deeds.is_some())
    }

    /// What a step set out to do, and what it made.
    pub fn deeds(&self, step: &str) -> &Deeds {
        let known = self.steps.get(step);
        known
            .and_then(|known| known.deeds.as_ref())
            .unwrap_or(&deeds::NONE)
    }

    /// What a step achieved, once it is done.
    pub fn outcome(&self, step: &str) -> Option<&Outcome> {
        self.steps.get(step)?.outcome.as_ref()
    }

    /// Outcomes of the steps that are done, ordered by step.
    pub fn outcomes(&self) -> impl Iterator<Item = (&str, &Outcome)> {
        let all = self.steps.iter();
        all.filter_map(|(step, known)| Some((step.as_str(), known.outcome.as_ref()?)))
    }

    /// Stuck steps and their problems.
    pub fn stuck(&self) -> impl Iterator<Item = (&str, &Problem)> {
        self.steps
            .iter()
            .filter_map(|(id, known)| match &known.state {
                Some(StepState::Stuck { problem, .. }) => Some((id.as_str(), &**problem)),
                Some(StepState::Running { .. } | StepState::Done { .. }) | None => None,
            })
    }

    /// What may be held beyond its session, and since when it was written down.
    pub fn must_release(&self) -> &[(Timestamp, MustRelease)] {
        &self.must_release
    }

    /// Why the run is being given up, if it is.
    pub fn failing(&self) -> Option<&Problem> {
        self.failing.as_ref()
    }

    /// How the run ended, if it did.
    pub fn ended(&self) -> Option<End> {
        self.ended
    }

    /// How often the run was resumed. Tells attempts apart without any clock.
    pub fn resumed(&self) -> u32 {
        self.resumed
    }

    /// After which phase the run is to pause; `None` when it goes to its end.
    pub fn until(&self) -> Option<Phase> {
        self.until
    }

    /// After which phase the run is paused.
    pub fn paused(&self) -> Option<Phase> {
        self.paused.map(|(phase, _)| phase)
    }

    /// How long pauses that are over lasted, all together.
    pub fn paused_before(&self) -> Duration {
        self.paused_before
    }

    /// When the run started.
    pub fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// When the journal was last written.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }
}
