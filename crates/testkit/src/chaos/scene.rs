//! One world in which one run is driven, by one engine after the other: what is planned to go wrong, what has, and the
//! story of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use refloat_core::capture::SessionOrder;
use refloat_core::driver::{Answer, ObjectRef, Query};
use refloat_core::run::{Record, RunPlan};
use refloat_core::world::World;

use super::deed::Deed;
use super::judge::Judge;
use super::lots::Lots;
use super::mishap::Mishap;
use super::taker::Taking;
use crate::sim::{Database, SessionFault, SimWorld, Trouble};

/// A mishap that is to come at the n-th deed of a kind, counted over all lives of the run.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// At which kind of deed.
    pub(super) deed: Deed,
    /// At the how manieth, from 1.
    pub(super) nth: usize,
    /// What happens.
    pub(super) mishap: Mishap,
    /// To whose session, for what happens to one.
    pub(super) member: String,
    pub(super) spent: bool,
}

impl Planned {
    /// A mishap to come.
    pub(super) fn new(deed: Deed, nth: usize, mishap: Mishap) -> Self {
        Self {
            deed,
            nth,
            mishap,
            member: String::new(),
            spent: false,
        }
    }
}

/// What is so for one life of an engine.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may be so at once"
)]
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) number: u32,
    pub(super) dead: bool,
    /// Why it may do nothing any more: its journal did not take a record.
    pub(super) fenced: Option<&'static str>,
    pub(super) deaf: bool,
    pub(super) refused: usize,
    pub(super) refusal: Option<Mishap>,
    pub(super) stale: usize,
    pub(super) cache: BTreeMap<Query, Answer>,
    pub(super) hangs: usize,
    pub(super) interrupted: bool,
    pub(super) idle: usize,
    pub(super) pauses: usize,
    pub(super) capturing: bool,
    pub(super) dies_after_capture: bool,
    /// Another engine has brought the run to its end meanwhile.
    pub(super) late: bool,
    /// Mishaps that happened in it.
    pub(super) mishaps: usize,
    /// Open sessions: their order, since when, and what was said.
    pub(super) sessions: BTreeMap<String, (SessionOrder, Timestamp, usize)>,
}

/// Mishaps that are planned, and how far they have come.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) planned: Vec<Planned>,
    pub(super) done: BTreeMap<Deed, usize>,
    pub(super) announced: BTreeMap<Deed, usize>,
    pub(super) words: usize,
    /// Statements that were said to a member's session.
    pub(super) said: BTreeMap<String, usize>,
    pub(super) hits: Vec<(Deed, Mishap)>,
    pub(super) skew: SignedDuration,
    pub(super) lots: Lots,
    pub(super) owner: u32,
    pub(super) journal_down: usize,
    pub(super) life: Life,
    /// Databases that are down, as they were before.
    pub(super) down: Vec<(String, Database)>,
    /// Foreign objects that a person takes away before the run goes on.
    pub(super) foreign: Vec<ObjectRef>,
    /// Objects of which the end may differ.
    pub(super) touched: BTreeSet<String>,
    /// What an engine created that woke after another had ended its run: nobody removes it.
    pub(super) late: Vec<ObjectRef>,
    /// What somebody deletes of Refloat's own.
    pub(super) taking: Option<Taking>,
    /// A foreign hand was at work: the server may have refused something.
    pub(super) meddled: bool,
}

impl Script {
    fn new(planned: Vec<Planned>, lots: Lots) -> Self {
        Self {
            planned,
            done: BTreeMap::new(),
            announced: BTreeMap::new(),
            words: 0,
            said: BTreeMap::new(),
            hits: Vec::new(),
            skew: SignedDuration::ZERO,
            lots,
            owner: 0,
            journal_down: 0,
            life: Life::default(),
            down: Vec::new(),
            foreign: Vec::new(),
            touched: BTreeSet::new(),
            late: Vec::new(),
            taking: None,
            meddled: false,
        }
    }

    /// Counts an effect; what happens to it. `fits` says whether a mishap can happen to this very one; else it waits for
    /// the next.
    pub(super) fn at_effect(
        &mut self,
        deed: Deed,
        fits: impl Fn(Mishap) -> bool,
    ) -> Option<Mishap> {
        let count = self.done.entry(deed).or_default();
        *count += 1;
        let count = *count;
        self.fire(deed, count, false, fits)
    }

    /// Counts an announced effect, or an entry that announces none; what happens to the entry.
    pub(super) fn at_entry(&mut self, deed: Deed) -> Option<Mishap> {
        let count = self.announced.entry(deed).or_default();
        *count += 1;
        let count = *count;
        self.fire(deed, count, true, |_| true)
    }

    fn fire(
        &mut self,
        deed: Deed,
        count: usize,
        at_entry: bool,
        fits: impl Fn(Mishap) -> bool,
    ) -> Option<Mishap> {
        let found = self.planned.iter_mut().find(|one| {
            !one.spent
                && one.deed == deed
                && one.nth == count
                && one.mishap.is_at_entry() == at_entry
                && !one.mishap.is_of_session()
                && one.mishap != Mishap::DiesAtWord
        })?;
        if !fits(found.mishap) {
            found.nth += 1;
            return None;
        }
        found.spent = true;
        let mishap = found.mishap;
        self.happened(deed, mishap);
        Some(mishap)
    }

    pub(super) fn happened(&mut self, deed: Deed, mishap: Mishap) {
        self.hits.push((deed, mishap));
        self.life.mishaps += 1;
    }

    /// Counts a word; true when the engine dies of it.
    pub(super) fn at_word(&mut self) -> bool {
        self.words += 1;
        let words = self.words;
        let found = self
            .planned
            .iter_mut()
            .find(|one| !one.spent && one.mishap == Mishap::DiesAtWord && one.nth == words);
        let Some(found) = found else { return false };
        found.spent = true;
        self.happened(Deed::Capture, Mishap::DiesAtWord);
        true
    }

    /// Notes what happens to a member's session at its n-th statement, 0 for its opening.
    pub(super) fn at_statement(&mut self, member: &str, nth: usize) {
        let said = self.said.entry(member.to_owned()).or_default();
        *said = nth.max(*said);
        let found = self.planned.iter_mut().find(|one| {
            let opening = one.mishap == Mishap::SessionUnopened;
            let here = if opening { nth == 0 } else { one.nth == nth };
            !one.spent && one.mishap.is_of_session() && one.member == member && here
        });
        if let Some(found) = found {
            found.spent = true;
            let mishap = found.mishap;
            self.happened(Deed::Capture, mishap);
        }
    }
}

/// What happens in a run, a line each, if anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) is_told: bool,
    pub(super) lines: RefCell<Vec<String>>,
}

impl Story {
    /// Tells lines that have no time.
    pub(super) fn tell(&self, lines: &[String]) {
        self.lines.borrow_mut().extend(lines.iter().cloned());
    }
}

/// One world and one run in it.
pub(super) struct Scene<'g> {
    pub(super) world: SimWorld,
    pub(super) plan: &'g RunPlan,
    pub(super) script: RefCell<Script>,
    pub(super) judge: RefCell<Judge>,
    pub(super) records: RefCell<Vec<Record>>,
    pub(super) story: &'g Story,
    /// The first thing that was not as promised.
    wrong: RefCell<Option<String>>,
}

impl<'g> Scene<'g> {
    pub(super) fn new(
        world: SimWorld,
        plan: &'g RunPlan,
        planned: Vec<Planned>,
        lots: Lots,
        story: &'g Story,
    ) -> Self {
        for one in planned.iter().filter(|one| one.mishap.is_of_session()) {
            world.plan_session_fault(&one.member, session_fault(one));
        }
        Self {
            world,
            plan,
            script: RefCell::new(Script::new(planned, lots)),
            judge: RefCell::default(),
            records: RefCell::default(),
            story,
            wrong: RefCell::default(),
        }
    }

    /// The engine's clock.
    pub(super) fn now(&self) -> Timestamp {
        let skew = self.script.borrow().skew;
        let now = self.world.now().checked_add(skew);
        now.expect("simulated time stays in range")
    }

    pub(super) fn say(&self, line: impl Into<String>) {
        if self.story.is_told {
            let at = self.world.now().strftime("%H:%M:%S%.1f");
            let line = format!("{at}  {}", line.into());
            self.story.lines.borrow_mut().push(line);
        }
    }

    /// Something is not as promised: the first one counts, and the engine stops.
    pub(super) fn is_wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.say(format!("WRONG: {what}"));
        self.wrong.borrow_mut().get_or_insert(what);
        self.script.borrow_mut().life.dead = true;
    }

    pub(super) fn wrong(&self) -> Option<String> {
        self.wrong.borrow().clone()
    }

    /// The engine dies; its streams are closed by its kernel.
    pub(super) fn die(&self, how: &str) {
        self.say(format!("the engine dies {how}"));
        self.script.borrow_mut().life.dead = true;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.script.borrow().life.dead
    }
}

fn session_fault(planned: &Planned) -> SessionFault {
    let trouble = match planned.mishap {
        Mishap::SessionExits => Trouble::Exits(3, "FATAL:  too many clients".to_owned()),
        Mishap::SessionSilent => Trouble::Silent,
        Mishap::SessionBreaksAfter => Trouble::BreaksAfter,
        Mishap::SessionStaysHeld => Trouble::StaysHeld,
        Mishap::SessionUnopened => Trouble::Unopened,
        _ => Trouble::Breaks,
    };
    SessionFault {
        at: planned.nth,
        trouble,
    }
}
