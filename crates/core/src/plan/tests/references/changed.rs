//! Webhooks that change pods: who waits for them, and who must not.

use serde_json::{Value, json};

use super::{API, api};
use crate::inventory::Thing;
use crate::plan::Planned;
use crate::plan::tests::ground::{
    deployment, expect, expect_none, object, service, with, with_env,
};
use crate::run::Confidence::High;

const RULE: &str = "WEBHOOK_BEFORE_PODS";
const HOOK: &str = "MutatingWebhookConfiguration.admissionregistration.k8s.io injector";
const INJECTOR: &str = "Deployment.apps shop/injector";
const DATABASE: &str = "StatefulSet.apps shop/db";

fn about_pods() -> Value {
    json!([{ "apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"] }])
}

/// The small application with an injector whose webhook has these fields, in a namespace with a label.
fn injected(pod: Value, hook: &Value) -> Planned {
    let mut body = json!({
        "name": "inject.example.com", "rules": about_pods(),
        "clientConfig": { "service": { "namespace": "shop", "name": "injector" } },
        "namespaceSelector": { "matchLabels": { "inject": "enabled" } },
    });
    for (key, value) in hook.as_object().unwrap() {
        body[key] = value.clone();
    }
    let kind = "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration";
    let namespace: Thing = object(
        "Namespace",
        "shop",
        json!({ "labels": { "inject": "enabled" } }),
    );
    let case = with([
        namespace,
        api(json!({ "containers": [] })),
        deployment("injector", pod),
        service("injector", &[443]),
        object(kind, "injector", json!({ "webhooks": [body] })),
    ]);
    let planned = case.plan().unwrap();
    assert_eq!(planned.broken, [], "no cycle is closed");
    planned
}

fn plain() -> Value {
    json!({ "containers": [{ "name": "main", "image": "injector:1" }] })
}

#[test]
fn pods_wait_for_the_webhook_that_changes_them_and_what_answers_it_does_not() {
    for hook in [
        json!({}),
        json!({ "failurePolicy": "Ignore" }),
        json!({ "rules": [{ "apiGroups": ["*"], "resources": ["*"], "operations": ["*"] }] }),
    ] {
        let planned = injected(plain(), &hook);
        let evidence = format!("{HOOK}: webhooks[0] is asked about its pods");
        for workload in [API, "Deployment.apps shop/web", DATABASE] {
            expect(&planned, workload, HOOK, RULE, High, &evidence);
        }
        expect_none(&planned, INJECTOR, HOOK);
        expect_none(&planned, INJECTOR, "ready shop/db");
    }
}

#[test]
fn who_is_not_asked_about_or_may_be_silent_about_everything_is_not_waited_for() {
    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "operations": ["*"] }]);
    for hook in [
        json!({ "failurePolicy": "Ignore", "rules": everything }),
        json!({ "namespaceSelector": { "matchLabels": { "inject": "disabled" } } }),
        json!({ "objectSelector": { "matchLabels": { "app": "nobody" } } }),
        json!({ "rules": [{ "apiGroups": ["apps"], "resources": ["*"], "operations": ["CREATE"] }] }),
        json!({ "clientConfig": { "service": { "namespace": "shop", "name": "gone" } } }),
        json!({ "clientConfig": { "url": "https://injector.example.com" } }),
        json!({ "rules": 7, "clientConfig": 7 }),
    ] {
        expect_none(&injected(plain(), &hook), API, HOOK);
    }
}

#[test]
fn what_the_backend_of_a_webhook_needs_does_not_wait_for_the_webhook() {
    let pod = with_env(&[("DATABASE_URL", "postgres://u:p@db:5432/x")]);
    let planned = injected(pod, &json!({}));
    expect_none(&planned, DATABASE, HOOK);
    let evidence = format!("{HOOK}: webhooks[0] is asked about its pods");
    expect(&planned, API, HOOK, RULE, High, &evidence);
}
