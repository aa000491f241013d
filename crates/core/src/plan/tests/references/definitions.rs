//! What waits for a definition, for its operator, and for what custom resources refer to.

use serde_json::{Value, json};

use super::{API, api};
use crate::plan::tests::ground::{
    deployment, drawn, expect, expect_none, object, planned, service,
};
use crate::run::Confidence::{Certain, High, Medium};

#[test]
fn a_resource_waits_for_its_definition_and_for_no_other() {
    let definition = |plural: &str, group: &str, kind: &str| {
        let names = json!({ "kind": kind, "plural": plural });
        let spec = json!({ "group": group, "names": names, "scope": "Namespaced" });
        object(
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            &format!("{plural}.{group}"),
            json!({ "spec": spec }),
        )
    };
    let planned = planned([
        definition("books", "library.example.com", "Book"),
        definition("books", "shop.example.com", "Book"),
        object("library.example.com/v1 Book", "shop/one", json!({})),
    ]);
    let of = |name: &str| format!("CustomResourceDefinition.apiextensions.k8s.io {name}");
    let book = "Book.library.example.com shop/one";
    let definition = of("books.library.example.com");
    let evidence = format!("{definition} defines Book.library.example.com");
    expect(
        &planned,
        book,
        &definition,
        "CRD_BEFORE_CR",
        Certain,
        &evidence,
    );
    expect_none(&planned, book, &of("books.shop.example.com"));
    expect_none(&planned, book, &of("caches.shop.example.com"));
}

#[test]
fn a_custom_resource_waits_for_what_it_refers_to() {
    let custom = |kind: &str, name: &str, spec: Value| {
        object(
            &format!("example.com/v1 {kind}"),
            &format!("shop/{name}"),
            json!({ "spec": spec }),
        )
    };
    let planned = planned([
        custom("Store", "main", json!({})),
        custom(
            "Backup",
            "nightly",
            json!({
                "storeRef": { "kind": "Store", "name": "main" },
                "deep": [{ "targetRefs": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api" }] }],
                "credentials": { "secretName": "keys", "passwordSecretRef": { "name": "more", "key": "x" } },
                "strangers": { "otherRef": { "kind": "Nothing", "name": "main" }, "storeName": "main" },
                "elsewhereRef": { "kind": "Store", "name": "main", "apiGroup": "else.example.com" },
            }),
        ),
        object("Secret", "shop/keys", json!({})),
        object("Secret", "shop/more", json!({})),
        api(json!({ "containers": [] })),
    ]);
    let (backup, rule) = ("Backup.example.com shop/nightly", "CUSTOM_REFERENCE");
    for (on, confidence, field) in [
        ("Store.example.com shop/main", Certain, "spec.storeRef"),
        (API, Certain, "spec.deep[0].targetRefs[0]"),
        ("Secret shop/keys", High, "spec.credentials.secretName"),
        (
            "Secret shop/more",
            High,
            "spec.credentials.passwordSecretRef",
        ),
    ] {
        expect(
            &planned,
            backup,
            on,
            rule,
            confidence,
            &format!("{backup}: {field}"),
        );
    }
}

#[test]
fn custom_resources_that_refer_to_each_other_do_not_stop_a_recovery() {
    let custom = |kind: &str, to: &str| {
        let spec = json!({ "peerRef": { "kind": to, "name": "one" } });
        object(
            &format!("example.com/v1 {kind}"),
            "shop/one",
            json!({ "spec": spec }),
        )
    };
    let planned = planned([custom("A", "B"), custom("B", "C"), custom("C", "A")]);
    let [broken] = planned.broken.as_slice() else {
        panic!("{:?}", planned.broken);
    };
    assert_eq!(broken.edge.confidence, High);
    assert_eq!(broken.cycle.len(), 4, "{broken:?}");
    assert!(
        planned
            .warnings
            .iter()
            .any(|one| one.contains("closes a cycle"))
    );
}

fn answering(name: &str, webhook: &Value) -> Vec<crate::inventory::Thing> {
    let group = "tools.example.com";
    let mut things = vec![
        deployment(name, json!({ "containers": [] })),
        service(name, &[443]),
        object(
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            "tools.tools.example.com",
            json!({ "spec": {
            "group": group, "names": { "kind": "Tool", "plural": "tools" },
            "conversion": { "webhook": { "clientConfig": { "service": webhook } } },
        } }),
        ),
        object(
            "tools.example.com/v1 Tool",
            "shop/hammer",
            json!({ "spec": {} }),
        ),
    ];
    things.push(object("admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration", "other", json!({
        "webhooks": [{ "clientConfig": { "service": { "namespace": null, "name": 7 } }, "rules": "none" }, null],
    })));
    things
}

#[test]
fn what_converts_a_definitions_versions_is_its_operator() {
    let planned = planned(answering(
        "converter",
        &json!({ "namespace": "shop", "name": "converter" }),
    ));
    let definition = "CustomResourceDefinition.apiextensions.k8s.io tools.tools.example.com";
    let (tool, converter) = (
        "Tool.tools.example.com shop/hammer",
        "Deployment.apps shop/converter",
    );
    drawn(
        &planned,
        definition,
        "Service shop/converter",
        "WEBHOOK_AFTER_BACKEND",
    );
    expect_none(&planned, definition, converter);
    let edge = drawn(&planned, tool, converter, "OPERATOR_BEFORE_ITS_CR");
    assert_eq!(edge.confidence, High);
    assert_eq!(
        drawn(&planned, tool, converter, "WEBHOOK_AFTER_BACKEND").confidence,
        High
    );
}

#[test]
fn webhooks_of_a_group_and_operator_lists_tell_who_the_operator_is() {
    let hook = |group: &str, name: &str| {
        object(
            "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration",
            name,
            json!({ "webhooks": [{
            "clientConfig": { "service": { "namespace": "shop", "name": "hooks" } },
            "rules": [{ "apiGroups": [group] }],
        }] }),
        )
    };
    let mut things = answering("listed", &json!(null));
    things.extend([
        deployment("hooks", json!({ "containers": [] })),
        service("hooks", &[443]),
        hook("tools.example.com", "tools"),
        hook("*", "everything"),
        object(
            "operators.coreos.com/v1alpha1 ClusterServiceVersion",
            "shop/tools.v1",
            json!({ "spec": {
            "install": { "spec": { "deployments": [{ "name": "listed" }, { "name": 3 }, null] } },
            "customresourcedefinitions": { "owned": [{ "name": "tools.tools.example.com" }, {}] },
        } }),
        ),
    ]);
    let planned = planned(things);
    let (tool, cache) = (
        "Tool.tools.example.com shop/hammer",
        "Cache.shop.example.com shop/sessions",
    );
    for operator in ["Deployment.apps shop/hooks", "Deployment.apps shop/listed"] {
        drawn(&planned, tool, operator, "OPERATOR_BEFORE_ITS_CR");
        expect_none(&planned, cache, operator);
    }
    let webhook = "MutatingWebhookConfiguration.admissionregistration.k8s.io everything";
    drawn(
        &planned,
        webhook,
        "Deployment.apps shop/hooks",
        "WEBHOOK_AFTER_BACKEND",
    );
}

#[test]
fn of_a_definition_that_nothing_else_tells_about_the_helm_release_does() {
    let release =
        json!({ "meta.helm.sh/release-name": "tools", "meta.helm.sh/release-namespace": "shop" });
    let mut things = answering("tools", &json!(null));
    for thing in &mut things {
        if matches!(
            thing.resource.kind.as_str(),
            "Deployment" | "CustomResourceDefinition"
        ) {
            thing.edit(|it| it["metadata"]["annotations"] = release.clone());
        }
    }
    let planned = planned(things);
    let (tool, operator) = (
        "Tool.tools.example.com shop/hammer",
        "Deployment.apps shop/tools",
    );
    assert_eq!(
        drawn(&planned, tool, operator, "OPERATOR_BEFORE_ITS_CR").confidence,
        Medium
    );
}

#[test]
fn an_api_service_waits_for_what_answers_it() {
    let planned = planned([
        deployment("metrics", json!({ "containers": [] })),
        service("metrics", &[443]),
        object(
            "apiregistration.k8s.io/v1 APIService",
            "v1.metrics.example.com",
            json!({ "spec": {
            "service": { "namespace": "shop", "name": "metrics" },
        } }),
        ),
    ]);
    let api = "APIService.apiregistration.k8s.io v1.metrics.example.com";
    let rule = "WEBHOOK_AFTER_BACKEND";
    expect(
        &planned,
        api,
        "Deployment.apps shop/metrics",
        rule,
        Certain,
        &format!("{api}: spec.service is Service shop/metrics"),
    );
}
