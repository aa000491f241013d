//! Gates of a user's own in a simulated recovery: what they hold back, how one that stays closed ends, and how a person goes on.

use jiff::Timestamp;
use refloat_core::drive::Drive;
use refloat_core::driver::Outcome;
use refloat_core::inventory::ThingId;
use refloat_core::probe::{Cause, ProbeAnswer};
use refloat_core::readiness::user::UserGate;
use refloat_core::run::Record;
use refloat_core::world::World;
use serde_json::{Value, json};

use crate::recovery::{COMPLETED, Recovery, sealed};

fn gated(check: Value) -> Recovery {
    let mut sealed = sealed();
    sealed.point.gates.push(UserGate {
        name: "ledger".to_owned(),
        of: ThingId::namespaced("apps", "StatefulSet", "shop", "db"),
        seconds_max: 60,
        check,
    });
    Recovery::of(&sealed)
}

/// When a step was done, among all records.
fn done(recovery: &Recovery, id: &str) -> Option<usize> {
    let is = |record: &Record| matches!(record, Record::Done { step, .. } if step == id);
    recovery.records.borrow().iter().position(is)
}

fn began(recovery: &Recovery, id: &str) -> Option<usize> {
    let is = |record: &Record| matches!(record, Record::Began { step, .. } if step == id);
    recovery.records.borrow().iter().position(is)
}

#[test]
fn what_needs_the_database_begins_after_its_gates() {
    for check in [
        json!({ "cel": "object.status.readyReplicas == object.spec.replicas" }),
        json!({ "exec": { "command": [refloat_testkit::sim::WARM] } }),
    ] {
        let recovery = gated(check.clone());
        assert_eq!(recovery.drive(), COMPLETED, "{check}");
        let gate = done(&recovery, "gate ledger").expect("the gate is a step");
        let web = began(&recovery, "write Deployment.apps shop/web").expect("it comes back");
        let ready = done(&recovery, "ready shop/db").expect("the database is asked");
        assert!(ready < gate && gate < web, "{check}: {ready} {gate} {web}");
    }
}

/// Each try is a pod that is made, heard and removed: that is no progress.
#[test]
fn a_gate_that_is_asked_by_pods_in_vain_is_stuck_within_its_limit() {
    let recovery = gated(json!({ "http": { "service": "db", "contains": "open" } }));
    recovery.world.with_store(|store| {
        store.probe_answer = ProbeAnswer::no(Cause::OtherAnswer, "it is shut", 1);
    });
    let Ok(Drive::Stuck(problem)) = recovery.drive() else {
        panic!("it is not stuck");
    };
    let words = ["gate ledger of StatefulSet.apps shop/db", "it is shut"];
    for word in words {
        assert!(problem.message.contains(word), "{problem:?}");
    }
    assert!(problem.hint.contains("`--skip-gate ledger`"), "{problem:?}");
    let records = recovery.records.borrow();
    let at = |wanted: fn(&Record) -> Option<Timestamp>| records.iter().find_map(wanted).unwrap();
    let began = at(|record| match record {
        Record::Began { at, step } if step == "gate ledger" => Some(*at),
        _ => None,
    });
    let stuck = at(|record| match record {
        Record::Stuck { at, .. } => Some(*at),
        _ => None,
    });
    let took = stuck.duration_since(began).as_secs();
    assert!((60..70).contains(&took), "after {took} s");
}

#[test]
fn a_gate_that_stays_closed_is_stuck_with_its_why_and_skipped_the_recovery_goes_on() {
    let recovery = gated(json!({ "cel": "object.status.readyReplicas == 7" }));
    let Ok(Drive::Stuck(problem)) = recovery.drive() else {
        panic!("it is not stuck");
    };
    assert_eq!(problem.code, "gate-closed-timeout");
    for word in [
        "gate ledger of StatefulSet.apps shop/db",
        "limit 60 s",
        "is false: 1 == 7",
    ] {
        assert!(problem.message.contains(word), "{}", problem.message);
    }
    assert!(
        problem.hint.contains("`--skip-gate ledger`"),
        "{}",
        problem.hint
    );
    assert_eq!(began(&recovery, "write Deployment.apps shop/web"), None);
    // As `recover --skip-gate` writes it.
    let skipped = Record::Done {
        at: recovery.world.now(),
        step: "gate ledger".to_owned(),
        outcome: Outcome::default().with("skipped", true),
    };
    recovery.records.borrow_mut().push(skipped);
    assert_eq!(recovery.resume(), COMPLETED);
    assert!(done(&recovery, "write Deployment.apps shop/web").is_some());
}
