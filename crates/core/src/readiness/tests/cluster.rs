//! Namespaces, definitions, API services, deletion.

use serde_json::{Value, json};

use super::super::deleting;
use super::{AWAY, DENIED, DENIED_SAYS, Gate, Scene, ago, conditions};
use crate::driver::{Answer, Problem, Query};
use crate::inventory::Resource;

const CRD: &str = "apiextensions.k8s.io/v1";

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
    scene = scene.refused(query.clone(), AWAY).after(300);
    assert_eq!(scene.says(), "closed unreachable");
    let denied = Scene::of("v1", "Namespace", scene.live.clone()).refused(query, DENIED);
    assert!(
        denied.message().contains("not now / ask again"),
        "the server's words"
    );
    assert_eq!(denied.says_then(), DENIED_SAYS);
    scene.live = json!({ "status": { "phase": "Terminating" } });
    assert_eq!(scene.says(), "closed namespace-not-active");
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

fn kind(versions: &Value, converted: bool) -> Scene {
    let mut live = conditions(&[("NamesAccepted", "True"), ("Established", "True")]);
    live["spec"] = json!({
        "group": "example.com", "scope": "Namespaced", "versions": versions,
        "names": { "kind": "Cache", "plural": "caches" },
    });
    if converted {
        live["spec"]["conversion"] = json!({
            "strategy": "Webhook",
            "webhook": { "clientConfig": { "service": { "namespace": "shop", "name": "x" } } },
        });
    }
    Scene::of(CRD, "CustomResourceDefinition", live)
}

#[test]
fn a_definition_is_ready_when_its_kind_can_be_read() {
    let versions = json!([
        { "name": "v1", "served": true }, { "name": "v2", "served": true, "storage": true },
        { "name": "v0", "served": false },
    ]);
    let version = |name: &str| {
        let version = format!("example.com/{name}");
        Query::Served(Resource::namespaced(&version, "Cache", "caches"))
    };
    assert_eq!(kind(&versions, false).asks(), [version("v2")]);
    let all = kind(&versions, true).asks();
    assert_eq!(
        all[1..],
        [version("v2"), version("v1")],
        "each is converted to"
    );
    let mut young = kind(&versions, false);
    young.live["status"] = json!({});
    assert_eq!(young.asks(), Vec::<Query>::new());
    let failed = "Internal error: conversion webhook for example.com/v1, Kind=Cache failed: x509";
    for (code, message, expected) in [
        ("kind-not-served", "no", "closed definition-not-served"),
        ("unreachable", "no", "closed unreachable"),
        ("forbidden", "no", "closed forbidden"),
        ("server-error", "no", "closed server-error"),
        ("server-error", failed, "assumed conversion-not-answering"),
    ] {
        let mut scene = kind(&versions, false);
        let refused = Problem::stuck(code, message, "see");
        scene.seen.insert(version("v2"), Answer::Refused(refused));
        assert_eq!(scene.says(), expected, "{code} {message}");
    }
    let denied = kind(&versions, false).refused(version("v2"), DENIED);
    assert_eq!(denied.says_then(), DENIED_SAYS);
    let mut served = kind(&versions, false);
    served.seen.insert(version("v2"), Answer::Yes);
    assert_eq!(served.says(), "open");
}
