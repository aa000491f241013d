//! How long a plan is said to take, and what that rests on.

use jiff::Timestamp;

use crate::driver::Outcome;
use crate::plan::tests::fixture::{case, part};
use crate::plan::{Around, Moves};
use crate::recovery::{Direction as Way, Filling};
use crate::run::{Phase, Progress, Record, RunKind, RunPlan, Step, Work};

/// A backup's plan and journal: each part moved in so many seconds.
fn moved(seconds: &[(&str, i64)]) -> (RunPlan, Progress) {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let steps: Vec<Step> = seconds
        .iter()
        .map(|(id, _)| Step {
            id: format!("move {id}"),
            phase: Phase::Move,
            title: String::new(),
            needs: crate::run::Needs::default(),
            work: Work::Fill(Filling {
                direction: Way::Backup,
                part: (*id).to_owned(),
                claim_spec: None,
                snapshot: None,
                tree: None,
                bytes: None,
            }),
            limit_seconds: 600,
            cleanup: false,
        })
        .collect();
    let records = seconds.iter().flat_map(|(id, took)| {
        let step = format!("move {id}");
        [
            Record::Began {
                at: at(100),
                step: step.clone(),
            },
            Record::Done {
                at: at(100 + took),
                step,
                outcome: Outcome::default(),
            },
        ]
    });
    let records: Vec<Record> = records.collect();
    let plan = RunPlan {
        kind: RunKind::Backup,
        run: crate::names::RunId::new("backup-1").unwrap(),
        protection: crate::names::ProtectionName::new("shop").unwrap(),
        site: crate::names::SiteName::new("primary").unwrap(),
        point: None,
        mover_image: String::new(),
        steps,
    };
    (plan, Progress::of(&records))
}

#[test]
fn an_estimate_rests_on_what_the_backup_measured_and_says_so() {
    const MIB: u64 = 1024 * 1024;
    let mut case = case();
    case.point.parts.push(part("shop/more"));
    case.point.parts[1].bytes = 100 * MIB;
    let planned = case.plan().unwrap();
    let seconds = |around: &Around, id: &str| {
        let view = planned.view(around);
        let explained = view.explain_one(view.find(id).unwrap());
        explained.estimated_seconds
    };
    let mut around = Around::default();
    assert!((seconds(&around, "fill shop/data-db-0") - 6.0).abs() < 0.01);
    let (plan, progress) = moved(&[("shop/data-db-0", 25), ("shop/old", 7)]);
    // `shop/old` was in the vault already: how long it took says nothing.
    let parts = [
        ("shop/data-db-0", 50 * MIB, 50 * MIB),
        ("shop/old", 900 * MIB, 10),
    ];
    around.moves = Moves::measured(&plan, &progress, parts);
    assert!((seconds(&around, "fill shop/data-db-0") - 25.0).abs() < 0.01);
    assert!(
        (seconds(&around, "fill shop/more") - 50.0).abs() < 0.01,
        "2 MiB/s"
    );
    let view = planned.view(&around);
    let estimate = view.estimate();
    assert!(
        estimate.basis[0].contains("backup-1"),
        "{:?}",
        estimate.basis
    );
    assert!(
        estimate.basis[0].contains("2.0 MiB/s"),
        "{:?}",
        estimate.basis
    );
    assert_eq!(
        estimate.chain.first().map(String::as_str),
        Some("system-namespace")
    );
    assert!(estimate.chain.contains(&"fill shop/data-db-0".to_owned()));
    assert!(
        estimate.seconds > 25.0 && estimate.seconds < 120.0,
        "{estimate:?}"
    );
    around.moves = Moves::measured(&plan, &progress, [("shop/old", 900 * MIB, 10)]);
    let basis = planned.view(&around).estimate().basis;
    assert!(basis[0].contains("assumed"), "{basis:?}");
}
