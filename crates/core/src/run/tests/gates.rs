//! A user's gate whose time is over.

use serde_json::json;

use super::{NOBODY, began, moment, run_plan, step};
use crate::driver::{Answer, ObjectRef, Query, Seen, Verdict};
use crate::inventory::Resource;
use crate::probe::Probe;
use crate::readiness::user::{Check, Gating};
use crate::run::{Decision, Phase, Progress, Work, advance, first_queries};

/// What becomes of a gate that is asked by pods, none of which is there, after so many of its 100 seconds.
fn decision(waited: u64) -> Decision {
    let deployments = Resource::namespaced("apps/v1", "Deployment", "deployments");
    let asked = json!({ "host": "ledger.example.com", "ask": { "dns": {} } });
    let asked: Probe = serde_json::from_value(asked).unwrap();
    let mut gate = step("gate", Phase::Applications, &[]);
    gate.work = Work::Gate(Gating {
        name: "ledger".to_owned(),
        of: ObjectRef::namespaced(deployments, "shop", "web"),
        check: Check::Probe(Box::new(asked)),
    });
    let plan = run_plan(vec![gate]);
    let progress = Progress::of(&[began(0, "gate")]);
    let mut seen = Seen::default();
    let mut queries = first_queries(&plan, &plan.steps[0], &progress, NOBODY);
    loop {
        for query in queries {
            assert!(!seen.has(&query), "{query:?} for ever");
            let answer = match &query {
                Query::Object(_) => Answer::Object(None),
                other => panic!("{other:?}"),
            };
            seen.insert(query, answer);
        }
        let moment = moment(waited);
        match advance(
            &plan,
            &plan.steps[0],
            &progress,
            NOBODY,
            &seen,
            None,
            moment,
        ) {
            Decision::Verdict(Verdict::Look(more)) => queries = more,
            decision => return decision,
        }
    }
}

#[test]
fn one_that_nobody_has_answered_says_so() {
    let acts = decision(100);
    assert!(
        matches!(acts, Decision::Verdict(Verdict::Act(_))),
        "{acts:?}"
    );
    let Decision::Overdue(problem) = decision(101) else {
        panic!("it asks for ever");
    };
    assert_eq!(problem.code, "gate-closed-timeout");
    for word in [
        "(limit 100 s)",
        "has not answered yet",
        "still has to create",
    ] {
        assert!(problem.message.contains(word), "{problem:?}");
    }
    for word in [
        "a limit that one try by a pod fits in",
        "`--skip-gate ledger`",
    ] {
        assert!(problem.hint.contains(word), "{problem:?}");
    }
}
