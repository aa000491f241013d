//! What a recovery waits for before it goes on: a custom resource's own status where it had one at its source, pods that cannot
//! be, and what it says of those waits.

use refloat_core::drive::Drive;
use refloat_core::driver::Outcome;
use refloat_core::run::{Record, Work};
use refloat_core::world::World;

use crate::recovery::{COMPLETED, Recovery, sealed};

const CACHE: &str = "Cache.shop.example.com shop/sessions";

fn outcome(recovery: &Recovery, of: &str) -> Outcome {
    let wanted = &format!("write {of}");
    let records = recovery.records.borrow();
    let found = records.iter().find_map(|record| match record {
        Record::Done { step, outcome, .. } if step == wanted => Some(outcome.clone()),
        _ => None,
    });
    found.expect("the step is done")
}

/// Takes the simulated operator away from the definition that is to be written.
fn without_operator(recovery: &mut Recovery) {
    for step in &mut recovery.plan.steps {
        if let Work::Write(writing) = &mut step.work
            && writing.resource.kind == "CustomResourceDefinition"
        {
            writing
                .object
                .edit(|it| it["metadata"]["annotations"] = serde_json::json!({}));
        }
    }
}

#[test]
fn a_resource_is_done_when_its_operator_says_that_it_is_ready() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    let told = outcome(&recovery, CACHE);
    assert!(told.text("uid").is_some());
    assert_eq!(told.text("assumed"), None);
    let cache = recovery.object("Cache", "sessions").unwrap();
    assert!(cache.pointer("/status/conditions").is_some());
}

#[test]
fn a_resource_whose_operator_stays_silent_is_waited_for_and_not_for_ever() {
    let mut recovery = Recovery::of(&sealed());
    without_operator(&mut recovery);
    let began = recovery.world.now();
    assert_eq!(recovery.drive(), COMPLETED);
    let told = outcome(&recovery, CACHE);
    assert_eq!(told.text("assumed"), Some("no-status"));
    assert!(
        told.text("assumedBecause")
            .is_some_and(|why| why.contains("shop/sessions")),
        "{told:?}"
    );
    let waited = recovery.world.now().duration_since(began);
    assert!(waited.as_secs() >= 30, "{waited}");
}

#[test]
fn a_wait_that_is_over_says_what_it_would_have_taken() {
    let mut recovery = Recovery::of(&sealed());
    without_operator(&mut recovery);
    for step in &mut recovery.plan.steps {
        step.limit_seconds = 20;
    }
    let Ok(Drive::Stuck(problem)) = recovery.drive() else {
        panic!("it is not stuck");
    };
    assert_eq!(problem.code, "no-status-timeout");
    assert!(
        problem.hint.contains("its operator runs and takes it up"),
        "{problem:?}"
    );
    assert!(
        problem.hint.contains("run the same command again"),
        "{problem:?}"
    );
}
