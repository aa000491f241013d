//! Objects and answers of any shape: a gate says something about each, and never panics.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::known::FAMILIES;
use super::super::{Clock, Told, View, assess, deleting, look, told};
use super::{now, waited};
use crate::driver::{Answer, Class, Problem, Query, Seen};
use crate::inventory::Resource;

/// Keys that gates look for, so that arbitrary objects are not merely empty to them.
const KEYS: &[&str] = &[
    "metadata",
    "spec",
    "status",
    "conditions",
    "type",
    "reason",
    "message",
    "phase",
    "state",
    "name",
    "namespace",
    "generation",
    "observedGeneration",
    "replicas",
    "selector",
    "matchLabels",
    "matchExpressions",
    "containerStatuses",
    "waiting",
    "lastState",
    "terminated",
    "restartCount",
    "webhooks",
    "clientConfig",
    "service",
    "endpoints",
    "parents",
    "connectors",
    "tasks",
    "loadBalancer",
    "ingress",
    "storageClassName",
    "volumeName",
    "claimRef",
    "uid",
    "drivers",
    "provisioner",
    "lastTransitionTime",
    "deletionTimestamp",
    "finalizers",
    "conversion",
    "strategy",
    "webhook",
    "error",
    "involvedObject",
    "labels",
    "operator",
    "values",
];
const WORDS: &[&str] = &[
    "",
    "True",
    "False",
    "Ready",
    "Available",
    "Progressing",
    "ImagePullBackOff",
    "CrashLoopBackOff",
    "Bound",
    "Pending",
    "PodScheduled",
    "LoadBalancer",
    "Webhook",
    "2026-01-01T00:00:00Z",
    "-9999-01-01T00:00:00Z",
    "99999999999999999999",
    "\u{0}",
    "ä\n☃",
    "app",
    "db",
];

fn kinds() -> Vec<(String, String)> {
    let mut kinds: Vec<(String, String)> = [
        ("v1", "Namespace"),
        ("v1", "Pod"),
        ("v1", "PersistentVolumeClaim"),
        ("v1", "PersistentVolume"),
        ("v1", "Service"),
        ("v1", "ReplicationController"),
        ("v1", "ConfigMap"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("networking.k8s.io/v1", "Ingress"),
        ("storage.k8s.io/v1", "StorageClass"),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io/v1", "APIService"),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
        ),
        ("shop.example.com/v1", "Campaign"),
    ]
    .map(|(group_version, kind)| (group_version.to_owned(), kind.to_owned()))
    .to_vec();
    for rule in FAMILIES.iter().flat_map(|(_, rules)| rules.iter()) {
        for kind in rule.kinds {
            kinds.push((format!("{}/v1", rule.group), (*kind).to_owned()));
        }
    }
    kinds
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(WORDS).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(KEYS), inner), 0..8).prop_map(
                |all| {
                    let fields: Map<String, Value> = all
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect();
                    Value::Object(fields)
                }
            ),
        ]
    })
}

/// An object with its outer shape in place, which arbitrary ones seldom have.
fn object() -> impl Strategy<Value = Value> {
    (value(), value(), value(), value()).prop_map(|(metadata, spec, status, other)| {
        let mut object =
            json!({ "metadata": metadata, "spec": spec, "status": status, "webhooks": other });
        if let Some(fields) = object["metadata"].as_object_mut() {
            fields.insert("namespace".to_owned(), json!("shop"));
        }
        object
    })
}

fn answered(query: Query, fuel: &Value) -> (Query, Answer) {
    let answer = match &query {
        Query::Object(_) => Answer::Object(Some(fuel.clone())),
        Query::List(_) => Answer::List(vec![fuel.clone(), Value::Null, fuel.clone()]),
        Query::Exec(_) | Query::Log(_) => Answer::Log(String::new()),
        Query::Served(_) | Query::Rehearsal(_) => Answer::Yes,
    };
    (query, answer)
}

/// Looks as often as it wants, then judges. The number of rounds is bounded by the engine.
fn run(kind: &(String, String), live: &Value, fuel: &Value, clock: Clock) -> usize {
    let resource = Resource::namespaced(&kind.0, &kind.1, "plural");
    let mut seen = Seen::default();
    for round in 0.. {
        let view = View {
            resource: &resource,
            live,
            told: &told(fuel),
            seen: &seen,
            clock,
            duty: None,
        };
        let queries = look(&view);
        if queries.is_empty() {
            let _gate = assess(&view);
            let _going = deleting(&view);
            return round;
        }
        let fresh: Vec<_> = queries
            .into_iter()
            .map(|query| answered(query, fuel))
            .collect();
        for (query, answer) in fresh {
            seen.insert(query, answer);
        }
    }
    unreachable!("the rounds are counted without end")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_is_judged_within_the_rounds_of_the_engine(
        kind in proptest::sample::select(kinds()),
        live in prop_oneof![object(), value()],
        fuel in prop_oneof![object(), value()],
        seconds in prop_oneof![Just(0i64), Just(5), Just(100_000), -1000i64..1000],
    ) {
        let rounds = run(&kind, &live, &fuel, waited(seconds));
        prop_assert!(rounds <= 2, "{} rounds for {:?}", rounds, kind);
    }
}

#[test]
fn huge_lists_and_lines_are_read_in_their_stride() {
    let conditions: Vec<Value> = (0..2_000)
        .map(|number| json!({ "type": format!("T{number}"), "status": "x".repeat(100) }))
        .collect();
    let live = json!({
        "metadata": { "name": "x", "namespace": "shop" },
        "status": { "conditions": conditions, "phase": "y ".repeat(20_000) },
    });
    for kind in kinds() {
        run(&kind, &live, &live, waited(1000));
    }
    let resource = Resource::namespaced("postgresql.cnpg.io/v1", "Cluster", "clusters");
    let view = View {
        resource: &resource,
        live: &live,
        told: &Told::default(),
        seen: &Seen::default(),
        clock: waited(0),
        duty: None,
    };
    let super::Gate::Closed(why) = assess(&view) else {
        panic!("it is not ready");
    };
    assert!(why.message.len() < 1000, "{}", why.message.len());
}

#[test]
fn what_may_not_be_read_is_assumed_in_the_end_and_holds_nothing_back() {
    let denied = Problem::of(Class::Stuck, "forbidden", "not allowed", "grant it");
    let cases = [
        (
            "v1",
            "Namespace",
            json!({ "status": { "phase": "Active" } }),
        ),
        (
            "apps/v1",
            "StatefulSet",
            super::workload(&super::rolled_out()),
        ),
        (
            "storage.k8s.io/v1",
            "StorageClass",
            json!({ "provisioner": "x" }),
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            json!({ "spec": { "volumeName": "v" }, "status": { "phase": "Bound" } }),
        ),
    ];
    for (group_version, kind, live) in cases {
        let resource = Resource::namespaced(group_version, kind, "plural");
        let mut seen = Seen::default();
        let clock = Clock {
            now: now(),
            waited: std::time::Duration::from_secs(20),
        };
        let view = View {
            resource: &resource,
            live: &live,
            told: &Told::default(),
            seen: &seen,
            clock,
            duty: None,
        };
        for query in look(&view) {
            seen.insert(query, Answer::Refused(denied.clone()));
        }
        let view = View {
            resource: &resource,
            live: &live,
            told: &Told::default(),
            seen: &seen,
            clock,
            duty: None,
        };
        let says = assess(&view);
        assert!(matches!(says, super::Gate::Assumed(_)), "{kind}: {says:?}");
    }
}
