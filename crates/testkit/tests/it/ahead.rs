//! What the next turn wants to see is read while a turn is decided and journaled, and is never older than what the engine did since.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use refloat_core::drive::{Engine, Journal, JournalError};
use refloat_core::driver::{ObjectRef, Query, Seen};
use refloat_core::inventory::ThingId;
use refloat_core::plan::plan;
use refloat_core::recovery::{Existing, Linking, Removing};
use refloat_core::run::{Progress, Record, RunPlan, Step, Work, Workers};
use refloat_core::world::{Batches, Changed, Results, World};
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Quiet, SimJournal, SimWorld, Store, block_on, moment, resource};
use serde_json::{Value, json};

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
    /// Somebody makes this anew after the first of those looks.
    made_anew: RefCell<Option<ObjectRef>>,
}

/// A world that takes its time.
type Slow<'a> = Overheard<'a, Notes>;

impl Slow<'_> {
    async fn take_time(&self) {
        self.notes.looking.set(self.notes.looking.get() + 1);
        for _ in 0..4 {
            moment().await;
        }
        self.notes.looking.set(self.notes.looking.get() - 1);
    }
}

fn make_anew(store: &mut Store, object: &ObjectRef) {
    let mut live = store.get(object).unwrap().clone();
    live["metadata"]["uid"] = Value::Null;
    store.remove(object);
    store.seed(&object.resource, live);
}

impl World for Slow<'_> {
    async fn see(&self, queries: &[Query]) -> Seen {
        self.notes
            .looks
            .borrow_mut()
            .extend(queries.iter().cloned());
        let seen = self.inner.see(queries).await;
        self.take_time().await;
        seen
    }
    async fn see_first(&self, queries: &[Query]) -> Seen {
        self.notes
            .first
            .borrow_mut()
            .extend(queries.iter().cloned());
        self.notes
            .looks
            .borrow_mut()
            .extend(queries.iter().cloned());
        let seen = self.inner.see_first(queries).await;
        if let Some(object) = self.notes.made_anew.take() {
            self.inner.with_store(|store| make_anew(store, &object));
        }
        self.take_time().await;
        seen
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

fn target(step: &Step) -> Option<ObjectRef> {
    match &step.work {
        Work::Write(writing) => Some(writing.target()),
        _ => None,
    }
}

fn name(step: &Step) -> String {
    target(step).map_or_else(String::new, |target| target.name.clone())
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
    drive_beside(world, plan, records, turn_steps_max, None)
}

/// The same, while somebody makes this anew.
fn drive_beside(
    world: &SimWorld,
    plan: &RunPlan,
    records: &RefCell<Vec<Record>>,
    turn_steps_max: usize,
    made_anew: Option<ObjectRef>,
) -> Driven {
    let slow = Slow {
        inner: world,
        notes: Notes {
            made_anew: RefCell::new(made_anew),
            ..Notes::default()
        },
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
            data: None,
            inside: Vec::new(),
        });
    }
    let driven = drive(&world, &plan, &RefCell::default(), 3);
    assert_eq!(driven.looks.len(), SECRETS);
    assert_eq!(driven.first, 0);
}

/// A reference to an owner that is gone would have the cluster collect what was just written.
#[test]
fn what_is_linked_belongs_to_its_owner_as_it_is_now() {
    let world = site::target();
    let mut plan = secrets(&world, true);
    let targets: Vec<ObjectRef> = plan.steps.iter().filter_map(target).collect();
    let (object, owner) = (&targets[0], &targets[SECRETS - 1]);
    world.with_store(|store| store.remove(object));
    if let Work::Write(writing) = &mut plan.steps[SECRETS - 1].work {
        writing.owns.push(Linking {
            object: object.clone(),
            owner: owner.clone(),
            controller: false,
            blocks: false,
        });
    }
    drive_beside(&world, &plan, &RefCell::default(), 3, Some(owner.clone()));
    world.settle(20);
    let uid = |live: &Value| live["metadata"]["uid"].clone();
    let live = world.with_store(|store| store.get(object).cloned());
    let live = live.expect("it was not collected");
    let owner = world.with_store(|store| store.get(owner).map(uid));
    assert_eq!(
        live["metadata"]["ownerReferences"][0]["uid"],
        owner.unwrap()
    );
}

/// Otherwise it would be said that it was deleted, and that somebody has created it again.
#[test]
fn what_is_to_be_replaced_is_deleted_as_it_is_now() {
    let world = site::target();
    let mut plan = secrets(&world, true);
    for step in &mut plan.steps {
        if let Work::Write(writing) = &mut step.work {
            writing.existing = Existing::Replace;
        }
    }
    let targets: Vec<ObjectRef> = plan.steps.iter().filter_map(target).collect();
    let (last, absent) = targets.split_last().unwrap();
    world.with_store(|store| absent.iter().for_each(|one| store.remove(one)));
    let before = world.with_store(|store| store.get(last).cloned());
    drive_beside(&world, &plan, &RefCell::default(), 3, Some(last.clone()));
    assert_ne!(world.with_store(|store| store.get(last).cloned()), before);
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
