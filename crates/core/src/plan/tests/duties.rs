//! What others expect of an object: operators that lead, webhooks that answer about what will be written.

use serde_json::{Value, json};

use super::fixture::Case;
use super::ground::{deployment, drawn, expect, expect_none, object, planned, service, with};
use crate::inventory::Thing;
use crate::json::Json;
use crate::readiness::Duty;
use crate::run::{Confidence, Work};

const CONFIGURATION: &str = "ValidatingWebhookConfiguration.admissionregistration.k8s.io hooks";
const TOOL: &str = "Tool.tools.example.com shop/hammer";

/// A configuration of one webhook, behind a Service with a Deployment.
fn hooks(rules: &Value, more: &Value) -> Vec<Thing> {
    let mut hook = json!({
        "name": "w.example.com", "rules": rules,
        "clientConfig": { "service": { "namespace": "shop", "name": "hooks" } },
    });
    for (key, value) in more.as_object().unwrap() {
        hook[key] = value.clone();
    }
    let kind = "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration";
    vec![
        deployment("hooks", json!({ "containers": [{ "name": "main" }] })),
        service("hooks", &[443]),
        object(kind, "hooks", json!({ "webhooks": [hook] })),
        object(
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            "tools.tools.example.com",
            json!({ "spec": {
                "group": "tools.example.com", "names": { "kind": "Tool", "plural": "tools" },
            } }),
        ),
        object(
            "tools.example.com/v1 Tool",
            "shop/hammer",
            json!({ "spec": { "size": 1 } }),
        ),
    ]
}

fn rules(group: &str, plural: &str) -> Value {
    json!([{ "apiGroups": [group], "resources": [plural], "operations": ["CREATE"] }])
}

fn duty_in(case: &Case, step: &str) -> Option<Duty> {
    let planned = case.plan().unwrap();
    let step = planned.plan.step(&format!("write {step}")).unwrap();
    match &step.work {
        Work::Write(writing) => writing.duty.as_deref().cloned(),
        other => panic!("{other:?}"),
    }
}

/// Kind, namespace and name of the object that the webhook is asked about.
fn sample(rules: &Value, more: &Value) -> Option<(String, Json)> {
    sample_of(hooks(rules, more))
}

fn sample_of(things: Vec<Thing>) -> Option<(String, Json)> {
    let duty = duty_in(&with(things), CONFIGURATION)?;
    let [sample] = &duty.samples[..] else {
        panic!("{:?}", duty.samples);
    };
    assert_eq!(sample.webhook, "w.example.com");
    let text = |pointer: &str| sample.object.pointer(pointer)?.as_str();
    let place = format!(
        "{} {}/{}",
        sample.resource.kind,
        text("/metadata/namespace").unwrap_or_default(),
        text("/metadata/name").unwrap_or_default(),
    );
    Some((place, sample.object.clone()))
}

#[test]
fn a_webhook_is_asked_about_the_first_object_that_it_will_be_asked_about() {
    let of = |group: &str, plural: &str| sample(&rules(group, plural), &json!({}));
    let place = |group: &str, plural: &str| of(group, plural).map(|(place, _)| place);
    assert_eq!(
        place("tools.example.com", "tools").as_deref(),
        Some("Tool shop/hammer")
    );
    assert_eq!(place("tools.example.com", "nails"), None);
    // A pod of the first workload, for no pod is written.
    let (pod, object) = of("", "pods").unwrap();
    assert!(pod.starts_with("Pod shop/"), "{pod}");
    assert!(object.pointer("/spec/containers").is_some(), "{object}");
    let elsewhere =
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "x" } } });
    assert_eq!(sample(&rules("", "pods"), &elsewhere), None);
    let changes =
        json!([{ "apiGroups": [""], "resources": ["configmaps"], "operations": ["UPDATE"] }]);
    assert_eq!(sample(&changes, &json!({})), None);
    let outside = json!({ "clientConfig": { "url": "https://x" } });
    assert_eq!(sample(&rules("", "configmaps"), &outside), None);
    for broken in [
        json!(null),
        json!("x"),
        json!([null, 3, { "apiGroups": 1 }]),
    ] {
        assert_eq!(sample(&broken, &json!({})), None, "{broken}");
    }
}

#[test]
fn each_webhook_of_a_configuration_is_asked() {
    let mut things = hooks(&rules("tools.example.com", "tools"), &json!({}));
    let configuration = things
        .iter_mut()
        .find(|thing| thing.resource.kind == "ValidatingWebhookConfiguration");
    configuration.unwrap().edit(|it| {
        let hook = it["webhooks"][0].clone();
        let named = |number: usize| {
            let mut hook = hook.clone();
            hook["name"] = json!(format!("w{number}.example.com"));
            hook
        };
        it["webhooks"] = (0..12).map(named).collect();
    });
    let duty = duty_in(&with(things), CONFIGURATION).unwrap();
    assert_eq!(duty.samples.len(), 12);
    assert_eq!(duty.samples[11].webhook, "w11.example.com");
}

#[test]
fn no_secret_is_shown_to_a_webhook_that_is_tried() {
    let mut things = hooks(&rules("", "secrets"), &json!({}));
    let data = json!({ "data": { "password": "eA==" }, "type": "kubernetes.io/basic-auth" });
    things.push(object("Secret", "shop/a-first", data));
    let (place, object) = sample_of(things).unwrap();
    assert_eq!(place, "Secret shop/a-first");
    assert_eq!(
        (object.pointer("/data"), object.pointer("/type")),
        (
            Some(&Json::from(json!({}))),
            Some(&Json::from(json!("Opaque")))
        )
    );
}

#[test]
fn what_somebody_elses_server_serves_is_not_tried() {
    let mut things = hooks(&rules("tools.example.com", "tools"), &json!({}));
    things.retain(|thing| thing.resource.kind != "CustomResourceDefinition");
    assert_eq!(duty_in(&with(things), CONFIGURATION), None);
}

#[test]
fn an_operator_is_known_as_one() {
    let case = with(hooks(&rules("tools.example.com", "tools"), &json!({})));
    let duty = duty_in(&case, "Deployment.apps shop/hooks").unwrap();
    assert!(duty.operator && duty.samples.is_empty());
    assert_eq!(duty_in(&case, "Deployment.apps shop/web"), None);
}

#[test]
fn a_resource_waits_for_the_webhooks_of_its_operator() {
    let rule = "WEBHOOK_BEFORE_ITS_CR";
    let asked = rules("tools.example.com", "*");
    expect(
        &planned(hooks(&asked, &json!({}))),
        TOOL,
        CONFIGURATION,
        rule,
        Confidence::High,
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io hooks: webhooks[0] is asked about tools.tools.example.com",
    );
    let ignored = planned(hooks(&asked, &json!({ "failurePolicy": "Ignore" })));
    expect_none(&ignored, TOOL, CONFIGURATION);
    let everything = planned(hooks(&rules("*", "*"), &json!({})));
    expect_none(&everything, TOOL, CONFIGURATION);
    let mut unanswered = hooks(&asked, &json!({}));
    unanswered.retain(|thing| thing.resource.kind != "Deployment");
    expect_none(&planned(unanswered), TOOL, CONFIGURATION);
    // It does not keep the operator itself from coming.
    let planned = planned(hooks(&asked, &json!({})));
    drawn(
        &planned,
        CONFIGURATION,
        "Deployment.apps shop/hooks",
        "WEBHOOK_AFTER_BACKEND",
    );
}

/// Journals keep duties: what was written once is read for ever.
#[test]
fn a_duty_is_read_as_it_was_written() {
    let asked = r#"{"operator":false,"samples":[{"webhook":"w.example.com","resource":{"group":"","version":"v1","kind":"ConfigMap","plural":"configmaps","namespaced":true},"object":{"metadata":{"name":"web"}}}]}"#;
    for text in [asked, r#"{"operator":true}"#] {
        let duty: Duty = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&duty).unwrap(), text);
    }
    let none: Duty = serde_json::from_str("{}").unwrap();
    assert_eq!(none, Duty::default());
}
