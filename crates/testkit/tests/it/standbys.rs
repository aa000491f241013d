//! A primary with its standby: one of them is copied for both, and the engine may die at any word of it.

use std::cell::RefCell;

use refloat_core::backup::{self, Mode, PointContent};
use refloat_core::drive::Drive;
use refloat_core::run::{End, Progress, RunPlan};
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Fault, SimWorld};
use serde_json::json;

use crate::driving::{drive, leftovers};
use crate::{ledger, shop};

fn planned(world: &SimWorld) -> RunPlan {
    let planned = backup::plan(&world.inventory(), &shop::goal("backup-1"), CATALOGUE);
    planned.unwrap().plan
}

fn sealed(world: &SimWorld) -> PointContent {
    let plan = planned(world);
    let records = RefCell::default();
    let end = drive(world, &plan, &records);
    let progress = Progress::of(records.borrow().iter());
    let failing = progress.failing();
    assert_eq!(end, Ok(Drive::Ended(End::Completed)), "{failing:?}");
    assert_eq!(leftovers(world), Vec::<String>::new());
    assert_eq!(world.held(), Vec::<String>::new());
    let sealed = world.sealed.borrow();
    serde_json::from_value(sealed[0].clone()).unwrap()
}

#[test]
fn a_standby_is_copied_for_both_and_comes_back_as_the_first_ordinal() {
    let world = ledger::pair();
    let point = sealed(&world);
    assert_eq!(point.parts.len(), 1, "one server is copied");
    let part = &point.parts[0];
    assert_eq!(part.id, "shop/data-db-0");
    assert_eq!(part.claim["metadata"]["name"], "data-db-0");
    assert!(!part.snapshot_handle.is_empty() && !part.tree.is_empty());
    let held = point.members[0].held.as_ref().unwrap();
    let second = jiff::SignedDuration::from_secs(1);
    let cut = part.cut + second;
    assert!(
        held.released <= cut,
        "a second older than its cut, which was late"
    );
    assert!(cut.duration_since(held.released) < second);
    let member = &point.members[0];
    assert_eq!(
        (member.mode, &member.parts[..]),
        (Mode::Held, &["shop/data-db-0".to_owned()][..])
    );
    assert!(member.engine["layout"].contains("shop/data-db-0"));
    assert!(
        member
            .evidence
            .iter()
            .any(|line| line.starts_with("copied from a standby: db-1"))
    );
    let findings: Vec<(&str, &str)> = point
        .findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.thing.as_str()))
        .collect();
    assert_eq!(findings, [("replica-left-out", "shop/data-db-1")]);
    let cut = |line: &&String| line.starts_with("create VolumeSnapshot shop/");
    let history = world.history.borrow();
    assert_eq!(
        history.iter().filter(cut).count(),
        1,
        "only one volume was cut"
    );
}

#[test]
fn a_standby_that_is_behind_is_left_out_and_the_primary_is_copied() {
    let world = ledger::pair();
    let behind = json!([{ "address": "ip-of-db-1", "state": "streaming", "behind_seconds": 60 }]);
    world
        .databases
        .borrow_mut()
        .get_mut("shop/db-0")
        .unwrap()
        .replicas = behind;
    let point = sealed(&world);
    assert_eq!(point.parts.len(), 1);
    assert_eq!(point.parts[0].id, "shop/data-db-0");
    assert_eq!(point.members[0].mode, Mode::AtomicVolume);
    assert_eq!(point.findings[0].thing, "shop/data-db-1");
}

#[test]
fn two_primaries_are_taken_whole_or_not_at_all() {
    let world = ledger::pair();
    world
        .databases
        .borrow_mut()
        .get_mut("shop/db-1")
        .unwrap()
        .in_recovery = false;
    let plan = planned(&world);
    let records = RefCell::default();
    let end = drive(&world, &plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    let progress = Progress::of(records.borrow().iter());
    assert_eq!(progress.failing().unwrap().code, "mode-too-weak");
    assert!(world.sealed.borrow().is_empty());
    let goal = refloat_core::backup::BackupGoal {
        minimum_mode: Mode::Crash,
        ..shop::goal("backup-2")
    };
    let plan = backup::plan(&world.inventory(), &goal, CATALOGUE)
        .unwrap()
        .plan;
    let end = drive(&world, &plan, &RefCell::default());
    assert_eq!(end, Ok(Drive::Ended(End::Completed)));
    let sealed = world.sealed.borrow();
    let point: PointContent = serde_json::from_value(sealed[0].clone()).unwrap();
    let parts: Vec<&str> = point.parts.iter().map(|part| part.id.as_str()).collect();
    assert_eq!(parts, ["shop/data-db-0", "shop/data-db-1"]);
    assert_eq!(point.members[0].mode, Mode::Crash);
}

#[test]
fn an_engine_that_dies_at_any_word_seals_nothing_and_leaves_nothing_held() {
    let mut deaths = 0;
    for at in 1.. {
        let world = ledger::pair();
        let plan = planned(&world);
        let records = RefCell::default();
        world.plan_fault(Some(Fault::CrashAtWord(at)));
        let end = drive(&world, &plan, &records);
        if end == Ok(Drive::Ended(End::Completed)) {
            break;
        }
        deaths += 1;
        assert_eq!(world.held(), Vec::<String>::new(), "at word {at}");
        assert!(world.sealed.borrow().is_empty(), "at word {at}");
        crate::holds::clean_up(&world, &plan, &records);
        assert_eq!(leftovers(&world), Vec::<String>::new(), "at word {at}");
        let again = backup::plan(&world.inventory(), &shop::goal("backup-9"), CATALOGUE);
        let end = drive(&world, &again.unwrap().plan, &RefCell::default());
        assert_eq!(end, Ok(Drive::Ended(End::Completed)), "after word {at}");
    }
    assert!(deaths > 8, "only {deaths} deaths were tried");
}
