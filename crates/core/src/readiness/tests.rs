//! Gates as tables: what was seen, and whether the gate is open.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Gate, assess, look};
use crate::driver::{Answer, ListRequest, Query, Seen};
use crate::inventory::Resource;

fn resource(group_version: &str, kind: &str) -> Resource {
    Resource::namespaced(group_version, kind, "plural")
}

fn verdict(group_version: &str, kind: &str, live: &Value, seen: &Seen) -> &'static str {
    match assess(&resource(group_version, kind), live, seen) {
        Gate::Open => "open",
        Gate::Closed(_) => "closed",
        Gate::Failed(_) => "failed",
    }
}

fn conditions(pairs: &[(&str, &str)]) -> Value {
    let all: Vec<Value> = pairs
        .iter()
        .map(|(kind, status)| json!({ "type": kind, "status": status, "message": "why" }))
        .collect();
    json!({ "metadata": { "name": "x" }, "status": { "conditions": all } })
}

type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn conditions_decide_definitions_jobs_and_custom_resources() {
    let seen = Seen::default();
    let crd = "apiextensions.k8s.io/v1";
    let cases: &[Case<'_>] = &[
        (crd, "CustomResourceDefinition", &[], "closed"),
        (
            crd,
            "CustomResourceDefinition",
            &[("NamesAccepted", "True")],
            "closed",
        ),
        (
            crd,
            "CustomResourceDefinition",
            &[("NamesAccepted", "True"), ("Established", "True")],
            "open",
        ),
        (
            crd,
            "CustomResourceDefinition",
            &[("NamesAccepted", "False")],
            "failed",
        ),
        ("batch/v1", "Job", &[], "closed"),
        ("batch/v1", "Job", &[("Complete", "True")], "open"),
        ("batch/v1", "Job", &[("Failed", "True")], "failed"),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            &[("Available", "False")],
            "closed",
        ),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            &[("Available", "True")],
            "open",
        ),
        (
            "shop.example.com/v1",
            "Campaign",
            &[("Ready", "False")],
            "closed",
        ),
        (
            "shop.example.com/v1",
            "Campaign",
            &[("Ready", "True")],
            "open",
        ),
        ("shop.example.com/v1", "Campaign", &[], "open"),
        ("v1", "Pod", &[("Ready", "True")], "open"),
        ("v1", "Pod", &[("Ready", "False")], "closed"),
        ("v1", "Pod", &[("PodScheduled", "False")], "closed"),
    ];
    for (group_version, kind, pairs, expected) in cases {
        let live = conditions(pairs);
        assert_eq!(
            verdict(group_version, kind, &live, &seen),
            *expected,
            "{kind} {pairs:?}"
        );
    }
}

fn workload(status: &Value) -> Value {
    json!({
        "metadata": { "name": "db", "namespace": "shop", "generation": 2 },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "db" } } },
        "status": status,
    })
}

fn with_pod(pod: Value) -> Seen {
    let mut seen = Seen::default();
    let request = ListRequest {
        resource: Resource::namespaced("v1", "Pod", "pods"),
        namespace: Some("shop".to_owned()),
        labels: BTreeMap::from([("app".to_owned(), "db".to_owned())]),
    };
    seen.insert(Query::List(request), Answer::List(vec![pod]));
    seen
}

fn waiting(reason: &str, restarts: u64) -> Seen {
    with_pod(json!({
        "metadata": { "name": "db-0" },
        "status": { "containerStatuses": [{
            "name": "c", "restartCount": restarts, "state": { "waiting": { "reason": reason } },
        }] },
    }))
}

#[test]
fn a_workload_is_ready_when_its_controller_has_seen_it_and_its_pods_are() {
    let seen = Seen::default();
    let good = json!({
        "observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
        "availableReplicas": 1, "currentRevision": "a", "updateRevision": "a",
    });
    for kind in ["Deployment", "StatefulSet", "ReplicaSet"] {
        assert_eq!(
            verdict("apps/v1", kind, &workload(&good), &seen),
            "open",
            "{kind}"
        );
        let mut stale = good.clone();
        stale["observedGeneration"] = json!(1);
        assert_eq!(
            verdict("apps/v1", kind, &workload(&stale), &seen),
            "closed",
            "{kind}"
        );
        let mut down = good.clone();
        down["readyReplicas"] = json!(0);
        down["availableReplicas"] = json!(0);
        assert_eq!(
            verdict("apps/v1", kind, &workload(&down), &seen),
            "closed",
            "{kind}"
        );
        assert_eq!(
            verdict("apps/v1", kind, &workload(&json!({})), &seen),
            "closed",
            "{kind}"
        );
    }
    let mut updating = good;
    updating["updateRevision"] = json!("b");
    assert_eq!(
        verdict("apps/v1", "StatefulSet", &workload(&updating), &seen),
        "closed"
    );
}

#[test]
fn what_never_passes_fails_at_once_and_what_may_pass_waits() {
    let down = workload(&json!({ "observedGeneration": 2 }));
    let cases = [
        ("ErrImageNeverPull", 0, "failed"),
        ("ImagePullBackOff", 0, "failed"),
        ("CrashLoopBackOff", 2, "closed"),
        ("CrashLoopBackOff", 8, "failed"),
        ("ContainerCreating", 0, "closed"),
        ("CreateContainerConfigError", 0, "closed"),
    ];
    for (reason, restarts, expected) in cases {
        let seen = waiting(reason, restarts);
        assert_eq!(
            verdict("apps/v1", "StatefulSet", &down, &seen),
            expected,
            "{reason}"
        );
    }
}

#[test]
fn a_namespace_waits_for_its_default_account() {
    let live = json!({ "metadata": { "name": "shop" }, "status": { "phase": "Active" } });
    let resource = Resource::cluster("v1", "Namespace", "namespaces");
    let query = look(&resource, &live).remove(0);
    for (answer, open) in [(None, false), (Some(json!({})), true)] {
        let mut seen = Seen::default();
        seen.insert(query.clone(), Answer::Object(answer));
        assert_eq!(assess(&resource, &live, &seen) == Gate::Open, open);
    }
}

#[test]
fn a_load_balancer_waits_for_its_address_and_a_claim_for_its_volume() {
    let seen = Seen::default();
    let service = |status: Value| json!({ "spec": { "type": "LoadBalancer" }, "status": status });
    assert_eq!(
        verdict("v1", "Service", &service(json!({})), &seen),
        "closed"
    );
    let with = service(json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } }));
    assert_eq!(verdict("v1", "Service", &with, &seen), "open");
    for (phase, expected) in [("Bound", "open"), ("Pending", "closed"), ("Lost", "failed")] {
        let claim = json!({ "status": { "phase": phase } });
        assert_eq!(
            verdict("v1", "PersistentVolumeClaim", &claim, &seen),
            expected
        );
    }
}
