//! Namespaces, definitions, API services, webhooks, deletion.

use serde_json::{Value, json};

use super::super::deleting;
use super::{Gate, Scene, ago, conditions};
use crate::driver::{Answer, Query};
use crate::inventory::Resource;

const CRD: &str = "apiextensions.k8s.io/v1";
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn conditions_decide_definitions_and_api_services() {
    let kind = "CustomResourceDefinition";
    let established = "closed definition-not-established";
    let cases: &[Case<'_>] = &[
        (CRD, kind, &[], established),
        (CRD, kind, &[("NamesAccepted", "True")], established),
        (
            CRD,
            kind,
            &[("NamesAccepted", "True"), ("Established", "False")],
            established,
        ),
        (
            CRD,
            kind,
            &[("NamesAccepted", "True"), ("Established", "True")],
            "open",
        ),
        (
            CRD,
            kind,
            &[("NamesAccepted", "False")],
            "failed definition-refused",
        ),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            &[],
            "closed api-not-available",
        ),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            &[("Available", "False")],
            "closed api-not-available",
        ),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            &[("Available", "True")],
            "open",
        ),
    ];
    for (group_version, kind, pairs, expected) in cases {
        let scene = Scene::of(group_version, kind, conditions(pairs));
        assert_eq!(scene.says(), *expected, "{kind} {pairs:?}");
    }
}

#[test]
fn a_namespace_waits_for_its_default_account() {
    let live = json!({ "metadata": { "name": "shop" }, "status": { "phase": "Active" } });
    let mut scene = Scene::of("v1", "Namespace", live);
    let query = scene.asks().remove(0);
    for (answer, expected) in [
        (None, "closed default-account-missing"),
        (Some(json!({})), "open"),
    ] {
        scene.seen.insert(query.clone(), Answer::Object(answer));
        assert_eq!(scene.says(), expected);
    }
    scene.live = json!({ "status": { "phase": "Terminating" } });
    assert_eq!(scene.says(), "closed namespace-not-active");
}

fn slices(scene: Scene, endpoints: &Value) -> Scene {
    scene.list(
        Resource::namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        &[("kubernetes.io/service-name", "operator")],
        vec![json!({ "endpoints": endpoints })],
    )
}

fn webhook(bundle: &str, policy: &str, injected: bool) -> Value {
    let annotations = if injected {
        json!({ "cert-manager.io/inject-ca-from": "shop/operator" })
    } else {
        json!({})
    };
    json!({
        "metadata": { "name": "operator", "annotations": annotations },
        "webhooks": [{
            "failurePolicy": policy,
            "clientConfig": {
                "caBundle": bundle,
                "service": { "namespace": "shop", "name": "operator" },
            },
        }],
    })
}

#[test]
fn a_webhook_waits_for_an_address_that_is_ready_and_for_trust() {
    let ready = json!([{ "conditions": { "ready": false } }, { "conditions": { "ready": true } }]);
    let unready = json!([{ "conditions": { "ready": false } }]);
    let cases = [
        (webhook("eA==", "Fail", false), &ready, 0, "open"),
        (
            webhook("eA==", "Fail", false),
            &unready,
            0,
            "closed webhook-not-answering",
        ),
        (
            webhook("eA==", "Fail", false),
            &Value::Null,
            0,
            "closed webhook-not-answering",
        ),
        (
            webhook("eA==", "Fail", false),
            &unready,
            180,
            "failed webhook-not-answering",
        ),
        (
            webhook("eA==", "Ignore", false),
            &unready,
            180,
            "assumed webhook-not-answering",
        ),
        (
            webhook("", "Fail", false),
            &ready,
            0,
            "closed webhook-without-authority",
        ),
        (
            webhook("", "Fail", false),
            &ready,
            60,
            "assumed webhook-without-authority",
        ),
        (
            webhook("", "Fail", true),
            &ready,
            60,
            "closed webhook-without-authority",
        ),
        (
            json!({ "webhooks": [{ "clientConfig": { "url": "https://x" } }] }),
            &ready,
            0,
            "open",
        ),
        (json!({}), &ready, 0, "open"),
    ];
    for (live, endpoints, seconds, expected) in cases {
        for kind in [
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        ] {
            let scene = slices(Scene::of(ADMISSION, kind, live.clone()), endpoints).after(seconds);
            assert_eq!(scene.says(), expected, "{kind} {live} after {seconds} s");
            assert_eq!(scene.asks(), Vec::<Query>::new());
        }
    }
}

#[test]
fn a_conversion_that_does_not_answer_is_told_and_holds_nothing_back() {
    let mut live = conditions(&[("NamesAccepted", "True"), ("Established", "True")]);
    live["spec"] = json!({ "conversion": {
        "strategy": "Webhook",
        "webhook": { "clientConfig": { "service": { "namespace": "shop", "name": "operator" } } },
    } });
    let scene = || Scene::of(CRD, "CustomResourceDefinition", live.clone());
    assert_eq!(scene().asks().len(), 1);
    let none = slices(scene(), &json!([]));
    assert_eq!(none.says(), "assumed conversion-not-answering");
    let some = slices(scene(), &json!([{ "addresses": ["10.0.0.1"] }]));
    assert_eq!(some.says(), "open");
}

#[test]
fn what_is_being_deleted_says_what_holds_it_and_is_stuck_when_it_cannot_go() {
    let going = |seconds: i64, more: &Value| {
        let mut live = json!({ "metadata": {
            "name": "shop", "deletionTimestamp": ago(seconds),
        } });
        live["metadata"]["finalizers"] = more["finalizers"].clone();
        live["status"] = more["status"].clone();
        let scene = Scene::of("v1", "Namespace", live).after(seconds);
        match deleting(&scene.view()) {
            Gate::Closed(why) => format!("closed {}: {}", why.code, why.message),
            Gate::Failed(problem) => format!("failed {}: {}", problem.code, problem.message),
            other => format!("{other:?}"),
        }
    };
    let held = json!({ "status": { "conditions": [{
        "type": "NamespaceFinalizersRemaining", "status": "True",
        "message": "shop.example.com/keep in 1 resource instances",
    }] } });
    let finalizers = json!({ "finalizers": ["shop.example.com/keep"] });
    assert!(going(500, &json!({})).starts_with("closed being-deleted"));
    for more in [&held, &finalizers] {
        for seconds in [10, 120, 500] {
            let waits = going(seconds, more);
            assert!(waits.starts_with("closed being-deleted"), "{waits}");
            assert!(waits.contains("shop.example.com/keep"), "{waits}");
        }
    }
    let fails = json!({ "status": { "conditions": [{
        "type": "NamespaceDeletionDiscoveryFailure", "status": "True",
        "message": "unable to retrieve the complete list of server APIs",
    }] } });
    assert!(going(119, &fails).starts_with("closed being-deleted"));
    let stuck = going(120, &fails);
    assert!(stuck.starts_with("failed deletion-stuck"), "{stuck}");
}
