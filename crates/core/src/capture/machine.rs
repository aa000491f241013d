//! The machine of a capture: `step(event, now) → actions`. Pure; it knows no cluster, no session and no clock.
//!
//! record what must be released → open the holds that freeze nothing → open those that freeze → barrier → cut → prove
//! those that freeze nothing, then those that freeze, which lets writers go on → keep what the proof brought → cut what comes late → prove that, too → close → over. Anything that goes wrong
//! closes every session at once and ends in a failure; no stage waits without a limit.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

mod holds;
mod limits;
mod waves;

use super::outcome::{Captured, CutMade};
use super::sessions::SessionEvent;
use super::spec::{Capture, Hold, Statement};
use crate::driver::{Outcome, Problem};
use crate::planted::{self, Bug};

/// What happens to a capture.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It begins.
    Start,
    /// The records of what must be released are durable.
    Recorded,
    /// A session of this member said something.
    Session(String, SessionEvent),
    /// A volume is cut: part, and what its driver says of it.
    CutDone(String, Outcome),
    /// A volume cannot be cut.
    CutFailed(String, Problem),
    /// A volume waits for its cut, and why.
    CutWaits(String, String),
    /// What the proofs brought is durable.
    Kept,
    /// It has to end: the user, the journal, the engine.
    Abandon(Problem),
    /// Time has passed.
    Tick,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write down what must be released from outside, by member; then `Recorded`.
    Record(Vec<String>),
    /// Open this member's session.
    Open(String),
    /// Say this on the member's session.
    Send(String, Statement),
    /// End the input of the member's session.
    Close(String),
    /// Begin to cut these parts.
    Cut(Vec<String>),
    /// Stop waiting for cuts.
    StopCutting,
    /// Make durable what the proofs brought, by member; then `Kept`.
    Keep(BTreeMap<String, BTreeMap<String, Value>>),
    /// Nothing follows.
    Finish(Box<Result<Captured, Problem>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Recording,
    /// Opening the holds that freeze (true) or do not (false).
    Opening(bool),
    /// Cutting what comes late (true) or first (false).
    Cutting(bool),
    /// Proving the holds that freeze (true) or do not (false).
    Proving(bool),
    Keeping,
    /// The late parts are cut: what was kept for them was kept until then.
    ProvingLate,
    Closing,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    Unopened,
    Opening,
    Open,
    Closing,
    Ended,
}

#[derive(Debug)]
struct HoldState {
    session: Session,
    /// Statements still to be said; the first one is being answered.
    queue: VecDeque<Statement>,
    /// When the first of the queue was said, or the session was asked for.
    since: Timestamp,
    facts: BTreeMap<String, Value>,
    said: String,
    held: Option<Timestamp>,
    released: Option<Timestamp>,
    proven: bool,
}

#[derive(Debug, Default)]
struct CutState {
    asked: Option<Timestamp>,
    made: Option<CutMade>,
    waits_for: Option<String>,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    capture: Capture,
    stage: Stage,
    /// When the stage began.
    since: Timestamp,
    holds: BTreeMap<String, HoldState>,
    cuts: BTreeMap<String, CutState>,
    failure: Option<Problem>,
    actions: Vec<Action>,
}

impl Machine {
    /// A machine that has not begun.
    pub fn new(capture: Capture, now: Timestamp) -> Self {
        let holds = capture.holds.iter().map(|hold| {
            let state = HoldState {
                session: Session::Unopened,
                queue: hold.open.iter().cloned().collect(),
                since: now,
                facts: BTreeMap::new(),
                said: String::new(),
                held: None,
                released: None,
                proven: false,
            };
            (hold.member.clone(), state)
        });
        let holds = holds.collect();
        let cuts = capture.cuts.iter();
        let cuts = cuts.map(|cut| (cut.part.clone(), CutState::default()));
        Self {
            cuts: cuts.collect(),
            holds,
            capture,
            stage: Stage::Recording,
            since: now,
            failure: None,
            actions: Vec::new(),
        }
    }

    /// Takes an event; says what is to be done.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        if self.stage == Stage::Over {
            return Vec::new();
        }
        match event {
            Event::Start => self.start(now),
            Event::Recorded => {
                if self.stage == Stage::Recording {
                    self.open(false, now);
                }
            }
            Event::Session(member, said) => self.session(&member, said, now),
            Event::CutDone(part, outcome) => self.cut_done(&part, outcome, now),
            Event::CutFailed(part, problem) => {
                if self.is_awaited(&part) {
                    self.fail(problem, now);
                }
            }
            Event::CutWaits(part, why) => {
                if let Some(cut) = self.cuts.get_mut(&part) {
                    cut.waits_for = Some(why);
                }
            }
            Event::Kept => {
                if self.stage == Stage::Keeping {
                    self.cut(true, now);
                }
            }
            Event::Abandon(problem) => self.fail(problem, now),
            Event::Tick => {}
        }
        self.check_limits(now);
        std::mem::take(&mut self.actions)
    }

    /// True while a member's quiesce may be in force.
    pub fn may_hold(&self) -> bool {
        self.holds.values().any(|hold| {
            matches!(
                hold.session,
                Session::Opening | Session::Open | Session::Closing
            )
        })
    }

    fn enter(&mut self, stage: Stage, now: Timestamp) {
        self.stage = stage;
        self.since = now;
    }

    fn hold(&self, member: &str) -> Option<&Hold> {
        self.capture.holds.iter().find(|hold| hold.member == member)
    }

    fn start(&mut self, now: Timestamp) {
        let sticky = self
            .capture
            .holds
            .iter()
            .filter(|hold| hold.sticky.is_some());
        let sticky: Vec<String> = sticky.map(|hold| hold.member.clone()).collect();
        if sticky.is_empty() || planted::is(Bug::ReleaseNotJournaled) {
            self.open(false, now);
        } else {
            self.enter(Stage::Recording, now);
            self.actions.push(Action::Record(sticky));
        }
    }

    /// Opens the holds that freeze, or those that do not; none of them is the barrier passed.
    fn open(&mut self, freezing: bool, now: Timestamp) {
        self.enter(Stage::Opening(freezing), now);
        for hold in &self.capture.holds {
            if hold.freezes == freezing
                && let Some(state) = self.holds.get_mut(&hold.member)
            {
                state.session = Session::Opening;
                state.since = now;
                self.actions.push(Action::Open(hold.member.clone()));
            }
        }
        self.pass_barrier(now);
    }

    fn pass_barrier(&mut self, now: Timestamp) {
        let Stage::Opening(freezing) = self.stage else {
            return;
        };
        let of_stage = self
            .capture
            .holds
            .iter()
            .filter(|hold| hold.freezes == freezing);
        let mut states = of_stage.filter_map(|hold| self.holds.get(&hold.member));
        if !states.all(|state| state.held.is_some()) {
            return;
        }
        if freezing {
            self.cut(false, now);
        } else {
            self.open(true, now);
        }
    }

    fn keep(&mut self, now: Timestamp) {
        let late = self
            .capture
            .holds
            .iter()
            .filter(|hold| !hold.late_parts.is_empty());
        let facts: BTreeMap<_, _> = late
            .filter_map(|hold| {
                let state = self.holds.get(&hold.member)?;
                Some((hold.member.clone(), state.facts.clone()))
            })
            .collect();
        if facts.is_empty() {
            self.close_all(now);
        } else {
            self.enter(Stage::Keeping, now);
            self.actions.push(Action::Keep(facts));
        }
    }

    fn close(&mut self, member: &str, now: Timestamp) {
        if let Some(state) = self.holds.get_mut(member) {
            match state.session {
                Session::Opening | Session::Open => {
                    state.session = Session::Closing;
                    state.since = now;
                    self.actions.push(Action::Close(member.to_owned()));
                }
                Session::Unopened => state.session = Session::Ended,
                Session::Closing | Session::Ended => {}
            }
        }
    }

    fn close_all(&mut self, now: Timestamp) {
        self.enter(Stage::Closing, now);
        let members: Vec<String> = self.holds.keys().cloned().collect();
        for member in members {
            self.close(&member, now);
        }
        self.finish_if_closed();
    }

    fn finish_if_closed(&mut self) {
        let closed = self
            .holds
            .values()
            .all(|hold| matches!(hold.session, Session::Ended | Session::Unopened));
        if self.stage == Stage::Closing && closed {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.stage = Stage::Over;
        let result = match self.failure.take() {
            Some(problem) => Err(problem),
            None => Ok(self.captured()),
        };
        self.actions.push(Action::Finish(Box::new(result)));
    }

    /// The first failure counts; every session is closed at once.
    fn fail(&mut self, problem: Problem, now: Timestamp) {
        if self.failure.is_some() {
            return;
        }
        if self.stage == Stage::Closing {
            // All is proven and cut; only the end of a session is awaited.
            return;
        }
        self.failure = Some(problem);
        if matches!(self.stage, Stage::Cutting(_)) {
            self.actions.push(Action::StopCutting);
            if planted::is(Bug::HoldOutlivesFailedCut) {
                return self.finish();
            }
        }
        self.close_all(now);
    }
}
