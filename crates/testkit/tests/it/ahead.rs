//! What the next turn wants to see is read while a turn is decided and journaled, and is never older than what the engine did since.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use refloat_core::drive::{Engine, Journal, JournalError};
use refloat_core::driver::{Query, Seen};
use refloat_core::inventory::ThingId;
use refloat_core::plan::plan;
use refloat_core::recovery::{Existing, Removing};
use refloat_core::run::{Progress, Record, RunPlan, Step, Work, Workers};
use refloat_core::world::{Batches, Changed, Results, World};
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Quiet, SimJournal, SimWorld, block_on, moment, resource};
use serde_json::json;

use crate::overheard::Overheard;
use crate::recovery::COMPLETED;
use crate::site;

const SECRETS: usize = 12;

/// What was looked at, and when.
#[derive(Default)]
struct Notes {
    looks: RefCell<Vec<Query>>,
    /// What may be answered by what is a little older.
    first: RefCell<Vec<Query>>,
    looking: Cell<usize>,
    /// Looks that had begun and not ended when an entry was written.
    beside: Cell<usize>,
}

/// A world that takes its time.
type Slow<'a> = Overheard<'a, Notes>;

impl World for Slow<'_> {
    async fn see(&self, queries: &[Query]) -> Seen {
        self.notes
            .looks
            .borrow_mut()
            .extend(queries.iter().cloned());
        let seen = self.inner.see(queries).await;
        self.notes.looking.set(self.notes.looking.get() + 1);
        for _ in 0..4 {
            moment().await;
        }
        self.notes.looking.set(self.notes.looking.get() - 1);
        seen
    }
    async fn see_first(&self, queries: &[Query]) -> Seen {
        self.notes
            .first
            .borrow_mut()
            .extend(queries.iter().cloned());
        self.see(queries).await
    }
    async fn act(&self, batches: Batches) -> Results {
        // What is read meanwhile does not see it yet.
        for _ in 0..20 {
            moment().await;
        }
        self.inner.act(batches).await
    }
    fn now(&self) -> Timestamp {
        self.inner.now()
    }
    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }
    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed {
        self.inner.pause(at_most, on).await
    }
}

struct Watched<'a> {
    inner: SimJournal<'a>,
    world: &'a Slow<'a>,
}

impl Journal for Watched<'_> {
    async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let beside = self.world.notes.beside.get() + self.world.notes.looking.get();
        self.world.notes.beside.set(beside);
        self.inner.append(records).await
    }
}

/// A recovery of nothing but Secrets into a namespace that is there, with what is there of them left as it is.
fn secrets(world: &SimWorld, there: bool) -> RunPlan {
    let put = |world: &SimWorld, kind: &str, name: &str| {
        let mut metadata = json!({ "name": name });
        if kind == "Secret" {
            metadata["namespace"] = json!("shop");
        }
        let object = json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata });
        world.with_store(|store| store.seed(&resource(kind), object));
    };
    let source = site::source();
    put(world, "Namespace", "shop");
    for number in 0..SECRETS {
        let name = format!("secret-{number:02}");
        put(&source, "Secret", &name);
        if there {
            put(world, "Secret", &name);
        }
    }
    world.settle(20);
    let sealed = site::sealed(&source);
    let mut goal = site::goal("restore-1");
    goal.existing = Existing::Skip;
    let target = world.inventory();
    let planned = plan("shop/1", &sealed.point, &sealed.objects, &target, &goal);
    let mut plan = planned.unwrap().plan;
    plan.steps.retain(|step| name(step).starts_with("secret-"));
    assert_eq!(plan.steps.len(), SECRETS);
    for step in &mut plan.steps {
        step.needs.retain(|_| false);
    }
    plan
}

fn name(step: &Step) -> String {
    match &step.work {
        Work::Write(writing) => writing.target().name.clone(),
        _ => String::new(),
    }
}

/// What an engine asked for.
struct Driven {
    /// Objects, by name.
    looks: Vec<String>,
    /// How many looks were under way while an entry was written.
    beside: usize,
    /// How many objects may have been told as they were a little earlier.
    first: usize,
}

/// Drives it in turns of so few steps.
fn drive(
    world: &SimWorld,
    plan: &RunPlan,
    records: &RefCell<Vec<Record>>,
    turn_steps_max: usize,
) -> Driven {
    let slow = Slow {
        inner: world,
        notes: Notes::default(),
    };
    let inner = SimJournal { world, records };
    let mut journal = Watched {
        inner,
        world: &slow,
    };
    let mut engine = Engine {
        world: &slow,
        journal: &mut journal,
        observer: &Quiet,
        workers: Workers { drivers: CATALOGUE },
        turn_steps_max,
    };
    let mut progress = Progress::default();
    assert_eq!(block_on(engine.drive(plan, &mut progress)), COMPLETED);
    let looks = slow.notes.looks.take().into_iter();
    let looks = looks.filter_map(|query| match query {
        Query::Object(object) => Some(object.name.clone()),
        Query::List(_)
        | Query::Exec(_)
        | Query::Log(_)
        | Query::Served(_)
        | Query::Rehearsal(_) => None,
    });
    Driven {
        looks: looks.collect(),
        beside: slow.notes.beside.get(),
        first: slow.notes.first.borrow().len(),
    }
}

#[test]
fn what_the_next_turn_wants_is_read_while_this_one_is_journaled_and_once() {
    let world = site::target();
    let plan = secrets(&world, true);
    let driven = drive(&world, &plan, &RefCell::default(), 3);
    assert_eq!(
        driven.beside,
        SECRETS / 3 - 1,
        "with each entry but the last"
    );
    assert_eq!(driven.first, SECRETS - 3, "all but those of the first turn");
    let mut looks = driven.looks;
    looks.sort();
    let all: Vec<String> = plan.steps.iter().map(name).collect();
    assert_eq!(looks, all, "each once");
}

#[test]
fn what_is_to_be_removed_is_looked_at_as_it_is_now() {
    let world = site::target();
    let mut plan = secrets(&world, true);
    for step in &mut plan.steps {
        let Work::Write(writing) = &step.work else {
            continue;
        };
        step.work = Work::Remove(Removing {
            object: writing.target(),
            uid: "of-another".to_owned(),
            recovery: plan.run.clone(),
            keeps: None,
            inside: Vec::new(),
        });
    }
    let driven = drive(&world, &plan, &RefCell::default(), 3);
    assert_eq!(driven.looks.len(), SECRETS);
    assert_eq!(driven.first, 0);
}

/// Two steps write one object, which no plan does; a look ahead for the second begins before the first has written it.
#[test]
fn what_was_written_since_is_not_taken_from_the_look_ahead() {
    let world = site::target();
    let mut plan = secrets(&world, false);
    plan.steps.truncate(2);
    let again = Step {
        id: "again".to_owned(),
        ..plan.steps[0].clone()
    };
    plan.steps.push(again);
    let records = RefCell::default();
    let looks = drive(&world, &plan, &records, 1).looks;
    let first = name(&plan.steps[0]);
    let looks = looks.iter().filter(|name| **name == first).count();
    assert_eq!(looks, 2, "at first, and ahead");
    let records = records.into_inner();
    let writes = records.iter().filter(|record| {
        let Record::Intent { step, .. } = record else {
            return false;
        };
        step == "again"
    });
    assert_eq!(writes.count(), 0, "it saw what the first has written");
    let id = ThingId::namespaced("", "Secret", "shop", &first);
    assert!(world.inventory().get(&id).is_some());
}
