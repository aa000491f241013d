//! Workloads that are held by a command of the user's own: what outlives its client is undone whatever dies.

use std::cell::RefCell;
use std::collections::BTreeMap;

use refloat_core::backup::{self, BackupGoal, Hook, Mode, PointContent};
use refloat_core::drive::Drive;
use refloat_core::names::{ANNOTATION_FREEZE, ANNOTATION_HOLD, ANNOTATION_THAW};
use refloat_core::run::{End, Progress, Record, RunPlan};
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Fault, SessionFault, SimWorld, Trouble};

use crate::driving::{drive, leftovers};
use crate::{ledger, shop};

const HOLD: &[(&str, &str)] = &[(ANNOTATION_HOLD, r#"["lock"]"#)];
const FREEZE: &[(&str, &str)] = &[
    (ANNOTATION_FREEZE, r#"["freeze"]"#),
    (ANNOTATION_THAW, r#"["thaw"]"#),
];

fn goal(annotations: &[(&str, &str)]) -> BackupGoal {
    BackupGoal {
        minimum_mode: Mode::Held,
        hooks: vec![Hook {
            kind: "StatefulSet".to_owned(),
            name: "files".to_owned(),
            namespace: None,
            annotations: annotations
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        }],
        ..shop::goal("backup-1")
    }
}

fn planned(world: &SimWorld, annotations: &[(&str, &str)]) -> RunPlan {
    let planned = backup::plan(&world.inventory(), &goal(annotations), CATALOGUE);
    planned.unwrap().plan
}

fn of_files(log: Vec<String>) -> Vec<String> {
    let is_of_files = |line: &String| line.starts_with("shop/files");
    log.into_iter().filter(is_of_files).collect()
}

#[test]
fn a_hooked_workload_is_held_with_the_databases_and_proven() {
    for annotations in [HOLD, FREEZE] {
        let world = ledger::world_with_files();
        let plan = planned(&world, annotations);
        let end = drive(&world, &plan, &RefCell::default());
        assert_eq!(end, Ok(Drive::Ended(End::Completed)));
        let sealed = world.sealed.borrow();
        let point: PointContent = serde_json::from_value(sealed[0].clone()).unwrap();
        let of_files = |one: &&refloat_core::backup::Member| one.name == "shop/files";
        let files = point.members.iter().find(of_files).unwrap();
        assert_eq!((files.driver.as_str(), files.mode), ("hook", Mode::Held));
        let held = files.held.as_ref().unwrap();
        let of_files = |one: &&refloat_core::backup::Part| one.id == "shop/data-files-0";
        let cut = point.parts.iter().find(of_files).unwrap().cut;
        assert!(held.since <= cut && cut <= held.released && held.freezes);
        assert_eq!(
            self::of_files(world.hold_log()),
            ["shop/files holds", "shop/files let go in order"],
            "an orderly release is not undone once more"
        );
    }
}

#[test]
fn what_stays_frozen_is_written_down_before_and_thawed_from_outside() {
    let world = ledger::world_with_files();
    let trouble = Trouble::StaysHeld;
    world.plan_session_fault("shop/files", SessionFault { at: 1, trouble });
    let plan = planned(&world, FREEZE);
    let records = RefCell::default();
    let end = drive(&world, &plan, &records);
    assert_eq!(end, Ok(Drive::Ended(End::Failed)));
    let log = of_files(world.hold_log());
    assert_eq!(log.last().unwrap(), "shop/files was thawed from outside");
    assert_eq!(world.held(), Vec::<String>::new());
    assert!(world.sealed.borrow().is_empty());
    let records = records.borrow();
    let written = |record: &Record| matches!(record, Record::MustRelease { .. });
    assert!(records.iter().any(written), "nothing was written down");
}

#[test]
fn an_engine_that_dies_at_any_word_leaves_a_record_of_what_may_be_frozen() {
    let mut deaths = 0;
    for at in 1.. {
        let world = ledger::world_with_files();
        let plan = planned(&world, FREEZE);
        let records: RefCell<Vec<Record>> = RefCell::default();
        world.plan_fault(Some(Fault::CrashAtWord(at)));
        let end = drive(&world, &plan, &records);
        if end == Ok(Drive::Ended(End::Completed)) {
            break;
        }
        deaths += 1;
        let froze = world.hold_log().contains(&"shop/files holds".to_owned());
        let progress = Progress::of(records.borrow().iter());
        assert!(!froze || !progress.must_release().is_empty(), "word {at}");
        world.plan_fault(None);
        let time = refloat_core::world::World::now(&world);
        let why = "clean-up".to_owned();
        let problem =
            refloat_core::driver::Problem::stuck("engine-died", "the engine died", "again");
        records.borrow_mut().extend([
            Record::Resumed {
                at: time,
                why,
                evidence: None,
            },
            Record::Failing { at: time, problem },
        ]);
        let end = drive(&world, &plan, &records);
        assert!(matches!(end, Ok(Drive::Ended(_))), "word {at}: {end:?}");
        assert_eq!(world.held(), Vec::<String>::new(), "word {at}");
        assert_eq!(leftovers(&world), Vec::<String>::new(), "word {at}");
        let undone = world
            .hold_log()
            .iter()
            .any(|line| line.contains("thawed from outside"));
        assert!(!froze || undone, "word {at}: a dead engine knows nothing");
    }
    assert!(deaths > 20, "only {deaths} deaths were tried");
}

#[test]
fn a_hook_that_holds_nothing_is_refused() {
    let nobody = ledger::world();
    let files = ledger::world_with_files();
    let container = [(refloat_core::names::ANNOTATION_HOLD_CONTAINER, "files")];
    for (world, annotations) in [(&nobody, HOLD), (&files, &[]), (&files, &container)] {
        let goal = BackupGoal {
            minimum_mode: Mode::Crash,
            ..goal(annotations)
        };
        let problems = backup::plan(&world.inventory(), &goal, CATALOGUE).unwrap_err();
        assert_eq!(problems.len(), 1, "{annotations:?}");
        assert_eq!(problems[0].code, "hook-without-workload");
    }
    // A kind that nobody can hold.
    let mut of_pods = goal(HOLD);
    of_pods.hooks[0].kind = "Pod".to_owned();
    of_pods.hooks[0].name = "files-0".to_owned();
    of_pods.minimum_mode = Mode::Crash;
    let problems = backup::plan(&files.inventory(), &of_pods, CATALOGUE).unwrap_err();
    assert_eq!(problems[0].code, "hook-without-workload");
}
