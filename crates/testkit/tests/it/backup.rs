//! A backup, undisturbed, with bad input, and with the engine dying around every effect.

use std::cell::RefCell;

use refloat_core::backup::{self, Mode, PointContent};
use refloat_core::drive::Drive;
use refloat_core::driver::Problem;
use refloat_core::run::{End, Progress, Record, RunPlan};
use refloat_core::world::World;
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Database, Fault, SimWorld};

use crate::driving::{drive, leftovers};
use crate::shop;

/// After a death: the attempt is given up and cleaned up, as the next backup does it.
fn clean_up(world: &SimWorld, plan: &RunPlan, records: &RefCell<Vec<Record>>) {
    world.plan_fault(None);
    let at = world.now();
    let why = "clean-up".to_owned();
    records.borrow_mut().push(Record::Resumed {
        at,
        why,
        evidence: None,
    });
    let problem = Problem::stuck("abandoned", "the engine died", "run it again");
    records.borrow_mut().push(Record::Failing { at, problem });
    assert_eq!(
        drive(world, plan, records),
        Ok(Drive::Ended(End::Failed)),
        "clean-up ends"
    );
}

#[test]
fn an_undisturbed_backup_is_sealed_and_leaves_nothing() {
    let world = shop::world();
    let planned = backup::plan(&world.inventory(), &shop::goal("backup-1"), CATALOGUE).unwrap();
    let records = RefCell::default();
    let end = drive(&world, &planned.plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Completed)));
    assert_eq!(leftovers(&world), Vec::<String>::new());
    let sealed = world.sealed.borrow();
    let point: PointContent = serde_json::from_value(sealed[0].clone()).unwrap();
    assert_eq!(point.members.len(), 1);
    let member = &point.members[0];
    assert_eq!(member.mode, Mode::AtomicVolume);
    assert_eq!(member.engine["redo_lsn"], "0/3000028");
    assert!(
        member.evidence.contains(&"fsync = on".to_owned()),
        "{:?}",
        member.evidence
    );
    assert_eq!(point.parts[0].id, "shop/data-db-0");
    assert_eq!(point.parts[0].tree, "tree of shop/data-db-0");
    assert!(point.objects.as_ref().unwrap().listed >= point.parts[0].cut);
}

#[test]
fn an_engine_that_dies_around_any_effect_leaves_nothing_and_seals_nothing_half() {
    let mut reached = 0;
    for kind in [Fault::CrashBefore, Fault::CrashAfter] {
        for at in 1.. {
            let world = shop::world();
            let planned =
                backup::plan(&world.inventory(), &shop::goal("backup-1"), CATALOGUE).unwrap();
            let records = RefCell::default();
            world.plan_fault(Some(kind(at)));
            let end = drive(&world, &planned.plan, &records);
            if end == Ok(Drive::Ended(End::Completed)) {
                break;
            }
            reached += 1;
            assert!(world.is_dead(), "{:?} at {at}: {end:?}", kind(at));
            clean_up(&world, &planned.plan, &records);
            assert_eq!(leftovers(&world), Vec::<String>::new(), "{:?}", kind(at));
            let again = shop::goal("backup-2");
            let planned = backup::plan(&world.inventory(), &again, CATALOGUE).unwrap();
            let end = drive(&world, &planned.plan, &RefCell::default());
            assert_eq!(
                end,
                Ok(Drive::Ended(End::Completed)),
                "the next backup works"
            );
        }
    }
    assert!(reached >= 24, "only {reached} deaths were tried");
}

#[test]
fn a_lost_reply_changes_nothing_in_the_end() {
    for at in 1..=12 {
        let world = shop::world();
        let planned = backup::plan(&world.inventory(), &shop::goal("backup-1"), CATALOGUE).unwrap();
        world.plan_fault(Some(Fault::ReplyLost(at)));
        let end = drive(&world, &planned.plan, &RefCell::default());
        assert_eq!(end, Ok(Drive::Ended(End::Completed)), "reply {at} lost");
        assert_eq!(leftovers(&world), Vec::<String>::new(), "reply {at} lost");
    }
}

fn failure(world: &SimWorld, change: impl FnOnce(&mut backup::BackupGoal)) -> String {
    let mut goal = shop::goal("backup-1");
    change(&mut goal);
    let plan = match backup::plan(&world.inventory(), &goal, CATALOGUE) {
        Ok(planned) => planned.plan,
        Err(problems) => return problems[0].code.clone(),
    };
    let records = RefCell::default();
    let end = drive(world, &plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    assert_eq!(leftovers(world), Vec::<String>::new());
    assert!(
        world.sealed.borrow().is_empty(),
        "a failed backup sealed a point"
    );
    let progress = Progress::of(records.borrow().iter());
    progress.failing().unwrap().code.clone()
}

#[test]
fn bad_input_fails_with_its_own_code_and_leaves_nothing() {
    let missing = failure(&shop::world(), |goal| {
        goal.namespaces = vec!["shoop".to_owned()];
    });
    assert_eq!(missing, "namespace-missing");

    let world = shop::world();
    world.with_store(|store| store.seed(&shop::snapshot_classes(), shop::class("other", true)));
    assert_eq!(failure(&world, |_| ()), "snapshot-class-ambiguous");

    let world = shop::world();
    let class = refloat_core::driver::ObjectRef::cluster(shop::snapshot_classes(), "btrfs");
    world.with_store(|store| store.remove(&class));
    assert_eq!(failure(&world, |_| ()), "snapshot-class-missing");
    let named = failure(&shop::world(), |goal| {
        goal.snapshot_class = Some("nope".to_owned());
    });
    assert_eq!(named, "snapshot-class-missing");
}

#[test]
fn a_cut_that_never_comes_ends_with_the_storages_own_words() {
    let world = shop::world();
    world.with_store(|store| store.cut_failure = Some("the pool is full".to_owned()));
    let planned = backup::plan(&world.inventory(), &shop::goal("backup-1"), CATALOGUE).unwrap();
    let records = RefCell::default();
    let end = drive(&world, &planned.plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    let progress = Progress::of(records.borrow().iter());
    let problem = progress.failing().unwrap();
    assert_eq!(problem.code, "waiting-for-cut-timeout");
    assert!(problem.message.contains("the pool is full"), "{problem:?}");
    assert_eq!(leftovers(&world), Vec::<String>::new());
    assert!(world.sealed.borrow().is_empty());
}

#[test]
fn a_mover_that_fails_seals_nothing_and_leaves_nothing() {
    let world = shop::world();
    let broken = Problem::stuck("vault-unreachable", "no route to the vault", "mend it");
    world.with_store(|store| store.mover_failure = Some(broken));
    assert_eq!(failure(&world, |_| ()), "vault-unreachable");
}

fn with_database(change: impl FnOnce(&mut Database)) -> String {
    let world = shop::world();
    let mut database = Database::default();
    change(&mut database);
    world
        .databases
        .borrow_mut()
        .insert("shop/db-0".to_owned(), database);
    failure(&world, |_| ())
}

#[test]
fn a_database_that_cannot_be_taken_is_told_apart() {
    let says = |code: i32, text: &str| {
        let text = text.to_owned();
        with_database(|database| database.failure = Some((code, text)))
    };
    assert_eq!(
        with_database(|database| database.fsync = false),
        "mode-too-weak"
    );
    assert_eq!(
        with_database(|database| database.places =
            "0 data /var/lib/postgresql/data/pgdata\n1 wal /wal\n".to_owned()),
        "mode-too-weak"
    );
    assert_eq!(
        with_database(|database| database.full_page_writes = false),
        "mode-too-weak"
    );
    assert_eq!(
        with_database(|database| database.in_recovery = true),
        "mode-too-weak"
    );
    assert_eq!(says(127, "sh: psql: not found"), "psql-missing");
    assert_eq!(
        says(2, "psql: error: FATAL:  role \"shop\" does not exist"),
        "database-user"
    );
    assert_eq!(
        says(
            2,
            "psql: error: connection to server on socket failed: No such file or directory"
        ),
        "database-down-timeout"
    );
}
