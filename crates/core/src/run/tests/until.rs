//! What belongs to a recovery up to a phase, and what its pause does to the journal.

use std::collections::BTreeMap;

use super::{at, done, resumed, run_plan, step};
use crate::run::{
    PAUSE_STEP, Phase, Progress, RECOVERY_PHASES, Record, RunPlan, Work, again, describe, drawn_in,
    left, passed, until,
};

/// Two volumes: one that an operator needs early, one of a database.
fn plan() -> RunPlan {
    let mut steps = vec![
        step("access", Phase::Guard, &[]),
        step("namespace", Phase::Namespaces, &["access"]),
        step("early", Phase::Storage, &["access", "namespace"]),
        step("operator", Phase::Operators, &["early"]),
        step("late", Phase::Storage, &["access", "namespace"]),
        step("db", Phase::Databases, &["late"]),
        step("web", Phase::Applications, &["db"]),
        step("reap early", Phase::Clean, &["early"]),
        step("reap late", Phase::Clean, &["late"]),
        step(
            "access end",
            Phase::Clean,
            &["access", "reap early", "reap late"],
        ),
    ];
    steps[0].work = Work::VaultAccess;
    steps[9].work = Work::VaultAccessEnd;
    run_plan(steps)
}

fn ids(plan: &RunPlan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn a_part_holds_what_its_phases_need_and_the_clean_up_of_what_is_done() {
    let plan = plan();
    let part = until(&plan, Phase::Operators).unwrap();
    let early = ["access", "namespace", "early", "operator", "reap early"];
    assert_eq!(ids(&part)[..5], early);
    assert_eq!(ids(&part)[5..], [PAUSE_STEP], "its volume is still to come");
    assert_eq!(part.steps[5].work, Work::VaultAccessEnd);
    assert_eq!(part.steps[5].needs.len(), 5, "it goes last");
    assert_eq!(again(&part), ["access", PAUSE_STEP]);
    let drawn: Vec<&str> = drawn_in(&part, Phase::Operators)
        .iter()
        .map(|step| step.id.as_str())
        .collect();
    assert_eq!(drawn, ["early"]);
    assert_eq!(
        left(&plan, Phase::Operators),
        BTreeMap::from([
            (Phase::Storage, 1),
            (Phase::Databases, 1),
            (Phase::Applications, 1)
        ])
    );
}

#[test]
fn once_all_volumes_are_there_the_access_goes_for_good() {
    let plan = plan();
    let part = until(&plan, Phase::Databases).unwrap();
    assert_eq!(ids(&part).len(), 9, "all but the web server");
    assert!(part.step("access end").is_some());
    assert_eq!(again(&part), Vec::<String>::new());
    assert_eq!(until(&plan, Phase::Traffic), None, "nothing would be left");
    assert!(describe(&plan, Phase::Traffic).contains("does not pause"));
}

#[test]
fn a_pause_is_told_with_what_comes_early_and_what_is_left() {
    assert_eq!(
        describe(&plan(), Phase::Operators),
        "pauses after 3 operators\n  \
         before that, because an earlier step needs it: do early (4 storage)\n  \
         left for `--continue`: 4 storage (1 steps), 5 databases (1 steps), 7 applications (1 steps)\n"
    );
}

/// Whatever the phase: every need of a part is in the part, and it and what is left are the whole.
#[test]
fn every_part_is_closed() {
    let plan = plan();
    for (name, phase) in RECOVERY_PHASES {
        let Some(part) = until(&plan, *phase) else {
            continue;
        };
        for step in &part.steps {
            for edge in &step.needs {
                assert!(part.step(&edge.on).is_some(), "{name}: {edge:?}");
            }
        }
        let left: usize = left(&plan, *phase).values().sum();
        let done = part.steps.iter().filter(|step| !step.cleanup).count();
        assert_eq!(done + left, 7, "{name}");
    }
}

#[test]
fn phases_have_one_name_each() {
    for (name, phase) in RECOVERY_PHASES {
        assert_eq!(Phase::of_recovery(name), Some(*phase));
        assert_eq!(phase.name(), *name);
    }
    for wrong in ["", "Databases", "5", "5 databases", "clean", "seal"] {
        assert_eq!(Phase::of_recovery(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_done_again_after_a_pause_counts_as_not_done() {
    let phase = Phase::Operators;
    let mut records = vec![
        Record::Until {
            at: at(0),
            phase: Some(phase),
        },
        done(1, "access"),
        done(2, "namespace"),
        done(3, PAUSE_STEP),
    ];
    assert_eq!(Progress::of(&records).until(), Some(phase));
    assert_eq!(Progress::of(&records).paused(), None, "not yet");
    records.push(Record::Paused {
        at: at(4),
        phase,
        again: vec!["access".to_owned(), PAUSE_STEP.to_owned()],
    });
    let paused = Progress::of(&records);
    assert_eq!(paused.paused(), Some(phase));
    assert!(!paused.is_done("access") && !paused.is_done(PAUSE_STEP));
    assert!(paused.is_done("namespace"), "that stays");
    assert!(paused.outcome("access").is_none());
    records.push(resumed(100));
    let going = Progress::of(&records);
    assert_eq!(
        (going.paused(), going.until()),
        (None, Some(phase)),
        "the wish stays"
    );
    assert_eq!(going.paused_before().as_secs(), 96);
    records.push(Record::Until {
        at: at(100),
        phase: None,
    });
    assert_eq!(Progress::of(&records).until(), None, "to its end");
    let text = serde_json::to_string(&records).unwrap();
    let again: Vec<Record> = serde_json::from_str(&text).unwrap();
    assert_eq!(Progress::of(&again), Progress::of(&records));
}

#[test]
fn a_recovery_that_has_begun_a_later_phase_is_past_the_earlier_pause() {
    let plan = plan();
    let progress = Progress::of(&[done(1, "access"), done(2, "namespace"), done(3, "late")]);
    let found = passed(&plan, &progress, Phase::Namespaces);
    assert_eq!(found.map(|step| step.id.as_str()), Some("late"));
    assert_eq!(passed(&plan, &progress, Phase::Storage), None);
    assert_eq!(passed(&plan, &Progress::default(), Phase::Guard), None);
}
