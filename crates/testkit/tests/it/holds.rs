//! Captures with holds: the engine dying at every word, sessions going wrong at every statement, cuts that never come.
//! Whatever happens nothing stays held, nothing half is sealed, nothing of ours is left, and the next capture works.

use std::cell::RefCell;

use refloat_core::backup::{self, BackupGoal, Mode, PointContent};
use refloat_core::drive::Drive;
use refloat_core::run::{End, Progress, Record, RunPlan};
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Fault, SessionFault, SimWorld, Trouble};

use crate::driving::{drive, leftovers};
use crate::{ledger, shop};

fn goal(run: &str) -> BackupGoal {
    BackupGoal {
        minimum_mode: Mode::Held,
        ..shop::goal(run)
    }
}

fn planned(world: &SimWorld, run: &str) -> RunPlan {
    backup::plan(&world.inventory(), &goal(run), CATALOGUE)
        .unwrap()
        .plan
}

pub(crate) fn clean_up(world: &SimWorld, plan: &RunPlan, records: &RefCell<Vec<Record>>) {
    world.plan_fault(None);
    let at = refloat_core::world::World::now(world);
    let problem = refloat_core::driver::Problem::stuck("engine-died", "the engine died", "again");
    let mut all = records.borrow_mut();
    let ended = all
        .iter()
        .any(|record| matches!(record, Record::Ended { .. }));
    if ended {
        return;
    }
    all.push(Record::Resumed {
        at,
        why: "clean-up".to_owned(),
        evidence: None,
    });
    all.push(Record::Failing { at, problem });
    drop(all);
    let end = drive(world, plan, records);
    assert!(matches!(end, Ok(Drive::Ended(_))), "{end:?}");
}

/// Nothing is held, nothing is left, and the next backup is sealed.
fn assert_sound(world: &SimWorld, what: &str) {
    assert_eq!(world.held(), Vec::<String>::new(), "{what}");
    assert_eq!(leftovers(world), Vec::<String>::new(), "{what}");
    let plan = planned(world, "backup-9");
    let sealed = world.sealed.borrow().len();
    let end = drive(world, &plan, &RefCell::default());
    assert_eq!(
        end,
        Ok(Drive::Ended(End::Completed)),
        "{what}: the next one"
    );
    assert_eq!(world.sealed.borrow().len(), sealed + 1, "{what}");
    assert_eq!(world.held(), Vec::<String>::new(), "{what}");
}

fn failing(records: &RefCell<Vec<Record>>) -> String {
    let progress = Progress::of(records.borrow().iter());
    progress
        .failing()
        .map_or_else(|| "not failing".to_owned(), |problem| problem.code.clone())
}

#[test]
fn an_undisturbed_capture_of_two_engines_is_proven_and_told() {
    let world = ledger::world();
    let plan = planned(&world, "backup-1");
    let records = RefCell::default();
    let end = drive(&world, &plan, &records);
    assert_eq!(
        end,
        Ok(Drive::Ended(End::Completed)),
        "{}",
        failing(&records)
    );
    let sealed = world.sealed.borrow();
    let point: PointContent = serde_json::from_value(sealed[0].clone()).unwrap();
    let member = |name: &str| point.members.iter().find(|one| one.name == name).unwrap();
    let (pg, maria) = (member("shop/pg"), member("shop/maria"));
    assert_eq!((pg.mode, maria.mode), (Mode::Held, Mode::Held));
    assert_eq!(pg.engine["stop_lsn"], "0/4000138");
    assert!(pg.engine["label"].starts_with("START WAL LOCATION"));
    let cut = |part: &str| point.parts.iter().find(|one| one.id == part).unwrap().cut;
    let (held_pg, held_maria) = (pg.held.clone().unwrap(), maria.held.clone().unwrap());
    for part in ["shop/data-pg-0", "shop/data-maria-0"] {
        assert!(
            held_pg.since <= cut(part) && cut(part) <= held_pg.released,
            "{part}"
        );
        assert!(
            held_maria.since <= cut(part) && cut(part) <= held_maria.released,
            "{part}"
        );
    }
    assert!(
        cut("shop/wal-pg-0") > held_pg.released,
        "the WAL is cut after the stop"
    );
    assert!(held_maria.freezes && !held_pg.freezes);
    assert!(
        held_pg.since <= held_maria.since,
        "what freezes is held last"
    );
    assert!(
        held_pg.released <= held_maria.released,
        "what freezes is let go last"
    );
    let times = point.capture.as_ref().unwrap();
    assert!(!times.aligned);
    assert!(times.slowest_cut_milliseconds > 0);
    assert!(times.slowest_cut_milliseconds <= times.held_milliseconds);
    let kept = records.borrow().iter().any(|record| {
        matches!(
            record,
            Record::Kept { facts, .. } if facts["shop/pg"].contains_key("label")
        )
    });
    assert!(
        kept,
        "the label was not made durable before the second wave"
    );
    let log = world.hold_log();
    assert_eq!(
        log,
        [
            "shop/pg holds",
            "shop/maria holds",
            "shop/pg let go in order",
            "shop/maria let go in order",
        ]
    );
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

#[test]
fn an_engine_that_dies_at_any_word_leaves_nothing_held_and_seals_nothing() {
    let mut deaths = 0;
    for at in 1.. {
        let world = ledger::world();
        let plan = planned(&world, "backup-1");
        let records = RefCell::default();
        world.plan_fault(Some(Fault::CrashAtWord(at)));
        let end = drive(&world, &plan, &records);
        if end == Ok(Drive::Ended(End::Completed)) {
            break;
        }
        deaths += 1;
        assert!(world.is_dead(), "at word {at}: {end:?}");
        assert_eq!(world.held(), Vec::<String>::new(), "at word {at}");
        assert!(world.sealed.borrow().is_empty(), "at word {at}");
        clean_up(&world, &plan, &records);
        assert_sound(&world, &format!("at word {at}"));
    }
    assert!(deaths > 20, "only {deaths} deaths were tried");
}

#[test]
fn an_engine_that_dies_around_any_effect_or_entry_leaves_nothing_held() {
    let mut deaths = 0;
    for kind in [Fault::CrashBefore, Fault::CrashAfter, Fault::CrashAtEntry] {
        for at in 1.. {
            let world = ledger::world();
            let plan = planned(&world, "backup-1");
            let records = RefCell::default();
            world.plan_fault(Some(kind(at)));
            let end = drive(&world, &plan, &records);
            if end == Ok(Drive::Ended(End::Completed)) {
                break;
            }
            deaths += 1;
            assert_eq!(world.held(), Vec::<String>::new(), "{:?}", kind(at));
            clean_up(&world, &plan, &records);
            // A death after the seal leaves a sealed point, and only that.
            assert_sound(&world, &format!("{:?}", kind(at)));
        }
    }
    assert!(deaths > 40, "only {deaths} deaths were tried");
}

#[test]
fn a_session_that_goes_wrong_at_any_statement_throws_the_capture_away() {
    let troubles = [
        Trouble::Exits(3, "FATAL:  sorry, too many clients already".to_owned()),
        Trouble::Silent,
        Trouble::Breaks,
    ];
    // Three statements open each hold, one proves it; PostgreSQL's proves itself once more after the WAL is cut.
    for (member, last) in [("shop/pg", 5), ("shop/maria", 4)] {
        for trouble in &troubles {
            for at in 1..=last {
                let world = ledger::world();
                let fault = SessionFault {
                    at,
                    trouble: trouble.clone(),
                };
                world.plan_session_fault(member, fault);
                let plan = planned(&world, "backup-1");
                let records = RefCell::default();
                let end = drive(&world, &plan, &records);
                let what = format!("{member}, statement {at}, {trouble:?}");
                assert_eq!(end, Ok(Drive::Ended(End::Failed)), "{what}");
                let code = failing(&records);
                let expected: &[&str] = match (trouble, at) {
                    (Trouble::Silent, _) => &["hold-slow", "hold-too-long"],
                    (_, 4..) => &["hold-lost"],
                    _ => &["hold-refused"],
                };
                assert!(expected.contains(&code.as_str()), "{what}: {code}");
                assert!(world.sealed.borrow().is_empty(), "{what}");
                world.plan_session_fault(
                    member,
                    SessionFault {
                        at: 0,
                        trouble: Trouble::Breaks,
                    },
                );
                assert_sound(&world, &what);
            }
        }
    }
}

#[test]
fn a_hold_that_is_lost_while_volumes_are_cut_is_noticed() {
    for (member, at) in [("shop/pg", 3), ("shop/maria", 3), ("shop/pg", 4)] {
        let world = ledger::world();
        let trouble = Trouble::BreaksAfter;
        world.plan_session_fault(member, SessionFault { at, trouble });
        let plan = planned(&world, "backup-1");
        let records = RefCell::default();
        let end = drive(&world, &plan, &records);
        assert_eq!(end, Ok(Drive::Ended(End::Failed)), "{member} {at}");
        // After the stop the slot still pins the WAL that is cut next: the session is needed until then.
        assert_eq!(failing(&records), "hold-lost", "{member} {at}");
        assert!(world.sealed.borrow().is_empty());
    }
}

#[test]
fn an_api_server_that_hangs_keeps_nobody_held() {
    let world = ledger::world();
    let plan = planned(&world, "backup-1");
    let records = RefCell::default();
    world.plan_fault(Some(Fault::HangWhileHeld));
    let end = drive(&world, &plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    assert_eq!(failing(&records), "hold-too-long");
    assert!(world.sealed.borrow().is_empty());
    world.plan_fault(None);
    assert_sound(&world, "after the API server hung");
}

#[test]
fn a_cut_that_never_comes_lets_writers_go_in_time() {
    let world = ledger::world();
    world.with_store(|store| store.cut_failure = Some("the pool is full".to_owned()));
    let plan = planned(&world, "backup-1");
    let records = RefCell::default();
    let end = drive(&world, &plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    assert_eq!(failing(&records), "hold-too-long");
    world.with_store(|store| store.cut_failure = None);
    assert_sound(&world, "after the cuts that never came");
}

#[test]
fn long_statements_are_waited_for_and_then_named() {
    let world = ledger::world();
    world
        .databases
        .borrow_mut()
        .get_mut("shop/maria-0")
        .unwrap()
        .long_statements = 1;
    let plan = planned(&world, "backup-1");
    let records = RefCell::default();
    let end = drive(&world, &plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    assert_eq!(failing(&records), "long-statement-timeout");
    assert!(world.hold_log().is_empty(), "nothing was held");
}
