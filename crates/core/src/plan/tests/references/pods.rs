//! What pods wait for: what they name, what makes it, the policies that select them.

use serde_json::{Value, json};

use super::{API, api};
use crate::plan::tests::ground::{drawn, expect, expect_none, object, planned, with, workload};
use crate::run::Confidence::{Certain, High};

#[test]
fn a_pod_waits_for_what_it_names_unless_optional() {
    let pod = json!({
        "priorityClassName": "urgent", "runtimeClassName": "sandbox",
        "imagePullSecrets": [{ "name": "pull" }],
        "volumes": [
            { "name": "a", "secret": { "secretName": "one" } },
            { "name": "b", "configMap": { "name": "two" } },
            { "name": "c", "projected": { "sources": [
                { "secret": { "name": "three" } }, { "configMap": { "name": "four", "optional": true } },
            ] } },
        ],
        "containers": [{
            "name": "x",
            "env": [{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "five", "key": "k" } } }],
            "envFrom": [{ "secretRef": { "name": "six", "optional": true } }],
        }],
    });
    let secret = |name: &str| object("Secret", &format!("shop/{name}"), json!({}));
    let map = |name: &str| object("ConfigMap", &format!("shop/{name}"), json!({}));
    let planned = planned([
        api(pod),
        secret("pull"),
        secret("one"),
        map("two"),
        secret("three"),
        map("four"),
        secret("five"),
        secret("six"),
        object("scheduling.k8s.io/v1 PriorityClass", "urgent", json!({})),
        object("node.k8s.io/v1 RuntimeClass", "sandbox", json!({})),
    ]);
    let spec = "Deployment.apps shop/api: spec.template.spec";
    for (on, field) in [
        (
            "PriorityClass.scheduling.k8s.io urgent",
            "priorityClassName",
        ),
        ("RuntimeClass.node.k8s.io sandbox", "runtimeClassName"),
        ("Secret shop/pull", "imagePullSecrets[0]"),
        ("Secret shop/one", "volumes[0].secret"),
        ("ConfigMap shop/two", "volumes[1].configMap"),
        (
            "Secret shop/three",
            "volumes[2].projected.sources[0].secret",
        ),
        (
            "Secret shop/five",
            "containers[0].env[KEY].valueFrom.secretKeyRef",
        ),
    ] {
        let rule = "REFERENCE_BEFORE_READER";
        expect(&planned, API, on, rule, Certain, &format!("{spec}.{field}"));
    }
    expect_none(&planned, API, "ConfigMap shop/four");
    expect_none(&planned, API, "Secret shop/six");
}

#[test]
fn a_pod_waits_for_what_makes_the_secret_that_it_reads() {
    let made = |name: &str, kind: &str, by: &str| {
        let owner = json!([{ "kind": kind, "name": by, "uid": format!("{kind}-shop-{by}") }]);
        object(
            "Secret",
            &format!("shop/{name}"),
            json!({ "owners": owner }),
        )
    };
    let reads = |name: &str| json!({ "containers": [{ "name": "x", "envFrom": [{ "secretRef": { "name": name } }] }] });
    let mut case = with([
        api(reads("main-app")),
        object(
            "postgresql.cnpg.io/v1 Cluster",
            "shop/main",
            json!({ "spec": {} }),
        ),
        made("main-app", "Cluster", "main"),
        object(
            "external-secrets.io/v1 ExternalSecret",
            "shop/access",
            json!({ "spec": {} }),
        ),
        made("access", "ExternalSecret", "access"),
        made("round", "Secret", "round"),
    ]);
    let mut db = case
        .objects
        .remove(&crate::plan::tests::fixture::database("db").thing)
        .unwrap();
    db.edit(|it| it["spec"]["template"]["spec"] = reads("access"));
    case.objects.insert(db);
    let planned = case.plan().unwrap();
    let rule = "REFERENCE_BEFORE_READER";
    let cluster = "Cluster.postgresql.cnpg.io shop/main";
    let evidence = "Deployment.apps shop/api: spec.template.spec.containers[0].envFrom[0].secretRef is made by Cluster.postgresql.cnpg.io shop/main";
    expect(&planned, API, cluster, rule, High, evidence);
    // Its database is known: it waits for no other.
    expect_none(&planned, API, "ready shop/db");
    // The guess that a resource may need a database gives way.
    let secret = "ExternalSecret.external-secrets.io shop/access";
    drawn(&planned, "StatefulSet.apps shop/db", secret, rule);
    expect_none(&planned, secret, "ready shop/db");
}

#[test]
fn pods_wait_for_the_policies_that_select_them_and_for_no_others() {
    let policy = |name: &str, selector: Value| {
        let spec = json!({ "spec": { "podSelector": selector } });
        object(
            "networking.k8s.io/v1 NetworkPolicy",
            &format!("shop/{name}"),
            spec,
        )
    };
    let budget = json!({ "spec": { "selector": { "matchLabels": { "app": "api" } } } });
    let planned = planned([
        api(json!({ "containers": [] })),
        policy("all", json!({})),
        policy("ours", json!({ "matchLabels": { "app": "api" } })),
        policy("others", json!({ "matchLabels": { "app": "web" } })),
        policy(
            "not-ours",
            json!({ "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["api"] }] }),
        ),
        policy(
            "unknown",
            json!({ "matchExpressions": [{ "key": "app", "operator": "Near" }] }),
        ),
        policy(
            "broken",
            json!({ "matchLabels": 7, "matchExpressions": [null, { "key": 3 }] }),
        ),
        policy("none", Value::Null),
        object("policy/v1 PodDisruptionBudget", "shop/api", budget),
    ]);
    let rule = "POLICY_BEFORE_PODS";
    let of = |name: &str| format!("NetworkPolicy.networking.k8s.io shop/{name}");
    for name in ["all", "ours"] {
        let evidence = format!("{}: spec.podSelector selects its pods", of(name));
        expect(&planned, API, &of(name), rule, Certain, &evidence);
    }
    for name in ["others", "not-ours", "unknown", "broken", "none"] {
        expect_none(&planned, API, &of(name));
    }
    drawn(&planned, API, "PodDisruptionBudget.policy shop/api", rule);
    drawn(&planned, "Deployment.apps shop/web", &of("not-ours"), rule);
}

#[test]
fn a_stateful_set_waits_for_its_service_though_it_selects_nothing() {
    let mut set = workload("apps/v1 StatefulSet", "ring", &json!({ "containers": [] }));
    set.edit(|it| it["spec"]["serviceName"] = json!("ring-peers"));
    let planned = planned([
        set,
        object(
            "Service",
            "shop/ring-peers",
            json!({ "spec": { "clusterIP": "None" } }),
        ),
    ]);
    let (step, on) = ("StatefulSet.apps shop/ring", "Service shop/ring-peers");
    let evidence = "StatefulSet.apps shop/ring: spec.serviceName";
    expect(
        &planned,
        step,
        on,
        "SERVICE_BEFORE_WORKLOAD",
        Certain,
        evidence,
    );
}

#[test]
fn every_pod_waits_for_the_limits_of_its_namespace() {
    let planned = planned([
        api(json!({ "containers": [] })),
        object("LimitRange", "shop/limits", json!({})),
    ]);
    let (rule, limits) = ("POLICY_BEFORE_PODS", "LimitRange shop/limits");
    let evidence = format!("{limits}: it is for every pod of its namespace");
    expect(&planned, API, limits, rule, Certain, &evidence);
    drawn(&planned, "StatefulSet.apps shop/db", limits, rule);
}
