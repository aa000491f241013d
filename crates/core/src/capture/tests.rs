//! The machine, event by event; and what holds for every order of events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Beat, Capture, Captured, Cut, Ending, Event, Hold, Limits, Machine, SessionEvent,
    SessionOrder, Statement, Undo, Until,
};
use crate::driver::{Claim, Outcome, Problem, Role};
use crate::inventory::ThingId;

fn statement(title: &str) -> Statement {
    Statement {
        title: title.to_owned(),
        text: format!("{title};\n"),
        until: Until::Line(format!("{title} done")),
        limit_seconds: 4,
    }
}

fn hold(member: &str, freezes: bool) -> Hold {
    Hold {
        member: member.to_owned(),
        session: SessionOrder {
            namespace: "shop".to_owned(),
            pod: "pod".to_owned(),
            container: "server".to_owned(),
            command: vec!["client".to_owned()],
            beat: Some(Beat {
                text: "beat\n".to_owned(),
                until: Until::Line("beat".to_owned()),
                every_milliseconds: 1000,
                late_milliseconds: 3000,
                concurrent: false,
            }),
            seconds_max: 60,
        },
        freezes,
        open: vec![statement("prepare"), statement("hold")],
        prove: vec![statement("prove"), statement("release")],
        proof: "the same session".to_owned(),
        prove_late: Vec::new(),
        late_parts: Vec::new(),
        sticky: None,
    }
}

fn cut(part: &str) -> Cut {
    Cut {
        part: part.to_owned(),
        claim: Claim {
            driver: "csi-snapshot".to_owned(),
            role: Role::Volume,
            thing: ThingId::namespaced("", "PersistentVolumeClaim", "shop", part),
            volumes: Vec::new(),
            settings: BTreeMap::new(),
            notes: Vec::new(),
        },
        inputs: BTreeMap::new(),
    }
}

fn capture(holds: Vec<Hold>, parts: &[&str]) -> Capture {
    Capture {
        holds,
        cuts: parts.iter().map(|part| cut(part)).collect(),
        limits: Limits {
            cut_seconds_max: 60,
            hold_seconds_max: 20,
        },
    }
}

/// A machine and a clock that goes 10 ms with every event.
struct Scene {
    machine: Machine,
    now: Timestamp,
    log: Vec<String>,
    end: Option<Result<Captured, Problem>>,
}

impl Scene {
    fn new(capture: Capture) -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut scene = Self {
            machine: Machine::new(capture, now),
            now,
            log: Vec::new(),
            end: None,
        };
        scene.event(Event::Start);
        scene
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.now += SignedDuration::from_millis(10);
        let actions = self.machine.step(event, self.now);
        for action in &actions {
            assert!(self.end.is_none(), "{action:?} after the end");
            self.log.push(match action {
                Action::Record(members) => format!("record {}", members.join(" ")),
                Action::Open(member) => format!("open {member}"),
                Action::Send(member, statement) => format!("{member}: {}", statement.title),
                Action::Close(member) => format!("close {member}"),
                Action::Cut(parts) => format!("cut {}", parts.join(" ")),
                Action::StopCutting => "stop cutting".to_owned(),
                Action::Keep(facts) => {
                    let members: Vec<_> = facts.keys().map(String::as_str).collect();
                    format!("keep {}", members.join(" "))
                }
                Action::Finish(result) => {
                    self.end = Some((**result).clone());
                    match &**result {
                        Ok(_) => "captured".to_owned(),
                        Err(problem) => format!("failed: {}", problem.code),
                    }
                }
            });
        }
        actions
    }

    fn said(&mut self, member: &str, event: SessionEvent) {
        self.event(Event::Session(member.to_owned(), event));
    }

    /// Answers what is said to a member; the log tells what was asked.
    fn answer(&mut self, member: &str, titles: &[&str]) {
        for title in titles {
            self.said(member, SessionEvent::Line(format!("{title} done")));
        }
    }

    fn open(&mut self, member: &str) {
        self.said(member, SessionEvent::Opened);
        self.answer(member, &["prepare", "hold"]);
    }

    fn done(&mut self, part: &str) {
        let outcome = Outcome::default().with("snapshot_handle", part);
        self.event(Event::CutDone(part.to_owned(), outcome));
    }

    fn ended(&mut self, member: &str, code: i32) {
        self.said(member, SessionEvent::Ended(Ending::Exited(code)));
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.event(Event::Tick);
    }

    fn failure(&self) -> &Problem {
        match &self.end {
            Some(Err(problem)) => problem,
            other => panic!("no failure: {other:?}"),
        }
    }
}

#[test]
fn all_hold_before_the_first_cut_and_what_freezes_is_held_last_and_let_go_last() {
    let mut scene = Scene::new(capture(
        vec![hold("a", true), hold("b", false), hold("c", true)],
        &["x", "y"],
    ));
    scene.open("b");
    scene.open("c");
    scene.open("a");
    scene.done("y");
    scene.done("x");
    for member in ["b", "a", "c"] {
        scene.answer(member, &["prove", "release"]);
        scene.ended(member, 0);
    }
    let expected = "open b, b: prepare, b: hold, open a, open c, c: prepare, c: hold, a: prepare, a: hold, \
                    cut x y, b: prove, b: release, close b, a: prove, c: prove, a: release, close a, \
                    c: release, close c, captured";
    assert_eq!(scene.log.join(", "), expected);
    let Some(Ok(captured)) = scene.end else {
        panic!("not captured");
    };
    assert_eq!(captured.barrier_milliseconds, 30, "c held 30 ms before a");
    // Two cuts and, one after the other, the proofs up to the last release that is said.
    assert_eq!(captured.held_milliseconds, 90);
    assert_eq!(captured.cuts.len(), 2);
    assert!(captured.holds["a"].held <= captured.cuts["x"].asked);
    assert!(captured.holds["a"].released >= captured.cuts["x"].seen);
    let again = Captured::of(&captured.outcome()).unwrap();
    assert_eq!(again, captured);
}

#[test]
fn what_was_kept_for_late_parts_is_proven_once_they_are_cut() {
    for lost in [false, true] {
        let mut slotted = hold("a", false);
        slotted.late_parts = vec!["wal".to_owned()];
        slotted.prove_late = vec![statement("kept")];
        let mut scene = Scene::new(capture(vec![slotted], &["data", "wal"]));
        scene.open("a");
        scene.done("data");
        scene.answer("a", &["prove", "release"]);
        scene.event(Event::Kept);
        scene.done("wal");
        assert_eq!(scene.log.last().unwrap(), "a: kept");
        if lost {
            scene.ended("a", 3);
            assert_eq!(scene.failure().code, "hold-lost");
            continue;
        }
        scene.answer("a", &["kept"]);
        assert_eq!(scene.log.last().unwrap(), "close a");
        scene.ended("a", 0);
        assert!(matches!(scene.end, Some(Ok(_))));
    }
}

#[test]
fn what_comes_late_is_cut_only_after_the_proof_is_kept_and_the_session_stays_open_until_then() {
    let mut slotted = hold("a", false);
    slotted.late_parts = vec!["wal".to_owned()];
    let mut scene = Scene::new(capture(vec![slotted], &["data", "wal"]));
    scene.open("a");
    scene.done("data");
    scene.said("a", SessionEvent::Line("{\"label\":\"START\"}".to_owned()));
    scene.answer("a", &["prove", "release"]);
    assert!(
        scene
            .log
            .ends_with(&["a: release".to_owned(), "keep a".to_owned()])
    );
    scene.event(Event::Kept);
    assert_eq!(scene.log.last().unwrap(), "cut wal");
    scene.done("wal");
    assert_eq!(scene.log.last().unwrap(), "close a");
    scene.ended("a", 0);
    let Some(Ok(captured)) = scene.end else {
        panic!("not captured");
    };
    assert!(captured.cuts["wal"].late && !captured.cuts["data"].late);
    assert_eq!(captured.holds["a"].facts["label"], "START");
}

#[test]
fn sticky_holds_are_written_down_first() {
    let mut sticky = hold("a", true);
    sticky.sticky = Some(Undo {
        command: vec!["thaw".to_owned()],
        deadline_seconds: 10,
    });
    let mut scene = Scene::new(capture(vec![sticky], &["x"]));
    assert_eq!(scene.log, ["record a"]);
    scene.event(Event::Recorded);
    assert_eq!(scene.log, ["record a", "open a"]);
}

#[test]
fn without_holds_it_only_cuts() {
    let mut scene = Scene::new(capture(Vec::new(), &["x", "y"]));
    scene.done("x");
    scene.done("x");
    scene.done("y");
    assert_eq!(scene.log, ["cut x y", "captured"]);
}

/// A capture with two holds, brought to the point at which both hold and one of two cuts is there.
fn half_way() -> Scene {
    let mut scene = Scene::new(capture(vec![hold("a", true), hold("b", true)], &["x", "y"]));
    scene.open("a");
    scene.open("b");
    scene.done("x");
    scene.log.clear();
    scene
}

#[test]
fn a_lost_hold_throws_the_cuts_away_and_closes_the_others() {
    let mut scene = half_way();
    scene.said(
        "a",
        SessionEvent::ErrorLine("FATAL: terminating connection".to_owned()),
    );
    scene.ended("a", 2);
    assert_eq!(scene.log, ["stop cutting", "close b"]);
    scene.done("y");
    scene.ended("b", 0);
    assert_eq!(scene.failure().code, "hold-lost");
    assert!(scene.failure().message.contains("terminating connection"));
}

#[test]
fn a_hold_that_is_lost_between_the_last_cut_and_the_proof_does_not_count() {
    let mut scene = half_way();
    scene.done("y");
    assert_eq!(scene.log, ["a: prove", "b: prove"]);
    scene.answer("a", &["prove", "release"]);
    scene.ended("a", 0);
    scene.said(
        "b",
        SessionEvent::ErrorLine("no backup in progress".to_owned()),
    );
    scene.ended("b", 3);
    assert_eq!(scene.failure().code, "hold-lost");
    assert!(
        scene
            .failure()
            .message
            .contains("while it was being proven")
    );
}

#[test]
fn a_cut_that_fails_or_never_comes_lets_go() {
    let mut scene = half_way();
    let problem = Problem::stuck("snapshot-binding", "another's", "remove it");
    scene.event(Event::CutFailed("x".to_owned(), problem.clone()));
    assert!(scene.log.is_empty(), "x is there already");
    scene.event(Event::CutFailed("y".to_owned(), problem));
    assert_eq!(scene.log, ["stop cutting", "close a", "close b"]);
    scene.ended("a", 0);
    scene.ended("b", 0);
    assert_eq!(scene.failure().code, "snapshot-binding");

    let mut scene = half_way();
    scene.event(Event::CutWaits(
        "y".to_owned(),
        "y: the pool is full".to_owned(),
    ));
    scene.wait(20);
    assert_eq!(scene.log, ["stop cutting", "close a", "close b"]);
    scene.ended("a", 0);
    scene.ended("b", 0);
    assert_eq!(scene.failure().code, "hold-too-long");
    assert!(scene.failure().message.contains("the pool is full"));

    let mut scene = Scene::new(capture(vec![hold("a", false)], &["x"]));
    scene.open("a");
    scene.wait(59);
    assert_eq!(scene.log.last().unwrap(), "cut x", "it freezes nobody");
    scene.wait(1);
    scene.ended("a", 0);
    assert_eq!(scene.failure().code, "waiting-for-cut-timeout");
}

#[test]
fn every_wait_for_a_session_has_a_limit() {
    let mut unopened = Scene::new(capture(vec![hold("a", true)], &["x"]));
    unopened.wait(26);
    assert_eq!(unopened.log, ["open a", "close a"]);
    unopened.wait(11);
    assert_eq!(unopened.failure().code, "hold-unopened");

    let mut silent = Scene::new(capture(vec![hold("a", true)], &["x"]));
    silent.said("a", SessionEvent::Opened);
    silent.wait(4);
    silent.wait(11);
    assert_eq!(silent.failure().code, "hold-slow");
    assert!(silent.failure().message.contains("`prepare`"));

    let mut refused = Scene::new(capture(vec![hold("a", true)], &["x"]));
    refused.said("a", SessionEvent::Opened);
    refused.said(
        "a",
        SessionEvent::ErrorLine("too many connections".to_owned()),
    );
    refused.ended("a", 2);
    assert_eq!(refused.failure().code, "hold-refused");
    assert!(refused.failure().message.contains("too many connections"));
}

#[test]
fn being_stopped_lets_go_at_once() {
    let mut scene = half_way();
    let problem = Problem::stuck("interrupted", "by the user", "again");
    scene.event(Event::Abandon(problem.clone()));
    scene.event(Event::Abandon(Problem::stuck("later", "later", "later")));
    assert_eq!(scene.log, ["stop cutting", "close a", "close b"]);
    scene.ended("b", 0);
    scene.ended("a", 0);
    assert_eq!(*scene.failure(), problem);
}

/// Hostile orders of events: whatever comes when, it ends, closes what it opened, and counts only what was proven.
#[test]
fn whatever_happens_it_ends_and_leaves_no_session_open() {
    let mut captured = 0;
    for seed in 0..4000_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % limit
        };
        let mut holds = vec![hold("a", below(2) == 0), hold("b", below(2) == 0)];
        if below(2) == 0 {
            holds[0].late_parts = vec!["y".to_owned()];
        }
        let parts = ["x", "y", "z"];
        let mut scene = Scene::new(capture(holds, &parts));
        let clumsiness = below(4);
        for _ in 0..400 {
            if scene.end.is_some() {
                break;
            }
            hostile_event(&mut scene, &mut below, clumsiness);
        }
        for _ in 0..10 {
            if scene.end.is_none() {
                scene.wait(30);
            }
        }
        let log = scene.log.join(", ");
        let end = scene
            .end
            .as_ref()
            .unwrap_or_else(|| panic!("{seed}: no end: {log}"));
        assert!(!scene.machine.may_hold(), "{seed}: {log}");
        if let Ok(end) = end {
            captured += 1;
            assert_eq!(end.cuts.len(), parts.len(), "{seed}: {log}");
            for (part, cut) in &end.cuts {
                for hold in end.holds.values() {
                    assert!(
                        hold.held <= cut.asked,
                        "{seed}: {part} before a hold: {log}"
                    );
                    assert!(
                        cut.late || cut.seen <= hold.released,
                        "{seed}: {part} after a release: {log}"
                    );
                }
            }
            let opened: BTreeSet<_> = end.holds.keys().map(String::as_str).collect();
            assert_eq!(opened, BTreeSet::from(["a", "b"]));
        }
    }
    assert!(captured > 100, "only {captured} of them went well");
}

fn hostile_event(scene: &mut Scene, below: &mut impl FnMut(u64) -> u64, clumsiness: u64) {
    let member = if below(2) == 0 { "a" } else { "b" };
    let part = ["x", "y", "z"][usize::try_from(below(3)).unwrap()];
    // Mostly what a good world would say next; now and then anything.
    let odd = clumsiness > 0 && below(60) < clumsiness;
    if odd {
        match below(7) {
            0 => scene.ended(member, 1),
            1 => {
                let problem = Problem::stuck("cut", "no", "no");
                scene.event(Event::CutFailed(part.to_owned(), problem));
            }
            2 => scene.wait(3),
            3 => {
                scene.event(Event::Abandon(Problem::stuck("stop", "no", "no")));
            }
            4 => {
                scene.event(Event::Recorded);
            }
            5 => {
                scene.event(Event::Kept);
            }
            _ => scene.said(member, SessionEvent::Line("{".to_owned())),
        }
        return;
    }
    match below(4) {
        0 => {
            let closing = scene
                .log
                .iter()
                .any(|line| *line == format!("close {member}"));
            if closing {
                scene.ended(member, 0);
            } else {
                scene.said(member, SessionEvent::Opened);
            }
        }
        1 => {
            let asked = format!("{member}: ");
            let last = scene
                .log
                .iter()
                .rev()
                .find_map(|line| line.strip_prefix(&asked));
            if let Some(title) = last.map(str::to_owned) {
                scene.answer(member, &[&title]);
            }
        }
        2 => scene.done(part),
        _ => {
            if scene
                .log
                .last()
                .is_some_and(|line| line.starts_with("keep"))
            {
                scene.event(Event::Kept);
            }
        }
    }
}
