//! What is lost, fails, is late or is stopped: everything is let go of.

use super::{Scene, capture, hold};
use crate::capture::{Event, SessionEvent};
use crate::driver::Problem;

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
