//! What users write and what it becomes, and when a gate is open.

mod commands;
mod conditions;
mod reading;

use std::time::Duration;

use serde_json::{Value, json};

use super::{GATE_SECONDS, GateTask, Gating, UserGate};
use crate::driver::{Answer, ObjectRef, Query, Seen, Verdict};
use crate::inventory::{Resource, ThingId};
use crate::names::RunId;
use crate::readiness::Clock;

fn deployments() -> Resource {
    Resource::namespaced("apps/v1", "Deployment", "deployments")
}

fn gate(check: Value) -> UserGate {
    UserGate {
        name: "ready".to_owned(),
        of: ThingId::namespaced("apps", "Deployment", "shop", "web"),
        seconds_max: GATE_SECONDS,
        check,
    }
}

fn gating(check: Value) -> Gating {
    Gating {
        name: "ready".to_owned(),
        of: ObjectRef::namespaced(deployments(), "shop", "web"),
        check: gate(check).check().unwrap(),
    }
}

fn decide(gating: &Gating, seen: &Seen) -> Verdict {
    let run = RunId::new("restore-1").unwrap();
    let task = GateTask {
        run: &run,
        step: "gate ready",
        attempt: 0,
        image: "refloat",
        ran: None,
    };
    let clock = Clock {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        waited: Duration::ZERO,
    };
    gating.decide(&task, seen, clock)
}

fn seen(live: Value) -> Seen {
    let mut seen = Seen::default();
    let web = ObjectRef::namespaced(deployments(), "shop", "web");
    seen.insert(Query::Object(web), Answer::Object(Some(live)));
    seen
}

fn web() -> Value {
    json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "u" },
        "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } } }, "status": { "readyReplicas": 1 },
    })
}
