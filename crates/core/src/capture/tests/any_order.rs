//! What holds for every order of events.

use std::collections::BTreeSet;

use super::{Scene, capture, hold};
use crate::capture::{Event, SessionEvent};
use crate::driver::Problem;

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
