//! A webhook of a random application: its operator is asked about each of its resources, and about what it does not need itself; nothing of
//! that is let in while it does not answer.
//!
//! Drawn last, so that an application without one is the same as before there were any.

use serde_json::{Value, json};

use super::Drawing;

/// The operator, its Service and its configuration.
pub(in super::super) const OPERATOR_NAME: &str = "operator";

impl Drawing<'_> {
    pub(super) fn hooks(&mut self) {
        // Those of the kept seeds have none.
        let is_drawn = !self.lots.chance(50);
        let mut objects = self.made.objects.iter();
        let operator = objects
            .find(|(kind, object)| {
                kind.kind == "Deployment" && object["metadata"]["name"] == OPERATOR_NAME
            })
            .and_then(|(_, object)| object["metadata"]["namespace"].as_str())
            .map(str::to_owned);
        let Some(namespace) = operator.filter(|_| is_drawn) else {
            return;
        };
        self.service(&namespace, OPERATOR_NAME, false);
        let service = json!({ "namespace": namespace, "name": OPERATOR_NAME });
        let webhook = json!({
            "name": "caches.chaos.example.com", "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "caBundle": "eA==", "service": service },
            "rules": [
                rule("chaos.example.com", &["caches"], &["CREATE", "UPDATE"]),
                rule("batch", &["cronjobs"], &["CREATE"]),
                rule("networking.k8s.io", &["ingresses", "networkpolicies"], &["CREATE", "UPDATE"]),
            ],
        });
        let body = json!({ "webhooks": [webhook] });
        let kind = "ValidatingWebhookConfiguration";
        self.put(kind, None, OPERATOR_NAME, body);
        self.say(format!(
            "its operator {namespace}/{OPERATOR_NAME} is asked about its resources, jobs and networks"
        ));
    }
}

fn rule(group: &str, resources: &[&str], operations: &[&str]) -> Value {
    json!({ "apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources })
}
