//! SimWorld: a small API server with scripted controllers, a clock and planned faults.
//!
//! A simulator, and labelled as one: it knows the kinds that the path of a backup and a recovery touches, keeps uids,
//! resourceVersions, preconditions, finalizer-like waits and reclaim policies, and is wrong on purpose when told to
//! ([`Fault`]). The testbed is where the real thing runs.

mod api;
mod cache;
mod controllers;
mod copying;
mod exec;
mod first;
mod journal;
mod look;
mod port;
mod problem;
pub mod server;
mod sessions;
mod store;
mod waiting;
mod watching;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use refloat_core::driver::{
    Answer, Class, Effect, Effected, ExecAnswer, ExecRequest, FieldOwner, Outcome, Problem, Query,
    Seen,
};
use refloat_core::inventory::Inventory;
use refloat_core::world::{Batches, Changed, Results, World};
use serde_json::{Value, json};

pub use exec::{Database, WARM, WARM_SECONDS};
use first::First;
pub use journal::{Quiet, SimJournal};
pub use server::resource;
use sessions::Held;
pub use sessions::{SessionFault, Trouble};
pub use store::Store;
pub use waiting::{block_on, moment};
use watching::Watching;

/// Where the engine dies, or what goes wrong, at the n-th effect (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The engine dies before the effect reaches the world.
    CrashBefore(usize),
    /// The engine dies right after the effect.
    CrashAfter(usize),
    /// The effect happens, its reply is lost.
    ReplyLost(usize),
    /// The engine dies before it has written its n-th journal entry.
    CrashAtEntry(usize),
    /// The engine dies at its n-th word to a session or from one.
    CrashAtWord(usize),
    /// The API server answers nothing while anything is held.
    HangWhileHeld,
}

/// The simulated world.
pub struct SimWorld {
    store: RefCell<Store>,
    now: Cell<Timestamp>,
    elapsed: Cell<Duration>,
    fault: Cell<Option<Fault>>,
    effects: Cell<usize>,
    entries: Cell<usize>,
    dead: Cell<bool>,
    words: Cell<usize>,
    sessions: RefCell<Held>,
    trusting: Cell<bool>,
    suffixes: Cell<u64>,
    watching: Watching,
    first: RefCell<First>,
    /// What the journal says that follows.
    intended: RefCell<Vec<Vec<String>>>,
    /// What databases answer, by pod `namespace/name`.
    pub databases: RefCell<BTreeMap<String, Database>>,
    /// Bodies of sealed points.
    pub sealed: RefCell<Vec<Value>>,
    /// What the engine did and what came of it, a line each.
    pub history: RefCell<Vec<String>>,
}

impl SimWorld {
    /// A world with these objects.
    pub fn new(store: Store) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z"
            .parse()
            .expect("a constant time is well formed");
        Self {
            store: RefCell::new(store),
            now: Cell::new(start),
            elapsed: Cell::new(Duration::ZERO),
            fault: Cell::new(None),
            effects: Cell::new(0),
            entries: Cell::new(0),
            dead: Cell::new(false),
            words: Cell::new(0),
            sessions: RefCell::default(),
            trusting: Cell::new(false),
            suffixes: Cell::new(0),
            watching: Watching::default(),
            first: RefCell::default(),
            intended: RefCell::new(Vec::new()),
            databases: RefCell::new(BTreeMap::new()),
            sealed: RefCell::new(Vec::new()),
            history: RefCell::new(Vec::new()),
        }
    }

    /// From now on effects may happen that no journal speaks of: for what looks at the port alone.
    pub fn act_without_journal(&self) {
        self.trusting.set(true);
    }

    /// Plans a fault for the effects to come, counted from now.
    pub fn plan_fault(&self, fault: Option<Fault>) {
        self.fault.set(fault);
        self.effects.set(0);
        self.entries.set(0);
        self.words.set(0);
        self.dead.set(false);
    }

    /// True when the engine has died of a planned fault.
    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// Effects since the last `plan_fault`.
    pub fn effect_count(&self) -> usize {
        self.effects.get()
    }

    /// Looks at the store.
    pub fn with_store<T>(&self, read: impl FnOnce(&mut Store) -> T) -> T {
        read(&mut self.store.borrow_mut())
    }

    /// Everything in it, as an inventory.
    pub fn inventory(&self) -> Inventory {
        self.store.borrow().inventory()
    }

    /// Lets controllers run until nothing changes, at most this often.
    pub fn settle(&self, rounds_max: usize) {
        for _ in 0..rounds_max {
            self.tick(Duration::from_millis(200));
        }
    }

    fn tick(&self, by: Duration) {
        let now = self
            .now
            .get()
            .checked_add(by)
            .expect("simulated time stays in range");
        self.now.set(now);
        self.elapsed.set(self.elapsed.get() + by);
        let mut store = self.store.borrow_mut();
        controllers::reconcile(&mut store, now);
        self.history.borrow_mut().append(&mut store.news);
    }

    /// Each intent allows one effect. A capture's own effects are covered by the capture's line.
    fn is_intended(&self, line: &str) -> bool {
        let mut intended = self.intended.borrow_mut();
        for entry in intended.iter_mut() {
            if let Some(place) = entry.iter().position(|one| one == line) {
                entry.swap_remove(place);
                return true;
            }
        }
        line.starts_with("create VolumeSnapshot ")
            && intended
                .iter()
                .flatten()
                .any(|one| one.starts_with("cut ") || one.starts_with("hold "))
    }

    /// Takes note of what a journal entry announced. What the entry before announced may still be going on, nothing older.
    pub(super) fn intends(&self, lines: Vec<String>) {
        let mut intended = self.intended.borrow_mut();
        intended.insert(0, lines);
        intended.truncate(2);
    }

    /// Counts one journal entry; false when the engine is dead or dies of it.
    pub(super) fn may_write(&self) -> bool {
        let count = self.entries.get() + 1;
        self.entries.set(count);
        if self.fault.get() == Some(Fault::CrashAtEntry(count)) {
            self.dead.set(true);
        }
        !self.dead.get()
    }

    fn ask(&self, store: &Store, request: &ExecRequest) -> Result<ExecAnswer, Problem> {
        if request.command.first().is_some_and(|word| word == "thaw") {
            self.thaw(&request.namespace, &request.pod);
        }
        let answer = exec::answer(store, &self.databases.borrow(), request, self.now.get())?;
        if request.command.first().is_some_and(|word| word == "psql") && answer.code == Some(0) {
            let line = format!("psql answers in {}/{}", request.namespace, request.pod);
            let mut history = self.history.borrow_mut();
            if !history.contains(&line) {
                history.push(line);
            }
        }
        Ok(answer)
    }

    fn answer(&self, query: &Query) -> Answer {
        let mut store = self.store.borrow_mut();
        store.set_time(self.now.get());
        let answer = match query {
            Query::Object(object) => port::object(&mut store.server, object).map(Answer::Object),
            Query::List(request) => port::list(&mut store.server, request).map(Answer::List),
            Query::Exec(request) => self.ask(&store, request).map(Answer::Exec),
            Query::Log(_) => Ok(Answer::Log(String::new())),
            Query::Served(resource) => port::served(&mut store.server, resource),
            Query::Rehearsal(request) => port::rehearse(&mut store.server, request),
        };
        answer.unwrap_or_else(Answer::Refused)
    }

    fn perform(&self, effect: &Effect) -> Result<Effected, Problem> {
        let now = self.now.get();
        let mut store = self.store.borrow_mut();
        store.set_time(now);
        match effect {
            Effect::Create {
                resource,
                object,
                owner,
            } => store.create(resource, object, owner),
            Effect::Patch {
                object,
                patch,
                precondition,
                subresource,
            } => store.patch(object, patch, precondition, subresource.as_deref()),
            Effect::Delete {
                object,
                precondition,
                propagation,
            } => store.delete(object, precondition, *propagation),
            Effect::Exec { request, .. } => self.ask(&store, request).map(Effected::Ran),
            Effect::GrantVault {
                namespace,
                name,
                labels,
            } => {
                let object = json!({
                    "apiVersion": "v1", "kind": "Secret",
                    "metadata": { "name": name, "namespace": namespace, "labels": labels },
                });
                store.create(&resource("Secret"), &object, &FieldOwner::refloat())
            }
            Effect::Keep(outcome) => Ok(Effected::Kept(outcome.clone())),
            Effect::Capture(_) => Err(unsupported("a capture as one effect")),
            Effect::StoreObjects => Ok(Effected::Stored(
                Outcome::default()
                    .with("snapshot", "snapshot-objects")
                    .with("tree", "tree-objects")
                    .with("count", store.len() as u64)
                    .with("listed", now.to_string()),
            )),
            Effect::Seal(point) => {
                self.sealed.borrow_mut().push(point.clone());
                Ok(Effected::Sealed(
                    Outcome::default().with("point", "shop/0000000001"),
                ))
            }
        }
    }

    /// Somebody else comes first, once.
    fn overtake(&self, line: &str) {
        let mut store = self.store.borrow_mut();
        let planned = store.overtaken.take_if(|(wanted, ..)| wanted == line);
        if let Some((_, resource, object)) = planned {
            store.seed(&resource, object);
        }
    }

    /// One effect with the planned fault; `None` when the engine is dead.
    fn perform_faulty(&self, effect: &Effect) -> Option<Result<Effected, Problem>> {
        if self.dead.get() {
            return None;
        }
        let count = self.effects.get() + 1;
        self.effects.set(count);
        if self.fault.get() == Some(Fault::CrashBefore(count)) {
            self.dead.set(true);
            return None;
        }
        let line = effect.describe();
        assert!(
            self.trusting.get() || self.is_intended(&effect.intention()),
            "`{line}` was not written into the journal before it was done"
        );
        self.overtake(&line);
        self.history.borrow_mut().push(line);
        let result = self.perform(effect);
        self.first.borrow_mut().wrote(effect);
        match self.fault.get() {
            Some(Fault::CrashAfter(at)) if at == count => {
                self.dead.set(true);
                None
            }
            Some(Fault::ReplyLost(at)) if at == count => Some(Err(Problem::of(
                Class::Retry,
                "reply-lost",
                "the reply was lost",
                "try again",
            ))),
            Some(_) | None => Some(result),
        }
    }
}

fn unsupported(what: &str) -> Problem {
    Problem::of(
        Class::Bug,
        "simulator",
        format!("SimWorld does not know {what}"),
        "teach it",
    )
}

impl World for SimWorld {
    async fn see(&self, queries: &[Query]) -> Seen {
        if self.fault.get() == Some(Fault::HangWhileHeld) && !self.held().is_empty() {
            std::future::pending::<()>().await;
        }
        let mut seen = Seen::default();
        for query in queries {
            seen.insert(query.clone(), self.answer(query).folded());
        }
        seen
    }

    async fn see_first(&self, queries: &[Query]) -> Seen {
        self.first_look(queries)
    }

    async fn act(&self, batches: Batches) -> Results {
        let mut all = Vec::new();
        for batch in batches.iter() {
            let mut results = Vec::new();
            for effect in batch {
                match self.perform_faulty(effect) {
                    Some(Ok(effected)) => results.push(Ok(effected.folded())),
                    Some(Err(problem)) => {
                        results.push(Err(problem));
                        break;
                    }
                    None => break,
                }
            }
            all.push(results);
        }
        all
    }

    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed {
        self.tick(at_most);
        self.watching.changed(&self.store.borrow(), on)
    }
}
