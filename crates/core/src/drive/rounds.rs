//! When a step is looked at: at once when it is new or was acted on, soon when something that it asked for changed, and after a
//! while in any case, because a watch may miss what it should have seen.
//!
//! Measured by the world's `elapsed`, so that a clock that jumps neither hurries nor delays anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::driver::{Answer, Query, Verdict, Why};
use crate::planted::{self, Bug};
use crate::run::{Step, Work};
use crate::world::Changed;

/// What no watch tells of (commands, logs) is asked again after this time.
const POLL: Duration = Duration::from_millis(300);
/// A gate of a user's own runs a command or asks a service, a rehearsal asks webhooks: no more often than this.
const POLL_GATE: Duration = Duration::from_secs(1);
/// What is watched is asked again all the same, ever more rarely the longer it has waited: a decision may depend on the time, and a
/// watch may miss something.
const FALLBACK_MIN: Duration = Duration::from_millis(250);
const FALLBACK_MAX: Duration = Duration::from_secs(5);
/// Of many that wait each is asked again so much more rarely that all of them together are no load: twenty in a second.
const FALLBACK_EACH: Duration = Duration::from_millis(50);
/// One that has just begun to wait is asked again after this time all the same.
const FALLBACK_SOON: Duration = Duration::from_secs(2);
/// A step is not looked at more often, however much of what it asked for changes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What was tried in vain is tried again after this time, and then after ever longer ones.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(3);
/// Times to look again lie on a raster, so that steps that wait are looked at together.
const RASTER: Duration = Duration::from_millis(50);
/// Longest pause: a user who interrupts is heard after it.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What is known of a step that was looked at.
#[derive(Debug, Clone)]
struct Round<'a> {
    step: &'a Step,
    /// What it asked for.
    asked: Vec<Query>,
    /// It is looked at again at this time at the latest.
    again: Duration,
    /// Tries in vain, one after the other.
    vain: u32,
    /// What the last of them was answered.
    refused: Option<Why>,
    /// What its own effects answered, the newest last: as new as a read.
    fresh: Vec<(Query, Answer)>,
    /// Since when its limit runs.
    since: Duration,
    /// When it was looked at last.
    looked: Duration,
    /// It is not looked at again before this much time, whatever changes.
    least: Duration,
    /// The failure that it shows, and since when without a break.
    failing: Option<(String, Duration)>,
    /// It is being acted on: it is not looked at before that has ended.
    acting: bool,
    /// It wanted to see more when its turn ended.
    goes_on: bool,
}

impl<'a> Round<'a> {
    fn new(step: &'a Step, since: Duration) -> Self {
        Self {
            step,
            asked: Vec::new(),
            again: Duration::ZERO,
            vain: 0,
            refused: None,
            fresh: Vec::new(),
            since,
            looked: Duration::ZERO,
            least: Duration::ZERO,
            failing: None,
            acting: false,
            goes_on: false,
        }
    }
}

/// Steps that are due.
pub(super) struct Due<'a> {
    /// To be looked at in this turn.
    pub(super) now: Vec<&'a Step>,
    /// Those that the next turn will look at for the first time.
    pub(super) next: Vec<&'a Step>,
}

/// When each step of a run is looked at again.
pub(super) struct Rounds<'a> {
    /// Steps that one turn looks at, of those that were answered and of the others.
    turn_steps_max: usize,
    /// When this process began to drive.
    began: Duration,
    /// Steps that nobody in this process has looked at, and since when they could be: those that could first come first. There may be
    /// tens of thousands.
    new: VecDeque<(Duration, &'a Step)>,
    /// Those that were looked at and are not over.
    steps: BTreeMap<&'a str, Round<'a>>,
    /// How many of them wait for something.
    waiting: u32,
    /// What all of them wait for, until that changes.
    interest: Option<Vec<Query>>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(now: Duration, turn_steps_max: usize) -> Self {
        Self {
            turn_steps_max,
            began: now,
            new: VecDeque::new(),
            steps: BTreeMap::new(),
            waiting: 0,
            interest: None,
        }
    }

    /// Steps to look at now: first those whose effects have just been answered and those that want to see more, then those that have
    /// waited longest. The first take no place of others, so that there is always something to do. `opened` are those that may run since this was last
    /// asked, also if they ran in another process.
    pub(super) fn due(&mut self, opened: impl Iterator<Item = &'a Step>, now: Duration) -> Due<'a> {
        let most = self.turn_steps_max;
        self.new.extend(opened.map(|step| (now, step)));
        let mut answered: Vec<(Duration, &Step)> = Vec::new();
        let mut waiting: Vec<(Duration, &Step, bool)> = Vec::new();
        for round in self.steps.values() {
            if round.acting || round.again > now {
                continue;
            }
            if round.fresh.is_empty() && !round.goes_on {
                waiting.push((round.again, round.step, false));
            } else {
                answered.push((round.again, round.step));
            }
        }
        // No more of them can be in this turn or the next.
        let new = self.new.iter().take(most.saturating_mul(2));
        waiting.extend(new.map(|(since, step)| (*since, *step, true)));
        answered.sort_by_key(|(since, _)| *since);
        waiting.sort_by_key(|(since, ..)| *since);
        answered.truncate(most);
        let later = waiting.split_off(most.min(waiting.len()));
        let new = waiting.iter().filter(|(.., is_new)| *is_new).count();
        for (_, step) in self.new.drain(..new) {
            self.steps.insert(&step.id, Round::new(step, self.began));
        }
        let answered = answered.into_iter().map(|(_, step)| step);
        let due: Vec<&Step> = answered
            .chain(waiting.into_iter().map(|(_, step, _)| step))
            .collect();
        for step in &due {
            if let Some(round) = self.steps.get_mut(step.id.as_str()) {
                round.looked = now;
                round.goes_on = false;
            }
        }
        let next = later.into_iter().take(most);
        let next = next.filter(|(.., is_new)| *is_new);
        Due {
            now: due,
            next: next.map(|(_, step, _)| step).collect(),
        }
    }

    /// How long nothing is due.
    pub(super) fn pause(&self, now: Duration) -> Duration {
        let next = self.steps.values().map(|round| round.again).min();
        let next = next.map_or(PAUSE_MAX, |next| next.saturating_sub(now));
        next.clamp(Duration::from_millis(1), PAUSE_MAX)
    }

    /// What waiting steps wait for and a watch can tell of.
    pub(super) fn interest(&mut self) -> &[Query] {
        if self.interest.is_none() {
            self.interest = Some(self.all_asked());
        }
        self.interest.as_deref().unwrap_or_default()
    }

    fn all_asked(&self) -> Vec<Query> {
        let all: BTreeSet<&Query> = self
            .steps
            .values()
            .flat_map(|round| &round.asked)
            .filter(|query| is_watchable(query) && opens_gates(query))
            .collect();
        all.into_iter().cloned().collect()
    }

    /// Something changed: the steps that asked for it are due.
    pub(super) fn heard(&mut self, changed: &Changed) {
        if changed.is_empty() {
            return;
        }
        for round in self.steps.values_mut() {
            if round.asked.iter().any(|query| changed.concerns(query)) {
                round.again = round.again.min(round.looked + round.least.max(LOOK_AGAIN));
            }
        }
    }

    /// How long the step's limit has run.
    pub(super) fn waited(&self, step: &str, now: Duration) -> Duration {
        let since = self.steps.get(step).map_or(now, |round| round.since);
        now.saturating_sub(since)
    }

    /// The step's limit begins anew: it began, or something new was done.
    pub(super) fn anew(&mut self, step: &str, now: Duration) {
        if let Some(round) = self.steps.get_mut(step) {
            round.since = now;
        }
    }

    /// Objects and lists that it asked for when it was looked at last: it will ask for them again.
    pub(super) fn asked(&self, step: &str) -> impl Iterator<Item = &Query> {
        let round = self.steps.get(step).into_iter();
        let asked = round.flat_map(|round| &round.asked);
        asked.filter(|query| is_watchable(query) && opens_gates(query))
    }

    /// It waits; this is what it asked for.
    pub(super) fn waits(&mut self, step: &Step, mut asked: Vec<Query>, now: Duration) {
        // What it had asked for is asked anew beside what it asks for: each counts once, however often it has waited.
        asked.sort();
        asked.dedup();
        let poll = poll(step, &asked);
        let step = step.id.as_str();
        let watched = asked.iter().all(is_watchable);
        let after = if watched && planted::is(Bug::TrustsWatches) {
            Duration::from_secs(1_000_000)
        } else if watched {
            let each = FALLBACK_EACH * self.waiting;
            let least = FALLBACK_MIN.max(each.min(FALLBACK_SOON));
            (self.waited(step, now) / 4).clamp(least, FALLBACK_MAX.max(each))
        } else {
            poll
        };
        // One that is over stays so, whatever its last effects brought.
        let Some(round) = self.steps.get_mut(step) else {
            return;
        };
        round.again = on_raster(now + after);
        round.least = if watched { Duration::ZERO } else { poll };
        if round.asked != asked {
            self.waiting -= u32::from(!round.asked.is_empty());
            self.waiting += u32::from(!asked.is_empty());
            round.asked = asked;
            self.interest = None;
        }
        if let Some(round) = self.steps.get_mut(step) {
            round.vain = 0;
            round.refused = None;
        }
    }

    /// A wait that shows a failure: a person is needed once it has been shown for its time at every look.
    pub(super) fn judged(&mut self, step: &str, why: Why, now: Duration) -> Verdict {
        let Some(round) = self.steps.get_mut(step) else {
            return Verdict::Wait(why);
        };
        let Some(failing) = &why.failing else {
            round.failing = None;
            return Verdict::Wait(why);
        };
        let since = match &round.failing {
            Some((code, since)) if *code == failing.problem.code => *since,
            Some(_) | None => {
                round.failing = Some((failing.problem.code.clone(), now));
                now
            }
        };
        if now.saturating_sub(since) >= Duration::from_secs(u64::from(failing.seconds)) {
            return Verdict::Stuck(failing.problem.clone());
        }
        Verdict::Wait(why)
    }

    /// Its turn has ended before it could decide: it is in the next one.
    pub(super) fn goes_on(&mut self, step: &str) {
        if let Some(round) = self.steps.get_mut(step) {
            round.goes_on = true;
        }
    }

    /// It is being acted on.
    pub(super) fn acting(&mut self, step: &str) {
        if let Some(round) = self.steps.get_mut(step) {
            round.acting = true;
        }
    }

    /// It was acted on, and its effects answered this: it is looked at at once.
    pub(super) fn acted(&mut self, step: &str, fresh: Vec<(Query, Answer)>, now: Duration) {
        // One that is over stays so, whatever its last effects brought.
        let Some(round) = self.steps.get_mut(step) else {
            return;
        };
        round.acting = false;
        round.again = now;
        round.vain = 0;
        round.refused = None;
        round.fresh = fresh;
    }

    /// It was acted on in vain, or did again what it had done before. Answers whether it is worth a word that it was refused: once is not.
    pub(super) fn in_vain(&mut self, step: &str, refused: Option<Why>, now: Duration) -> bool {
        // One that is over stays so, whatever its last effects brought.
        let Some(round) = self.steps.get_mut(step) else {
            return false;
        };
        let again = round.refused.is_some() && refused.is_some();
        round.refused = refused;
        round.acting = false;
        let after = RETRY.saturating_mul(2_u32.saturating_pow(round.vain.min(8)));
        round.again = on_raster(now + after.min(RETRY_MAX));
        round.vain += 1;
        round.fresh = Vec::new();
        again
    }

    /// What its last try was refused with.
    pub(super) fn refused(&self, step: &str) -> Option<&Why> {
        self.steps.get(step)?.refused.as_ref()
    }

    /// Takes what a step's own effects answered.
    pub(super) fn fresh(&mut self, step: &str) -> Vec<(Query, Answer)> {
        self.steps
            .get_mut(step)
            .map(|round| std::mem::take(&mut round.fresh))
            .unwrap_or_default()
    }

    /// It is over.
    pub(super) fn over(&mut self, step: &str) {
        if let Some(round) = self.steps.remove(step) {
            self.waiting -= u32::from(!round.asked.is_empty());
        }
        self.interest = None;
    }
}

fn on_raster(time: Duration) -> Duration {
    let raster = RASTER.as_nanos();
    let steps = time.as_nanos().div_ceil(raster);
    let aligned = u64::try_from(steps * raster).unwrap_or(u64::MAX);
    Duration::from_nanos(aligned)
}

#[cfg(test)]
mod tests;

/// Events tell why a gate is closed, and never open one: read with the rest, they wake nobody. A namespace may have many.
fn opens_gates(query: &Query) -> bool {
    match query {
        Query::List(request) => request.resource.kind != "Event",
        Query::Object(_)
        | Query::Exec(_)
        | Query::Log(_)
        | Query::Served(_)
        | Query::Rehearsal(_) => true,
    }
}

/// How often a step asks what no watch tells of. A webhook is asked no more often than a gate of a user's own.
fn poll(step: &Step, asked: &[Query]) -> Duration {
    if asked.iter().any(|one| matches!(one, Query::Rehearsal(_))) {
        return POLL_GATE;
    }
    match step.work {
        Work::Gate(_) => POLL_GATE,
        Work::Driver { .. }
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::SystemNamespace
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Fill(_)
        | Work::Write(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::StoreObjects
        | Work::Seal { .. } => POLL,
    }
}

fn is_watchable(query: &Query) -> bool {
    match query {
        Query::Object(_) | Query::List(_) => true,
        Query::Exec(_) | Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => false,
    }
}
