//! What comes before what when everything goes well: holds, cuts, proofs, releases.

use super::{Scene, capture, hold, statement};
use crate::capture::{Captured, Event, SessionEvent, Undo};

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
