//! The journal folded, who may run, and what is overdue.

mod gates;
mod report;
mod until;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{
    Decision, Edge, End, Frontier, Moment, Needs, Phase, Progress, Record, RunKind, RunPlan, Step,
    StepState, Work, Workers, advance, eligible, first_queries,
};
use crate::driver::{Answer, Claim, Class, Op, Outcome, Problem, Query, Role, Seen, Verdict};
use crate::inventory::ThingId;
use crate::names::{ProtectionName, RunId, SiteName};

/// Seconds after the start.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

fn step(id: &str, phase: Phase, needs: &[&str]) -> Step {
    let needs: Needs = needs
        .iter()
        .map(|on| Edge::new(*on, "RULE", "seen"))
        .collect();
    Step {
        id: id.to_owned(),
        phase,
        title: format!("do {id}"),
        needs,
        work: Work::SystemNamespace,
        limit_seconds: 100,
        cleanup: phase == Phase::Clean,
    }
}

fn run_plan(steps: Vec<Step>) -> RunPlan {
    RunPlan {
        kind: RunKind::Restore,
        run: RunId::new("restore-1").unwrap(),
        protection: ProtectionName::new("shop").unwrap(),
        site: SiteName::new("secondary").unwrap(),
        point: None,
        mover_image: "image".to_owned(),
        steps,
    }
}

/// a → b → c, d beside b; e cleans up after c, f after e and a.
fn plan() -> RunPlan {
    run_plan(vec![
        step("a", Phase::Guard, &[]),
        step("b", Phase::Storage, &["a"]),
        step("c", Phase::Databases, &["b", "d"]),
        step("d", Phase::Storage, &["a"]),
        step("e", Phase::Clean, &["c"]),
        step("f", Phase::Clean, &["e", "a"]),
    ])
}

fn began(second: i64, step: &str) -> Record {
    let (at, step) = (at(second), step.to_owned());
    Record::Began { at, step }
}

fn intent(second: i64, step: &str, effect: &str) -> Record {
    Record::Intent {
        at: at(second),
        step: step.to_owned(),
        effects: vec![effect.to_owned()],
    }
}

fn done(second: i64, step: &str) -> Record {
    Record::Done {
        at: at(second),
        step: step.to_owned(),
        outcome: Outcome::default().with("step", step),
    }
}

fn problem(code: &str) -> Problem {
    Problem::stuck(code, "message", "hint")
}

fn stuck(second: i64, step: &str, code: &str) -> Record {
    Record::Stuck {
        at: at(second),
        step: step.to_owned(),
        problem: problem(code),
    }
}

fn resumed(second: i64) -> Record {
    Record::Resumed {
        at: at(second),
        why: "resume".to_owned(),
        evidence: None,
    }
}

fn failing(second: i64, code: &str) -> Record {
    Record::Failing {
        at: at(second),
        problem: problem(code),
    }
}

fn running(began: i64, since: i64) -> StepState {
    StepState::Running {
        began: at(began),
        since: at(since),
    }
}

#[test]
fn a_resumed_run_tries_what_was_stuck_again_and_keeps_what_is_done() {
    let mut records = vec![
        began(0, "a"),
        done(1, "a"),
        began(1, "b"),
        intent(2, "b", "create"),
        began(1, "d"),
        stuck(50, "d", "broken"),
    ];
    let before = Progress::of(&records);
    assert_eq!(before.stuck().count(), 1);
    records.push(resumed(500));
    let after = Progress::of(&records);
    assert_eq!(after.stuck().count(), 0);
    assert_eq!(after.state("a"), before.state("a"));
    assert_eq!(after.outcome("a").unwrap().text("step"), Some("a"));
    assert_eq!(after.state("b"), Some(&running(1, 500)), "a fresh limit");
    assert_eq!(after.state("d"), Some(&running(1, 500)));
    assert_eq!(after.state("c"), None);
    assert_eq!(after.last(), Some(at(500)));
}

#[test]
fn doing_the_same_again_is_no_news_and_does_not_extend_the_limit() {
    let records = [began(0, "a"), intent(1, "a", "create x")];
    let mut progress = Progress::of(&records);
    let repeated = intent(60, "a", "create x");
    assert!(!progress.is_news(&repeated));
    progress.apply(&repeated);
    assert_eq!(progress.state("a"), Some(&running(0, 1)));
    assert_eq!(progress.last(), Some(at(60)));
    let other = intent(70, "a", "patch x");
    assert!(progress.is_news(&other));
    progress.apply(&other);
    assert_eq!(progress.state("a"), Some(&running(0, 70)));
    assert!(progress.is_news(&repeated), "it was not the last one");
    assert!(progress.is_news(&intent(70, "b", "patch x")), "of another");
}

#[test]
fn the_first_cause_of_a_failure_stays_and_the_end_is_the_end() {
    let records = [
        began(0, "a"),
        failing(1, "first"),
        failing(2, "second"),
        Record::Ended {
            at: at(3),
            end: End::Failed,
        },
    ];
    let progress = Progress::of(&records);
    assert_eq!(
        progress.failing().map(|one| one.code.as_str()),
        Some("first")
    );
    assert_eq!(progress.ended(), Some(End::Failed));
    assert!(eligible(&plan(), &progress).is_empty());
}

#[test]
fn a_journal_read_back_folds_to_the_same() {
    let started = Record::Started {
        at: at(0),
        plan: std::sync::Arc::new(plan()),
        evidence: None,
    };
    let records = vec![
        started,
        began(0, "a"),
        intent(1, "a", "create"),
        done(2, "a"),
        stuck(3, "b", "broken"),
        resumed(4),
        failing(5, "given-up"),
    ];
    let text = serde_json::to_string(&records).unwrap();
    let again: Vec<Record> = serde_json::from_str(&text).unwrap();
    assert_eq!(Progress::of(&again), Progress::of(&records));
    assert_eq!(Progress::of(&again).started(), Some(at(0)));
}

fn may_run(records: &[Record]) -> Vec<String> {
    let plan = plan();
    let steps = eligible(&plan, &Progress::of(records));
    steps.iter().map(|step| step.id.clone()).collect()
}

#[test]
fn a_step_may_run_when_all_that_it_needs_is_done() {
    assert_eq!(may_run(&[]), ["a"]);
    assert_eq!(may_run(&[began(0, "a")]), ["a"]);
    assert_eq!(may_run(&[done(1, "a")]), ["b", "d"]);
    let one_stuck = [done(1, "a"), stuck(2, "b", "broken")];
    assert_eq!(may_run(&one_stuck), ["d"], "the others go on");
    let again = [done(1, "a"), stuck(2, "b", "broken"), resumed(3)];
    assert_eq!(may_run(&again), ["b", "d"]);
}

#[test]
fn while_it_is_given_up_only_what_cleans_up_may_run_in_its_order() {
    let given_up = [done(1, "a"), began(2, "b"), failing(3, "broken")];
    assert_eq!(may_run(&given_up), ["e"], "although c is not done");
    let cleaned = [done(1, "a"), failing(3, "broken"), done(4, "e")];
    assert_eq!(may_run(&cleaned), ["f"]);
    let without_a = [failing(3, "broken"), done(4, "e")];
    assert_eq!(may_run(&without_a), ["f"], "although a is not done");
    let hopeless = [failing(3, "broken"), stuck(4, "e", "held")];
    assert_eq!(may_run(&hopeless), Vec::<String>::new());
    let all = [failing(3, "broken"), done(4, "e"), done(5, "f")];
    assert_eq!(may_run(&all), Vec::<String>::new());
}

/// The frontier is what `eligible` says, at every place of every order in which steps can end.
#[test]
fn the_frontier_follows_as_steps_get_done() {
    let plan = plan();
    let ids =
        |steps: Vec<&Step>| -> Vec<String> { steps.iter().map(|one| one.id.clone()).collect() };
    for seed in 0..200_u64 {
        let mut lots = seed;
        let mut records: Vec<Record> = Vec::new();
        let mut frontier = Frontier::new(&plan, &Progress::default());
        let mut told = BTreeSet::new();
        for turn in 0..12_i64 {
            let progress = Progress::of(&records);
            let wanted = ids(eligible(&plan, &progress));
            assert_eq!(ids(frontier.open().collect()), wanted, "seed {seed}");
            for id in ids(frontier.opened().collect()) {
                assert!(told.insert(id.clone()), "{id} told twice, seed {seed}");
            }
            assert!(wanted.iter().all(|id| told.contains(id)), "seed {seed}");
            assert_eq!(
                ids(Frontier::new(&plan, &progress).open().collect()),
                wanted,
                "anew, seed {seed}"
            );
            assert_eq!(frontier.is_empty(), wanted.is_empty());
            lots = lots
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let Some(id) = wanted.get((lots >> 33) as usize % wanted.len().max(1)) else {
                break;
            };
            if (lots >> 40) % 7 == 0 && progress.failing().is_none() {
                records.push(failing(turn, "broken"));
                frontier = Frontier::new(&plan, &Progress::of(&records));
                told.clear();
            } else if (lots >> 40) % 5 == 0 {
                records.push(stuck(turn, id, "broken"));
                frontier.stuck(id);
            } else {
                records.push(done(turn, id));
                frontier.done(id);
            }
        }
    }
}

const NOBODY: Workers<'static> = Workers { drivers: &[] };

fn seen(plan: &RunPlan, answer: &Answer) -> Seen {
    let mut seen = Seen::default();
    let queries = first_queries(plan, &plan.steps[0], &Progress::default(), NOBODY);
    assert_eq!(queries.len(), 1, "the namespace");
    for query in queries {
        seen.insert(query, answer.clone());
    }
    seen
}

fn moment(waited: u64) -> Moment {
    Moment {
        now: at(5000),
        waited: Duration::from_secs(waited),
    }
}

fn decision(records: &[Record], answer: &Answer, waited: u64) -> Decision {
    let plan = plan();
    let progress = Progress::of(records);
    let seen = seen(&plan, answer);
    advance(
        &plan,
        &plan.steps[0],
        &progress,
        NOBODY,
        &seen,
        None,
        moment(waited),
    )
}

#[test]
fn a_wait_beyond_its_limit_is_overdue_and_says_for_what() {
    let going = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    let going = Answer::Object(Some(going));
    let records = [began(0, "a")];
    let waits = decision(&records, &going, 100);
    assert!(matches!(waits, Decision::Verdict(Verdict::Wait(_))));
    let Decision::Overdue(problem) = decision(&records, &going, 101) else {
        panic!("it waits for ever");
    };
    assert_eq!(problem.code, "namespace-terminating-timeout");
    assert_eq!(
        problem.message,
        "do a: waited 101 s (limit 100 s): namespace refloat-system is being deleted"
    );
}

#[test]
fn acting_in_vain_is_overdue_too_but_what_is_done_is_done() {
    let records = [
        began(0, "a"),
        intent(1, "a", "create Namespace refloat-system"),
    ];
    let absent = Answer::Object(None);
    let acts = decision(&records, &absent, 100);
    assert!(matches!(acts, Decision::Verdict(Verdict::Act(_))));
    let Decision::Overdue(problem) = decision(&records, &absent, 101) else {
        panic!("it acts for ever");
    };
    assert_eq!(problem.code, "acting-timeout");
    assert!(problem.message.contains("create Namespace refloat-system"));
    let there = Answer::Object(Some(json!({ "metadata": {} })));
    let late = decision(&records, &there, 5000);
    assert!(matches!(late, Decision::Verdict(Verdict::Done(_))));
}

#[test]
fn a_read_that_fails_is_waited_for_or_ends_by_its_class() {
    let records = [began(0, "a")];
    let refused = |class| {
        let problem = Problem::of(class, "unreachable", "no route", "wait");
        decision(&records, &Answer::Refused(problem), 5)
    };
    for class in [Class::Wait, Class::Retry] {
        assert!(
            matches!(refused(class), Decision::Verdict(Verdict::Wait(why)) if why.code == "unreachable")
        );
    }
    for class in [Class::Stuck, Class::Bug] {
        assert!(matches!(
            refused(class),
            Decision::Verdict(Verdict::Stuck(_))
        ));
    }
}

#[test]
fn a_driver_that_this_refloat_lacks_is_named() {
    let claim = Claim {
        driver: "oracle".to_owned(),
        role: Role::Database,
        thing: ThingId::namespaced("apps", "StatefulSet", "shop", "db"),
        volumes: Vec::new(),
        settings: BTreeMap::new(),
        notes: Vec::new(),
    };
    let mut plan = plan();
    plan.steps[0].work = Work::Driver {
        op: Op::Ready,
        claim,
        inputs: BTreeMap::new(),
    };
    let progress = Progress::default();
    let none: Vec<Query> = first_queries(&plan, &plan.steps[0], &progress, NOBODY);
    assert_eq!(none, []);
    let seen = Seen::default();
    let said = advance(
        &plan,
        &plan.steps[0],
        &progress,
        NOBODY,
        &seen,
        None,
        moment(0),
    );
    let Decision::Verdict(Verdict::Stuck(problem)) = said else {
        panic!("it went on: {said:?}");
    };
    assert_eq!(problem.code, "driver-missing");
    assert!(problem.message.contains("`oracle`"));
}
