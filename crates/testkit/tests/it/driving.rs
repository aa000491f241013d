//! Driving a run in SimWorld, and looking at what it left.

use std::cell::{Cell, RefCell};

use refloat_core::drive::{Drive, DriveError, Engine, Event, Observer, TURN_STEPS_MAX};
use refloat_core::names::LABEL_RUN;
use refloat_core::run::{Progress, Record, RunPlan, Workers};
use refloat_core::world::World;
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{SimJournal, SimWorld, block_on};

/// Drives a run on with the journal that it has.
pub(crate) fn drive(
    world: &SimWorld,
    plan: &RunPlan,
    records: &RefCell<Vec<Record>>,
) -> Result<Drive, DriveError> {
    drive_before(world, plan, records, &Patience::default())
}

/// The same before the eyes of somebody.
pub(crate) fn drive_before(
    world: &SimWorld,
    plan: &RunPlan,
    records: &RefCell<Vec<Record>>,
    observer: &impl Observer,
) -> Result<Drive, DriveError> {
    let mut progress = Progress::of(records.borrow().iter());
    let mut journal = SimJournal { world, records };
    let mut engine = Engine {
        world,
        journal: &mut journal,
        observer,
        workers: Workers { drivers: CATALOGUE },
        turn_steps_max: TURN_STEPS_MAX,
    };
    block_on(engine.drive(plan, &mut progress))
}

/// An observer that loses patience, so that an endless run fails instead of hanging.
#[derive(Default)]
struct Patience {
    events: Cell<usize>,
}

impl Observer for Patience {
    fn event(&self, event: &Event<'_>) {
        self.events.set(self.events.get() + 1);
        assert!(self.events.get() < 20_000, "an endless run: {event:?}");
    }
}

/// Another engine goes on with the same journal.
pub(crate) fn resume(
    world: &SimWorld,
    plan: &RunPlan,
    records: &RefCell<Vec<Record>>,
) -> Result<Drive, DriveError> {
    resume_before(world, plan, records, &Patience::default())
}

/// The same before the eyes of somebody.
pub(crate) fn resume_before(
    world: &SimWorld,
    plan: &RunPlan,
    records: &RefCell<Vec<Record>>,
    observer: &impl Observer,
) -> Result<Drive, DriveError> {
    let at = world.now();
    let why = "resume".to_owned();
    records.borrow_mut().push(Record::Resumed {
        at,
        why,
        evidence: None,
    });
    drive_before(world, plan, records, observer)
}

/// Objects of ours that are left: nothing may be.
pub(crate) fn leftovers(world: &SimWorld) -> Vec<String> {
    world.settle(5);
    world.with_store(|store| {
        store
            .iter()
            .filter(|(reference, object)| {
                let ours = object
                    .pointer("/metadata/labels")
                    .is_some_and(|labels| labels.get(LABEL_RUN).is_some());
                ours || reference.resource.kind == "VolumeSnapshotContent"
            })
            .map(|(reference, _)| reference.id().to_string())
            .collect()
    })
}
