//! The machine, event by event; and what holds for every order of events.

mod any_order;
mod failures;
mod order;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Beat, Capture, Captured, Cut, Ending, Event, Hold, Limits, Machine, SessionEvent,
    SessionOrder, Statement, Until,
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
