//! A user's gate whose time is over.

use serde_json::{Value, json};

use super::{NOBODY, began, moment, run_plan, step};
use crate::driver::{Answer, Effect, ObjectRef, Outcome, Query, Seen, Verdict};
use crate::inventory::Resource;
use crate::probe::Probe;
use crate::readiness::user::{Check, Gating};
use crate::run::{Decision, Phase, Progress, Work, advance, first_queries};

/// What becomes of a gate that is asked by pods, none of which is there, after so many of its 100 seconds.
fn decision(waited: u64) -> Decision {
    with(waited, None, None)
}

/// The same with its pod, and with what the last one brought.
fn with(waited: u64, pod: Option<&Value>, ran: Option<&Outcome>) -> Decision {
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
                Query::Object(object) if object.resource.kind == "Pod" => {
                    Answer::Object(pod.cloned())
                }
                Query::Object(_) => Answer::Object(None),
                other => panic!("{other:?}"),
            };
            seen.insert(query, answer);
        }
        let moment = moment(waited);
        match advance(&plan, &plan.steps[0], &progress, NOBODY, &seen, ran, moment) {
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

#[test]
fn a_question_that_is_asked_when_its_time_is_over_is_answered_first() {
    let pod = |status: Value| {
        let annotations = json!({ "refloat.io/attempt": "0" });
        json!({ "metadata": { "uid": "a", "annotations": annotations }, "status": status })
    };
    let asking = pod(json!({ "phase": "Running" }));
    let mut going = asking.clone();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    for (pod, code) in [(&asking, "probe-asking"), (&going, "probe-going")] {
        let waits = with(101, Some(pod), None);
        let is_waiting =
            matches!(&waits, Decision::Verdict(Verdict::Wait(why)) if why.code == code);
        assert!(is_waiting, "{waits:?}");
        let over = with(161, Some(pod), None);
        let is_over = matches!(&over, Decision::Overdue(problem) if problem.code.starts_with(code));
        assert!(is_over, "{over:?}");
    }
    let answer = json!({ "no": { "cause": "name-unknown", "said": "nobody of this name", "milliseconds": 3 } });
    let terminated = json!({ "terminated": { "message": answer.to_string() } });
    let status = json!({ "phase": "Succeeded", "containerStatuses": [{ "name": "probe", "state": terminated }] });
    let Decision::Verdict(Verdict::Act(effects)) = with(150, Some(&pod(status.clone())), None)
    else {
        panic!("the pod stays");
    };
    let [Effect::Delete { .. }, Effect::Keep(kept)] = &effects[..] else {
        panic!("{effects:?}");
    };
    let Decision::Overdue(problem) = with(151, None, Some(kept)) else {
        panic!("it asks for ever");
    };
    assert!(
        problem.message.contains("nobody of this name"),
        "{problem:?}"
    );
    let over = with(161, Some(&pod(status)), None);
    assert!(matches!(over, Decision::Overdue(_)), "{over:?}");
}

/// Only who asks is let go on when its time is over: what is to be deleted to make room stays.
#[test]
fn a_deletion_of_a_step_that_writes_is_overdue_with_its_step() {
    let maps = json!({ "group": "", "version": "v1", "kind": "ConfigMap", "plural": "configmaps", "namespaced": true });
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "shop", "uid": "b" } });
    let writing = json!({
        "resource": maps, "object": object, "owner": { "manager": "helm", "apply": false }, "existing": "replace", "adopt": false,
    });
    let mut write = step("write", Phase::Applications, &[]);
    write.work = Work::Write(serde_json::from_value(writing).unwrap());
    let plan = run_plan(vec![write]);
    let progress = Progress::of(&[began(0, "write")]);
    let mut seen = Seen::default();
    for query in first_queries(&plan, &plan.steps[0], &progress, NOBODY) {
        seen.insert(query, Answer::Object(Some(object.clone())));
    }
    let at = |waited| {
        let moment = moment(waited);
        advance(
            &plan,
            &plan.steps[0],
            &progress,
            NOBODY,
            &seen,
            None,
            moment,
        )
    };
    let acts = at(100);
    let Decision::Verdict(Verdict::Act(effects)) = &acts else {
        panic!("{acts:?}");
    };
    assert!(
        matches!(effects[..], [Effect::Delete { .. }]),
        "{effects:?}"
    );
    let over = at(101);
    assert!(matches!(over, Decision::Overdue(_)), "{over:?}");
}
