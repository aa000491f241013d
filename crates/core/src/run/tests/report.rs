//! What a run took, on a journal made by hand.

use super::{at, began, done, intent, plan};
use crate::run::{Progress, Record, Report};

/// a 0–10, then b 10–70 with its last act at 30, beside d 10–20, then c 70–100.
fn journal() -> Vec<Record> {
    vec![
        Record::Started {
            at: at(0),
            plan: std::sync::Arc::new(plan()),
            evidence: None,
        },
        began(0, "a"),
        intent(0, "a", "create"),
        done(10, "a"),
        began(10, "b"),
        began(10, "d"),
        intent(11, "b", "create"),
        done(20, "d"),
        intent(30, "b", "patch"),
        done(70, "b"),
        began(70, "c"),
        done(100, "c"),
    ]
}

#[test]
fn the_critical_path_follows_what_was_done_last() {
    let report = Report::of(&plan(), &Progress::of(&journal()));
    assert_eq!(report.started, Some(at(0)));
    assert_eq!(report.ended, Some(at(100)));
    assert!((report.seconds - 100.0).abs() < 1e-9, "{}", report.seconds);
    let path: Vec<(&str, f64, f64)> = report
        .critical_path
        .iter()
        .map(|one| (one.step.as_str(), one.seconds, one.gate_seconds))
        .collect();
    let wanted = [("a", 10.0, 10.0), ("b", 60.0, 40.0), ("c", 30.0, 30.0)];
    assert_eq!(path, wanted);
    let longest: Vec<&str> = report.steps.iter().map(|one| one.step.as_str()).collect();
    assert_eq!(longest[..2], ["b", "c"]);
    assert_eq!(longest.len(), 4);
}

#[test]
fn phases_last_from_their_first_beginning_to_their_last_end() {
    let report = Report::of(&plan(), &Progress::of(&journal()));
    let phases: Vec<(&str, usize, f64)> = report
        .phases
        .iter()
        .map(|one| (one.phase.as_str(), one.steps, one.seconds))
        .collect();
    let wanted = [
        ("0 guard", 1, 10.0),
        ("4 storage", 2, 60.0),
        ("5 databases", 1, 30.0),
    ];
    assert_eq!(phases, wanted);
}

#[test]
fn a_run_that_did_nothing_took_nothing() {
    let report = Report::of(&plan(), &Progress::default());
    assert_eq!(report.ended, None);
    assert!(report.seconds.abs() < 1e-9);
    assert!(report.critical_path.is_empty() && report.phases.is_empty());
}
