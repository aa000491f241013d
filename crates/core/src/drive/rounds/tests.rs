//! Who is looked at, and when.

use std::collections::BTreeSet;

use super::*;
use crate::driver::{ExecRequest, ListRequest, ObjectRef};
use crate::inventory::Resource;
use crate::run::{Needs, Phase, Work};
use crate::world::Labels;

const MOST: usize = 512;

fn step(id: &str) -> Step {
    Step {
        id: id.to_owned(),
        phase: Phase::Guard,
        title: id.to_owned(),
        needs: Needs::default(),
        work: Work::SystemNamespace,
        limit_seconds: 1,
        cleanup: false,
    }
}

fn pods() -> Resource {
    Resource::namespaced("v1", "Pod", "pods")
}

fn pod(name: &str) -> ObjectRef {
    ObjectRef::namespaced(pods(), "shop", name)
}

fn list() -> Query {
    Query::List(ListRequest {
        resource: pods(),
        namespace: Some("shop".to_owned()),
        labels: BTreeMap::new(),
    })
}

fn command() -> Query {
    Query::Exec(ExecRequest {
        namespace: "shop".to_owned(),
        pod: "db-0".to_owned(),
        container: None,
        command: Vec::new(),
        input: String::new(),
        limit_seconds: 1,
    })
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn due<'a>(rounds: &mut Rounds<'a>, steps: &'a [Step], now: u64) -> Vec<String> {
    let told: BTreeSet<String> = rounds
        .new
        .iter()
        .map(|(_, step)| step.id.as_str())
        .chain(rounds.steps.keys().copied())
        .map(str::to_owned)
        .collect();
    let opened = steps.iter().filter(|step| !told.contains(&step.id));
    let due = rounds.due(opened, at(now));
    ids(&due.now)
}

fn ids(steps: &[&Step]) -> Vec<String> {
    steps.iter().map(|step| step.id.clone()).collect()
}

#[test]
fn a_step_is_looked_at_when_what_it_asked_for_changes_and_no_other_is() {
    let steps = [step("a"), step("b"), step("c")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a", "b", "c"], "new");
    for one in &steps {
        rounds.anew(&one.id, at(0));
    }
    rounds.waits(&step("a"), vec![Query::Object(pod("db-0"))], at(0));
    rounds.waits(&step("b"), vec![Query::Object(pod("web-0"))], at(0));
    rounds.waits(&step("c"), vec![list()], at(0));
    assert_eq!(due(&mut rounds, &steps, 10), Vec::<String>::new());
    for one in &steps {
        let asked = rounds.steps[one.id.as_str()].asked.clone();
        rounds.waits(one, asked, at(60_000));
    }
    let mut changed = Changed::default();
    changed.saw(pod("db-0"), Labels::unknown());
    rounds.heard(&changed);
    assert_eq!(due(&mut rounds, &steps, 60_010), ["a", "c"]);
    for one in ["a", "c"] {
        rounds.waits(&step(one), vec![list()], at(60_010));
    }
    assert_eq!(
        due(&mut rounds, &steps, 60_020),
        Vec::<String>::new(),
        "once"
    );
    let gap = Changed {
        kinds: BTreeSet::from([(pods(), None)]),
        ..Changed::default()
    };
    rounds.heard(&gap);
    assert_eq!(due(&mut rounds, &steps, 60_020), ["b"], "not so soon again");
    rounds.waits(&step("b"), vec![list()], at(60_020));
    assert_eq!(due(&mut rounds, &steps, 60_110), ["a", "c"]);
}

fn listed(labels: &[(&str, &str)]) -> Query {
    Query::List(ListRequest {
        resource: pods(),
        namespace: Some("shop".to_owned()),
        labels: labels_of(labels),
    })
}

fn labels_of(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

#[test]
fn a_pod_wakes_those_who_listed_it_by_its_labels_and_no_other() {
    let asked = [
        listed(&[("app", "web")]),
        listed(&[("app", "db")]),
        listed(&[("app", "web"), ("tier", "front")]),
        listed(&[]),
    ];
    let woken = |labels: &[Labels]| {
        let mut changed = Changed::default();
        for one in labels {
            changed.saw(pod("web-0"), one.clone());
        }
        asked.each_ref().map(|query| changed.concerns(query))
    };
    let web = Labels::of(labels_of(&[("app", "web"), ("hash", "7")]));
    let front = Labels::of(labels_of(&[("app", "web"), ("tier", "front")]));
    let bare = Labels::of(labels_of(&[]));
    assert_eq!(
        woken(std::slice::from_ref(&web)),
        [true, false, false, true]
    );
    assert_eq!(woken(&[web.clone(), front]), [true, false, true, true]);
    assert_eq!(
        woken(std::slice::from_ref(&bare)),
        [false, false, false, true]
    );
    assert_eq!(woken(&[bare, web.clone()]), [true, false, false, true]);
    assert_eq!(woken(&[web, Labels::unknown()]), [true; 4]);
}

#[test]
fn events_are_read_and_wake_nobody() {
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    let events = Query::List(ListRequest {
        resource: Resource::namespaced("v1", "Event", "events"),
        namespace: Some("shop".to_owned()),
        labels: BTreeMap::new(),
    });
    rounds.waits(&step("a"), vec![events, list()], at(0));
    assert_eq!(rounds.interest(), [list()]);
}

#[test]
fn without_any_news_it_is_looked_at_ever_more_rarely_but_always_again() {
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    let (mut now, mut looks) = (0, Vec::new());
    while now < 60_000 {
        rounds.waits(&step("a"), vec![list()], at(now));
        let before = now;
        while due(&mut rounds, &steps, now).is_empty() {
            let pause = rounds.pause(at(now));
            assert!(pause <= PAUSE_MAX && pause > Duration::ZERO);
            now += u64::try_from(pause.as_millis()).unwrap();
        }
        looks.push(now - before);
    }
    assert_eq!(looks.first(), Some(&250));
    assert!(looks.iter().all(|gap| *gap <= 5_000), "{looks:?}");
    assert!(looks.len() < 40, "{} looks in a minute", looks.len());
}

#[test]
fn of_many_that_wait_each_is_looked_at_more_rarely() {
    let steps: Vec<Step> = (0..400).map(|number| step(&number.to_string())).collect();
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0).len(), 400);
    for one in &steps {
        rounds.waits(one, vec![list()], at(100_000));
    }
    let mut looks = |from: u64| {
        let times = (from..from + 60_000).step_by(50);
        times
            .map(|now| {
                let due = due(&mut rounds, &steps, now);
                for id in &due {
                    rounds.waits(&step(id), vec![list()], at(now));
                }
                due.len()
            })
            .sum::<usize>()
    };
    let of_all = looks(120_000);
    assert!((400..=1600).contains(&of_all), "{of_all} in a minute");
    for one in &steps[1..] {
        rounds.over(&one.id);
    }
    rounds.waits(&steps[0], vec![list()], at(300_000));
    let steps = &steps[..1];
    let last = (300_050..)
        .step_by(50)
        .find(|now| !due(&mut rounds, steps, *now).is_empty());
    assert_eq!(last, Some(305_000), "one alone: as before");
}

#[test]
fn of_many_that_have_just_begun_to_wait_each_is_looked_at_again_soon_and_not_at_once() {
    for (count, again) in [(1, 250), (20, 1_000), (400, 2_000)] {
        let steps: Vec<Step> = (0..count).map(|number| step(&number.to_string())).collect();
        let mut rounds = Rounds::new(at(0), MOST);
        due(&mut rounds, &steps, 0);
        for one in &steps {
            rounds.waits(one, vec![list()], at(0));
        }
        // Only now it is known how many wait.
        for one in &steps {
            rounds.waits(one, vec![list()], at(0));
        }
        let first = (0..5_000)
            .step_by(50)
            .find(|now| !due(&mut rounds, &steps, *now).is_empty());
        assert_eq!(first, Some(again), "{count}");
    }
}

#[test]
fn what_no_watch_tells_of_is_asked_again_soon() {
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    rounds.waits(&step("a"), vec![list(), command()], at(60_000));
    assert_eq!(rounds.interest(), [list()], "no watch on a command");
    assert_eq!(due(&mut rounds, &steps, 60_299), Vec::<String>::new());
    assert_eq!(due(&mut rounds, &steps, 60_300), ["a"]);
}

#[test]
fn what_was_in_vain_is_tried_again_after_ever_longer_times() {
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    let mut now = 0;
    let mut gaps = Vec::new();
    for _ in 0..7 {
        rounds.in_vain("a", None, at(now));
        let begun = now;
        while due(&mut rounds, &steps, now).is_empty() {
            now += 50;
        }
        gaps.push(now - begun);
    }
    assert_eq!(gaps, [200, 400, 800, 1600, 3000, 3000, 3000]);
    rounds.acted("a", Vec::new(), at(now));
    assert_eq!(due(&mut rounds, &steps, now), ["a"], "at once");
}

#[test]
fn a_refusal_is_worth_a_word_the_second_time_and_kept_until_something_else_happens() {
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    let why = || Some(Why::new("webhook-failed", "nobody answers"));
    assert!(!rounds.in_vain("a", why(), at(0)), "once is not");
    assert!(rounds.in_vain("a", why(), at(200)));
    assert_eq!(rounds.refused("a"), why().as_ref());
    rounds.acted("a", Vec::new(), at(400));
    assert_eq!(rounds.refused("a"), None, "it was done");
    assert!(!rounds.in_vain("a", why(), at(600)), "the first again");
    rounds.waits(&step("a"), vec![list()], at(800));
    assert_eq!(rounds.refused("a"), None, "it waits for something else");
}

#[test]
fn a_turn_takes_those_that_have_waited_longest() {
    let steps: Vec<Step> = (0..MOST + 10)
        .map(|number| step(&format!("{number:04}")))
        .collect();
    let mut rounds = Rounds::new(at(0), MOST);
    let first = due(&mut rounds, &steps, 0);
    assert_eq!(first.len(), MOST);
    for id in &first {
        rounds.waits(&step(id), vec![command()], at(100));
    }
    let second = due(&mut rounds, &steps, 5_000);
    let left = |id: &String| !first.contains(id);
    assert_eq!(
        second.iter().filter(|id| left(id)).count(),
        10,
        "nobody starves"
    );
}

/// What is said to come next does come next, also when more is due by then; and what was looked at before is never among it.
#[test]
fn the_steps_of_the_next_turn_are_known_when_they_are_new() {
    let steps: Vec<Step> = (0..8).map(|number| step(&number.to_string())).collect();
    let mut rounds = Rounds::new(at(0), 3);
    let mut opened = steps.iter();
    let mut turn = |now| {
        let due = rounds.due(opened.by_ref(), at(now));
        for step in &due.now {
            rounds.waits(step, vec![command()], at(now));
        }
        (ids(&due.now), ids(&due.next))
    };
    let told = |now: &[&str], next: &[&str]| {
        let owned = |some: &[&str]| some.iter().map(|id| (*id).to_owned()).collect();
        (owned(now), owned(next))
    };
    assert_eq!(turn(0), told(&["0", "1", "2"], &["3", "4", "5"]));
    assert_eq!(turn(5_000), told(&["3", "4", "5"], &["6", "7"]));
    assert_eq!(turn(10_000), told(&["6", "7", "0"], &[]));
}

#[test]
fn what_is_over_is_not_waited_for() {
    let steps = [step("a"), step("b")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a", "b"]);
    rounds.waits(&step("b"), vec![command()], at(0));
    rounds.over("a");
    rounds.in_vain("a", None, at(0));
    rounds.acted("a", Vec::new(), at(0));
    rounds.waits(&step("a"), vec![list()], at(0));
    assert_eq!(
        rounds.pause(at(10_000)),
        Duration::from_millis(1),
        "b is due"
    );
    rounds.waits(&step("b"), vec![command()], at(10_000));
    assert_eq!(rounds.pause(at(10_000)), POLL);
    assert_eq!(rounds.interest(), Vec::<Query>::new());
}

#[test]
fn what_was_just_answered_is_looked_at_before_all_others() {
    let steps: Vec<Step> = (0..MOST + 10)
        .map(|number| step(&format!("{number:04}")))
        .collect();
    let mut rounds = Rounds::new(at(0), MOST);
    let first = due(&mut rounds, &steps, 0);
    let answered = vec![(list(), Answer::List(Vec::new()))];
    rounds.acted(&first[7], answered, at(100));
    for id in first.iter().filter(|id| **id != first[7]) {
        rounds.acted(id, Vec::new(), at(50));
    }
    assert_eq!(due(&mut rounds, &steps, 200)[0], first[7]);
}

#[test]
fn a_failure_is_one_when_it_is_shown_at_every_look_for_its_time() {
    let problem = crate::driver::Problem::stuck("cluster-error", "it says `error`", "look");
    let failing = || Why::new("cluster-error", "it says `error`").failing(problem.clone(), 180);
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    let mut says = |why: Why, now: u64| rounds.judged("a", why, at(now * 1000));
    assert!(matches!(says(failing(), 1000), Verdict::Wait(_)));
    assert!(matches!(says(failing(), 1179), Verdict::Wait(_)));
    // It came back from it for a moment.
    assert!(matches!(
        says(Why::new("rolling-out", "x"), 1180),
        Verdict::Wait(_)
    ));
    assert!(matches!(says(failing(), 1181), Verdict::Wait(_)));
    assert!(matches!(says(failing(), 1360), Verdict::Wait(_)));
    assert_eq!(says(failing(), 1361), Verdict::Stuck(problem.clone()));
}

#[test]
fn a_limit_runs_from_the_resume_and_anew_from_each_thing_that_is_done() {
    let steps = [step("a")];
    // The step ran before this process began to drive, at whatever time that was.
    let mut rounds = Rounds::new(at(5_000), MOST);
    assert_eq!(due(&mut rounds, &steps, 5_200), ["a"]);
    assert_eq!(rounds.waited("a", at(95_000)), Duration::from_secs(90));
    rounds.anew("a", at(95_000));
    assert_eq!(rounds.waited("a", at(96_000)), Duration::from_secs(1));
    assert_eq!(rounds.waited("a", at(94_000)), Duration::ZERO);
}

/// A command of a user's costs more than one look, and its pods may change every moment.
#[test]
fn a_gate_that_runs_a_command_is_asked_once_a_second() {
    let mut gate = step("a");
    gate.work = Work::Gate(crate::readiness::user::Gating {
        name: "a".to_owned(),
        of: pod("web-0"),
        check: crate::readiness::user::Check::Skipped,
    });
    let steps = [gate];
    let mut rounds = Rounds::new(at(0), MOST);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    rounds.waits(&steps[0], vec![list(), command()], at(10));
    let mut changed = Changed::default();
    changed.saw(pod("web-0"), Labels::unknown());
    rounds.heard(&changed);
    assert_eq!(due(&mut rounds, &steps, 999), Vec::<String>::new());
    assert_eq!(due(&mut rounds, &steps, 1050), ["a"]);
    rounds.waits(&steps[0], vec![list()], at(1100));
    rounds.heard(&changed);
    assert_eq!(due(&mut rounds, &steps, 1400), ["a"], "a watch is heard");
}

#[test]
fn who_wants_to_see_more_is_in_the_next_turn_and_takes_no_place_there() {
    let steps = [step("a"), step("b"), step("c")];
    let mut rounds = Rounds::new(at(0), 1);
    assert_eq!(due(&mut rounds, &steps, 0), ["a"]);
    rounds.goes_on("a");
    assert_eq!(due(&mut rounds, &steps, 0), ["a", "b"]);
    rounds.waits(&step("a"), vec![list()], at(0));
    rounds.waits(&step("b"), vec![list()], at(0));
    assert_eq!(due(&mut rounds, &steps, 0), ["c"], "once");
}

#[test]
fn what_is_asked_for_again_and_again_is_kept_once() {
    let steps = [step("a")];
    let mut rounds = Rounds::new(at(0), MOST);
    let mut asked = vec![Query::Object(pod("db-0")), list()];
    for now in 0..5 {
        due(&mut rounds, &steps, now * 10_000);
        asked.extend(rounds.asked("a").cloned());
        rounds.waits(&steps[0], asked.clone(), at(now * 10_000));
        asked.truncate(2);
        assert_eq!(rounds.asked("a").count(), 2);
    }
    assert_eq!(rounds.interest().len(), 2);
}
