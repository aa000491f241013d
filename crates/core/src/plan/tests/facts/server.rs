//! What is asked of the API server: webhooks that answer, its clock, the versions that it serves.

use serde_json::{Value, json};

use super::{hook, judged, nothing, problem, warning};

#[test]
fn a_silent_webhook_that_is_asked_about_what_is_written_is_named() {
    let with = |change: Value| {
        judged(|case, facts| {
            case.target.insert(hook(&change));
            assert_eq!(
                case.preflight().webhook_services().len(),
                usize::from(change.get("failurePolicy").is_none()),
            );
            facts
                .silent_services
                .insert(("policy".to_owned(), "judge".to_owned()));
        })
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
