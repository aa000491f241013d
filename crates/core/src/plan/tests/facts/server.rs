//! What is asked of the API server: webhooks that answer, its clock, the versions that it serves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{hook, judged, nothing, problem, warning};
use crate::plan::Findings;

#[test]
fn a_silent_webhook_that_is_asked_about_what_is_written_is_named() {
    // Of whose silence nothing is told is not waited for.
    let with = |change: Value| {
        let mut waits = false;
        let findings = judged(|case, facts| {
            case.target.insert(hook(&change));
            let place = ("policy".to_owned(), "judge".to_owned());
            waits = case.preflight().survey().webhook_services() == BTreeSet::from([place.clone()]);
            facts.silent_services.insert(place);
        });
        assert_eq!(waits, findings != Findings::default(), "{change}");
        findings
    };
    let told = problem(&with(json!({})), "webhook-not-answering");
    assert!(
        told.starts_with(
            "Service shop/db, Service shop/web: webhook pods.example.com of Validating"
        ),
        "{told}"
    );
    let narrow = |key: &str, value: &str| json!({ key: { "matchLabels": { "kubernetes.io/metadata.name": value } } });
    problem(
        &with(narrow("namespaceSelector", "shop")),
        "webhook-not-answering",
    );
    nothing(&with(narrow("namespaceSelector", "other")));
    nothing(&with(narrow("objectSelector", "shop")));
    nothing(&with(json!({ "failurePolicy": "Ignore" })));
    let pods = json!([{ "apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"] }]);
    let told = problem(&with(json!({ "rules": pods })), "webhook-not-answering");
    assert!(told.contains("is asked about its pods"), "{told}");
    let rules = json!([{ "apiGroups": [""], "resources": ["services"], "operations": ["DELETE"] }]);
    nothing(&with(json!({ "rules": rules })));
    let scope = json!([{ "apiGroups": ["*"], "resources": ["*/*"], "operations": ["*"], "scope": "Cluster" }]);
    let told = problem(&with(json!({ "rules": scope })), "webhook-not-answering");
    assert!(
        told.starts_with("Namespace shop, CustomResourceDefinition"),
        "{told}"
    );
    warning(
        &with(json!({ "matchConditions": [{ "name": "x", "expression": "false" }] })),
        "webhook-not-answering",
    );
}

#[test]
fn clocks_that_differ_a_little_warn_and_much_stop() {
    let ahead =
        |milliseconds: i64| judged(|_, facts| facts.clock_ahead_milliseconds = Some(milliseconds));
    nothing(&ahead(5_000));
    let told = warning(&ahead(5_001), "clock-skew");
    assert_eq!(
        told,
        "the API server's clock is 5 s ahead of this machine's"
    );
    nothing(&ahead(-5_000));
    warning(&ahead(-60_000), "clock-skew");
    let told = problem(&ahead(i64::MIN), "clock-skew");
    assert!(told.contains("behind"), "{told}");
}

#[test]
fn another_version_is_a_warning() {
    let findings = judged(|case, _| {
        for resource in &mut case.target.served {
            if resource.kind == "Ingress" {
                "v2".clone_into(&mut resource.version);
            }
        }
    });
    let told = warning(&findings, "version-differs");
    assert!(
        told.contains("read as networking.k8s.io/v1, written as networking.k8s.io/v2"),
        "{told}"
    );
}
