//! Simulated sessions: servers that hold for as long as a session lives, and go wrong when told to.
//!
//! What a statement does is read from its text: `pg_backup_start` and the like begin a quiesce, `pg_backup_stop` and the
//! like end it and fail when none is in force. The end of a session's input, or the engine's death, ends the quiesce.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use refloat_core::capture::{Ending, SessionEvent, SessionOrder, Sessions, Until};
use refloat_core::driver::{Class, Problem};

use super::{Fault, SimWorld};

/// What goes wrong with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It never opens.
    Unopened,
    /// The command ends with this code and these words instead of an answer.
    Exits(i32, String),
    /// No answer comes.
    Silent,
    /// The stream breaks.
    Breaks,
    /// The stream breaks after the answer, while nothing is asked.
    BreaksAfter,
    /// The stream breaks after the answer and so does the holder: what outlives its client stays.
    StaysHeld,
}

/// When it goes wrong: at the n-th statement, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFault {
    /// At which statement.
    pub at: usize,
    /// What happens.
    pub trouble: Trouble,
}

const BEGINS: &[&str] = &[
    "pg_backup_start",
    "pg_start_backup",
    "BACKUP STAGE BLOCK_COMMIT",
    "FLUSH TABLES WITH READ LOCK",
];
const ENDS: &[&str] = &[
    "pg_backup_stop",
    "pg_stop_backup",
    "BACKUP STAGE END",
    "UNLOCK TABLES",
    "release",
];

#[derive(Debug, Default)]
struct Session {
    statements: usize,
    holds: bool,
}

#[derive(Debug, Default)]
pub(super) struct Held {
    open: BTreeMap<String, Session>,
    /// Members that are frozen although no session holds them.
    stuck: BTreeSet<String>,
    events: VecDeque<(String, SessionEvent)>,
    faults: BTreeMap<String, SessionFault>,
    /// Every quiesce that began and how it ended, a line each.
    log: Vec<String>,
}

impl Held {
    fn tell(&mut self, name: &str, event: SessionEvent) {
        self.events.push_back((name.to_owned(), event));
    }

    fn end(&mut self, name: &str, ending: Ending) {
        if let Some(session) = self.open.remove(name) {
            if session.holds {
                self.log.push(format!("{name} let go with its session"));
            }
            self.tell(name, SessionEvent::Ended(ending));
        }
    }

    fn say(&mut self, name: &str, text: &str, until: &Until) {
        let Some(session) = self.open.get_mut(name) else {
            return;
        };
        session.statements += 1;
        let fault = self
            .faults
            .get(name)
            .filter(|fault| fault.at == session.statements)
            .map(|fault| fault.trouble.clone());
        match fault {
            Some(Trouble::Exits(code, said)) => {
                self.tell(name, SessionEvent::ErrorLine(said));
                return self.end(name, Ending::Exited(code));
            }
            Some(Trouble::Silent) => return,
            Some(Trouble::Breaks) => return self.end(name, broken()),
            Some(Trouble::Unopened | Trouble::BreaksAfter | Trouble::StaysHeld) | None => {}
        }
        if ENDS.iter().any(|word| text.contains(word)) {
            if !session.holds {
                self.tell(
                    name,
                    SessionEvent::ErrorLine("ERROR:  backup is not in progress".to_owned()),
                );
                return self.end(name, Ending::Exited(3));
            }
            session.holds = false;
            self.log.push(format!("{name} let go in order"));
        } else if BEGINS.iter().any(|word| text.contains(word)) || is_hook(until) {
            session.holds = true;
            self.log.push(format!("{name} holds"));
        }
        let facts = "{\"stop_lsn\":\"0/4000138\",\"label\":\"START WAL LOCATION: 0/4000028\\n\",\"map\":\"\",\
                     \"start_lsn\":\"0/4000028\"}";
        self.tell(name, SessionEvent::Line(facts.to_owned()));
        let done = match until {
            Until::Line(line) => line.clone(),
            Until::AnyLine => "held".to_owned(),
        };
        self.tell(name, SessionEvent::Line(done));
        if fault == Some(Trouble::StaysHeld) {
            self.stuck.insert(name.to_owned());
        }
        if matches!(fault, Some(Trouble::BreaksAfter | Trouble::StaysHeld)) {
            self.end(name, broken());
        }
    }
}

/// The first statement of a hook's session says nothing: the command itself begins to hold.
fn is_hook(until: &Until) -> bool {
    match until {
        Until::AnyLine => true,
        Until::Line(line) => line == "refloat held",
    }
}

fn broken() -> Ending {
    Ending::Lost(Problem::of(
        Class::Retry,
        "session-broken",
        "the stream to the command broke",
        "simulated",
    ))
}

impl SimWorld {
    /// Plans what goes wrong with a member's session.
    pub fn plan_session_fault(&self, member: &str, fault: SessionFault) {
        let mut held = self.sessions.borrow_mut();
        held.faults.insert(member.to_owned(), fault);
    }

    /// Members whose quiesce is in force now.
    pub fn held(&self) -> Vec<String> {
        let held = self.sessions.borrow();
        let holding = held.open.iter().filter(|(_, session)| session.holds);
        let holding = holding.map(|(name, _)| name).chain(&held.stuck);
        holding.cloned().collect()
    }

    /// Undoes from outside what stays frozen in a pod: `thaw` in `shop/files-0`.
    pub(super) fn thaw(&self, namespace: &str, pod: &str) {
        let workload = pod.rsplit_once('-').map_or(pod, |(workload, _)| workload);
        let member = format!("{namespace}/{workload}");
        let mut held = self.sessions.borrow_mut();
        let how = if held.stuck.remove(&member) {
            "was thawed from outside"
        } else {
            "was not frozen when it was thawed from outside"
        };
        held.log.push(format!("{member} {how}"));
    }

    /// Every quiesce that began and how it ended, a line each.
    pub fn hold_log(&self) -> Vec<String> {
        self.sessions.borrow().log.clone()
    }

    /// Counts a word; false when the engine is dead or dies of it, which ends every session.
    fn may_speak(&self) -> bool {
        if self.dead.get() {
            return false;
        }
        let count = self.words.get() + 1;
        self.words.set(count);
        if self.fault.get() == Some(Fault::CrashAtWord(count)) {
            self.dead.set(true);
        }
        !self.dead.get()
    }

    /// A dead engine's streams are closed by its kernel.
    fn bury(&self) {
        if self.dead.get() {
            let mut held = self.sessions.borrow_mut();
            let names: Vec<String> = held.open.keys().cloned().collect();
            for name in names {
                held.end(&name, broken());
            }
            held.events.clear();
        }
    }
}

impl Sessions for SimWorld {
    fn open(&self, name: &str, _order: &SessionOrder) {
        if self.may_speak() {
            let mut held = self.sessions.borrow_mut();
            let unopened = held
                .faults
                .get(name)
                .is_some_and(|fault| fault.trouble == Trouble::Unopened);
            held.open.insert(name.to_owned(), Session::default());
            if !unopened {
                held.tell(name, SessionEvent::Opened);
            }
        }
        self.bury();
    }

    fn send(&self, name: &str, text: &str, until: &Until) {
        if self.may_speak() {
            self.sessions.borrow_mut().say(name, text, until);
        }
        self.bury();
    }

    fn close(&self, name: &str) {
        if self.may_speak() {
            self.sessions.borrow_mut().end(name, Ending::Exited(0));
        }
        self.bury();
    }

    async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)> {
        let event = self.sessions.borrow_mut().events.pop_front();
        if event.is_some() {
            let alive = self.may_speak();
            self.bury();
            return event.filter(|_| alive);
        }
        self.bury();
        if self.dead.get() {
            // Nobody acts any more; its limits pass quickly.
            let later = self.now.get().checked_add(Duration::from_secs(5));
            self.now.set(later.expect("simulated time stays in range"));
            self.elapsed
                .set(self.elapsed.get() + Duration::from_secs(5));
        } else {
            self.tick(at_most);
        }
        None
    }
}
