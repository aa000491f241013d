//! Admission webhooks and conversions.

use serde_json::{Value, json};

use super::super::Sample;
use super::{AWAY, DENIED, Duty, Scene, conditions};
use crate::driver::{Answer, Class, Problem, Query, REHEARSAL_RUNNING, Seen};
use crate::inventory::Resource;

const CRD: &str = "apiextensions.k8s.io/v1";
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

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

/// A configuration whose Service has an address, with a Secret that its webhook is asked about.
fn asked(name: &str) -> Scene {
    let mut live = webhook("eA==", "Fail", false);
    live["webhooks"][0]["name"] = json!(name);
    let ready = json!([{ "conditions": { "ready": true } }]);
    let kind = "ValidatingWebhookConfiguration";
    let mut scene = slices(Scene::of(ADMISSION, kind, live), &ready).after(1);
    let object = json!({ "metadata": { "name": "sessions", "namespace": "shop" } });
    scene.duty = Some(Duty {
        operator: false,
        samples: vec![Sample {
            webhook: name.to_owned(),
            resource: Resource::namespaced("v1", "ConfigMap", "configmaps"),
            object: object.into(),
        }],
    });
    scene
}

const UNTRUSTED: &str = "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://operator.shop.svc:443/\": x509: certificate signed by unknown authority";
const OF_ANOTHER: &str = "failed calling webhook \"other.example.com\": no endpoints";
const CONVERTING: &str = "conversion webhook for shop.example.com/v1 failed";
const FAILED: &str = "webhook-failed";

/// Class, code and words of what the API server says, the seconds of waiting, and what the gate says.
type Said<'a> = (Class, (&'a str, &'a str), i64, &'a str);
const ANSWERS: &[Said<'_>] = &[
    (
        Class::Retry,
        (FAILED, UNTRUSTED),
        1,
        "closed webhook-failing",
    ),
    (
        Class::Retry,
        (FAILED, UNTRUSTED),
        180,
        "failed webhook-failing",
    ),
    (Class::Retry, (FAILED, OF_ANOTHER), 1, "open"),
    (Class::Stuck, ("admission-denied", "denied"), 1, "open"),
    (
        Class::Stuck,
        ("invalid", "does not support dry run"),
        1,
        "open",
    ),
    (Class::Retry, ("kind-not-served", "no such kind"), 1, "open"),
    (Class::Retry, ("server-error", CONVERTING), 1, "open"),
    (
        Class::Stuck,
        ("forbidden", "no right"),
        19,
        "closed forbidden",
    ),
    (
        Class::Stuck,
        ("forbidden", "no right"),
        20,
        "assumed forbidden",
    ),
    (
        Class::Wait,
        (REHEARSAL_RUNNING, "not yet"),
        1,
        "closed rehearsal-running",
    ),
    (Class::Retry, ("unreachable", "no"), 1, "closed unreachable"),
    (
        Class::Retry,
        ("unreachable", "no"),
        180,
        "assumed unreachable",
    ),
    (
        Class::Retry,
        ("reply-lost", "broken off"),
        1,
        "closed reply-lost",
    ),
    (
        Class::Retry,
        ("server-error", "etcdserver: leader changed"),
        1,
        "closed server-error",
    ),
    (
        Class::Stuck,
        ("unauthorized", "who?"),
        1,
        "closed unauthorized",
    ),
];

#[test]
fn a_webhook_is_asked_about_what_will_be_written() {
    let mut early = asked("w.example.com").after(0);
    assert_eq!(early.asks(), Vec::<Query>::new());
    assert_eq!(early.says(), "closed webhook-untried");
    early.seen = Seen::default();
    assert_eq!(early.asks().len(), 1, "first its Service");
    let scene = asked("w.example.com");
    let [Query::Rehearsal(request)] = &scene.asks()[..] else {
        panic!("{:?}", scene.asks());
    };
    assert_eq!(request.namespace.as_deref(), Some("shop"));
    assert_eq!(
        request.object,
        r#"{"metadata":{"name":"sessions","namespace":"shop"}}"#
    );
    for (class, (code, message), seconds, expected) in ANSWERS {
        let mut scene = asked("w.example.com").after(*seconds);
        let refused = Problem::of(*class, code, *message, "see");
        let query = scene.asks().remove(0);
        scene.seen.insert(query, Answer::Refused(refused));
        assert_eq!(scene.says(), *expected, "{code} {message}");
    }
    let mut scene = asked("w.example.com");
    let query = scene.asks().remove(0);
    scene.seen.insert(query, Answer::Yes);
    assert_eq!(scene.says(), "open");
}

/// What is assumed of one says nothing of the next.
#[test]
fn each_of_several_is_asked_about() {
    let mut scene = asked("w.example.com").after(180);
    let mut duty = scene.duty.take().unwrap();
    let mut second = duty.samples[0].clone();
    second.object = json!({ "metadata": { "name": "users", "namespace": "shop" } }).into();
    duty.samples.push(second);
    scene.duty = Some(duty);
    let mut asked = scene.asks();
    scene = scene.refused(asked.remove(0), AWAY);
    let second = asked.remove(0);
    scene.seen.insert(second.clone(), Answer::Yes);
    assert_eq!(scene.says(), "assumed unreachable");
    let failing = "failed calling webhook \"w.example.com\": x509";
    let failing = Problem::of(Class::Retry, "webhook-failed", failing, "see");
    scene.seen.insert(second, Answer::Refused(failing));
    assert_eq!(scene.says(), "failed webhook-failing");
}

#[test]
fn a_webhook_whose_addresses_are_not_read_is_not_taken_for_silent() {
    let unread = |how, seconds| {
        let mut scene = asked("w.example.com");
        let duty = scene.duty.take();
        scene.seen = Seen::default();
        let query = scene.asks().remove(0);
        scene.duty = duty;
        scene.refused(query, how).after(seconds)
    };
    assert_eq!(unread(AWAY, 1).says(), "closed unreachable");
    assert_eq!(unread(AWAY, 180).says(), "closed unreachable");
    assert_eq!(unread(AWAY, 1).asks(), Vec::<Query>::new());
    let early = unread(DENIED, 19);
    assert_eq!(early.says(), "closed forbidden");
    assert_eq!(early.asks(), Vec::<Query>::new());
    let mut denied = unread(DENIED, 20);
    let query = denied.asks().remove(0);
    denied.seen.insert(query.clone(), Answer::Yes);
    assert_eq!(denied.says(), "assumed forbidden");
    assert_eq!(denied.refused(query, AWAY).says(), "closed unreachable");
}

#[test]
fn a_webhook_without_an_address_is_not_asked() {
    let none = slices(asked("w.example.com"), &json!([]));
    assert_eq!(none.asks(), Vec::<Query>::new());
    assert_eq!(none.says(), "closed webhook-not-answering");
}
