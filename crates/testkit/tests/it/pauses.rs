//! A recovery in two goes: what is there in the pause, what is not, and that the end is the same.

use refloat_core::drive::Drive;
use refloat_core::driver::{Effect, ObjectRef, Precondition, Propagation};
use refloat_core::names::SYSTEM_NAMESPACE;
use refloat_core::recovery::vault_secret_name;
use refloat_core::run::{Phase, Progress, RECOVERY_PHASES, Record, until};
use refloat_core::world::World;
use refloat_testkit::sim::{Fault, SimWorld, block_on, resource};

use crate::driving::leftovers;
use crate::recovery::{COMPLETED, Recovery, sealed};

/// What is at the target, without what differs from run to run.
fn there(world: &SimWorld) -> Vec<String> {
    world.settle(10);
    let inventory = world.inventory();
    let ids = inventory
        .iter()
        .filter(|thing| thing.resource.kind != "PersistentVolume" && thing.resource.kind != "Pod")
        .map(|thing| thing.id().to_string());
    ids.collect()
}

impl Recovery {
    fn wish(&self, phase: Option<Phase>) {
        let at = self.world.now();
        self.records.borrow_mut().push(Record::Until { at, phase });
    }
}

#[test]
fn paused_after_the_databases_it_has_them_and_no_web_server() {
    let recovery = Recovery::of(&sealed());
    recovery.wish(Some(Phase::Databases));
    assert_eq!(recovery.drive(), Ok(Drive::Paused(Phase::Databases)));
    assert!(recovery.object("StatefulSet", "db").is_some());
    for later in ["Deployment", "Ingress"] {
        assert_eq!(recovery.object(later, "web"), None, "{later}");
    }
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    let again = recovery.drive();
    assert_eq!(again, Ok(Drive::Paused(Phase::Databases)), "it stays");
    recovery.wish(None);
    assert_eq!(recovery.resume(), COMPLETED);
    assert!(recovery.object("Deployment", "web").is_some());
}

#[test]
fn after_every_phase_a_paused_recovery_ends_as_one_in_one_go() {
    let sealed = sealed();
    let whole = Recovery::of(&sealed);
    assert_eq!(whole.drive(), COMPLETED);
    let wanted = there(&whole.world);
    for (name, phase) in RECOVERY_PHASES {
        let recovery = Recovery::of(&sealed);
        recovery.wish(Some(*phase));
        let part = until(&recovery.plan, *phase);
        let paused = recovery.drive();
        if part.is_none() {
            assert_eq!(paused, COMPLETED, "{name}");
        } else {
            assert_eq!(paused, Ok(Drive::Paused(*phase)), "{name}");
            // Neither the keys of the vault nor a mover outlasts the engine.
            assert_eq!(leftovers(&recovery.world), Vec::<String>::new(), "{name}");
            recovery.wish(None);
            assert_eq!(recovery.resume(), COMPLETED, "{name}");
        }
        assert_eq!(there(&recovery.world), wanted, "{name}");
        assert_eq!(leftovers(&recovery.world), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn pauses_may_follow_each_other() {
    let recovery = Recovery::of(&sealed());
    for phase in [Phase::Namespaces, Phase::Crds, Phase::Databases] {
        recovery.wish(Some(phase));
        let ended = if phase == Phase::Namespaces {
            recovery.drive()
        } else {
            recovery.resume()
        };
        assert_eq!(ended, Ok(Drive::Paused(phase)));
        assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    }
    recovery.wish(None);
    assert_eq!(recovery.resume(), COMPLETED);
}

#[test]
fn killed_before_its_pause_it_goes_on_to_the_pause_and_not_beyond() {
    let recovery = Recovery::of(&sealed());
    recovery.wish(Some(Phase::Storage));
    recovery.world.plan_fault(Some(Fault::CrashAfter(1)));
    let mut ended = recovery.drive();
    let mut place = 1;
    while recovery.world.is_dead() {
        place += 1;
        assert!(place < 200, "it never comes to its pause");
        recovery
            .world
            .plan_fault(Some(Fault::CrashAfter(1 + place % 4)));
        ended = recovery.resume_faulty();
    }
    assert_eq!(ended, Ok(Drive::Paused(Phase::Storage)));
    recovery.world.plan_fault(None);
    assert_eq!(recovery.object("StatefulSet", "db"), None);
    let progress = Progress::of(recovery.records.borrow().iter());
    assert!(progress.resumed() > 2, "it was hardly killed");
    recovery.wish(None);
    assert_eq!(recovery.resume(), COMPLETED);
}

/// The access is gone by then, the pause is not written down yet.
#[test]
fn killed_just_before_its_pause_it_gives_its_movers_access_again() {
    let sealed = sealed();
    for until in [None, Some(Phase::Namespaces), Some(Phase::Databases)] {
        let recovery = Recovery::of(&sealed);
        recovery.wish(Some(Phase::Namespaces));
        assert_eq!(recovery.drive(), Ok(Drive::Paused(Phase::Namespaces)));
        let last = recovery.records.borrow_mut().pop();
        assert!(matches!(last, Some(Record::Paused { .. })), "{last:?}");
        recovery.wish(until);
        let end = recovery.resume();
        assert_eq!(
            leftovers(&recovery.world),
            Vec::<String>::new(),
            "{until:?}"
        );
        if let Some(phase) = until {
            assert_eq!(end, Ok(Drive::Paused(phase)));
            recovery.wish(None);
            assert_eq!(recovery.resume(), COMPLETED, "{until:?}");
        } else {
            assert_eq!(end, COMPLETED);
        }
    }
}

/// Somebody deletes an object of the system namespace, or that namespace with all that is in it.
fn delete(world: &SimWorld, object: ObjectRef) {
    world.act_without_journal();
    let delete = Effect::Delete {
        object,
        precondition: Precondition::default(),
        propagation: Propagation::Background,
    };
    let results = block_on(world.act([vec![delete]].into()));
    assert!(results[0][0].is_ok(), "{results:?}");
    world.settle(10);
}

#[test]
fn access_to_the_vault_that_somebody_takes_away_is_given_again() {
    let sealed = sealed();
    let mut taken = 0;
    for place in 1.. {
        let recovery = Recovery::of(&sealed);
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        let end = recovery.drive();
        if !recovery.world.is_dead() {
            assert_eq!(end, COMPLETED);
            break;
        }
        recovery.world.plan_fault(None);
        let name = vault_secret_name(&recovery.plan.run);
        let secret = ObjectRef::namespaced(resource("Secret"), SYSTEM_NAMESPACE, &name);
        if recovery
            .world
            .with_store(|store| store.get(&secret).is_some())
        {
            taken += 1;
            delete(&recovery.world, secret);
        }
        assert_eq!(recovery.resume(), COMPLETED, "after effect {place}");
        assert_eq!(leftovers(&recovery.world), Vec::<String>::new(), "{place}");
    }
    assert!(taken > 10, "only {taken} times");
}

#[test]
fn refloats_namespace_that_somebody_deletes_is_made_again_for_the_movers() {
    let sealed = sealed();
    for last in [
        "create Namespace refloat-system",
        "(vault access)",
        "create PersistentVolumeClaim refloat-system/",
        "create Job refloat-system/",
    ] {
        let recovery = Recovery::of(&sealed);
        let is_last = |place: usize| {
            let again = Recovery::of(&sealed);
            again.world.plan_fault(Some(Fault::CrashAfter(place)));
            assert!(again.drive().is_err());
            let history = again.world.history.borrow();
            let mut done = history.iter();
            done.any(|line| line.starts_with(last) || line.ends_with(last))
        };
        let place = (1..99).find(|place| is_last(*place)).unwrap();
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        assert!(recovery.drive().is_err());
        recovery.world.plan_fault(None);
        let namespace = ObjectRef::cluster(resource("Namespace"), SYSTEM_NAMESPACE);
        delete(&recovery.world, namespace);
        assert_eq!(recovery.object("Namespace", SYSTEM_NAMESPACE), None);
        assert_eq!(recovery.resume(), COMPLETED, "{last}");
        assert_eq!(leftovers(&recovery.world), Vec::<String>::new(), "{last}");
    }
}
