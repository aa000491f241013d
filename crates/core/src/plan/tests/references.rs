//! Rules about fields that name things: each draws, leaves alone what only looks so, and bears nonsense.

mod changed;
mod definitions;
mod pods;
mod resources;
mod traffic;
mod typed;

use serde_json::{Value, json};

use super::ground::{deployment, object, with};

const API: &str = "Deployment.apps shop/api";

/// An API application whose pod is this.
fn api(pod: Value) -> crate::inventory::Thing {
    deployment("api", pod)
}

#[test]
fn nonsense_where_a_name_is_expected_draws_nothing_and_breaks_nothing() {
    for nonsense in [
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!([[null]]),
        json!({ "name": {} }),
        json!("x".repeat(100_000)),
    ] {
        let spec = json!({
            "tls": nonsense, "scaleTargetRef": nonsense, "issuerRef": nonsense, "secretName": nonsense,
            "parentRefs": nonsense, "selector": nonsense, "podSelector": nonsense, "someRef": nonsense,
            "otherRefs": [nonsense], "listeners": nonsense, "rules": nonsense, "service": nonsense,
            "serviceName": nonsense, "volumeClaimTemplates": nonsense, "dependsOn": nonsense,
            "template": { "metadata": { "labels": nonsense }, "spec": {
                "containers": nonsense, "initContainers": [nonsense], "volumes": nonsense,
                "imagePullSecrets": nonsense, "serviceAccountName": nonsense, "priorityClassName": nonsense,
            } },
            "externalName": nonsense, "conversion": nonsense, "group": nonsense, "names": nonsense,
        });
        let body = json!({ "spec": spec, "data": nonsense, "subjects": nonsense, "roleRef": nonsense, "webhooks": nonsense });
        let kinds = [
            "apps/v1 Deployment",
            "apps/v1 StatefulSet",
            "Service",
            "Secret",
            "ConfigMap",
            "batch/v1 Job",
            "networking.k8s.io/v1 Ingress",
            "networking.k8s.io/v1 NetworkPolicy",
            "policy/v1 PodDisruptionBudget",
            "autoscaling/v2 HorizontalPodAutoscaler",
            "cert-manager.io/v1 Certificate",
            "gateway.networking.k8s.io/v1 HTTPRoute",
            "gateway.networking.k8s.io/v1 Gateway",
            "monitoring.coreos.com/v1 ServiceMonitor",
            "example.com/v1 Any",
            "rbac.authorization.k8s.io/v1 RoleBinding",
            "kustomize.toolkit.fluxcd.io/v1 Kustomization",
            "operators.coreos.com/v1alpha1 ClusterServiceVersion",
        ];
        let mut things: Vec<_> = kinds
            .iter()
            .map(|kind| object(kind, "shop/odd", body.clone()))
            .collect();
        for kind in [
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration",
        ] {
            things.push(object(kind, "odd", body.clone()));
        }
        let planned = with(things).plan().unwrap();
        assert!(planned.broken.is_empty(), "{:?}", planned.broken);
    }
}
