//! What else a random application holds: an operator with its definition, accounts and rights, jobs, odd configuration, and
//! what is at the second site beforehand.

use refloat_core::inventory::Resource;
use serde_json::json;

use super::{Drawing, OPERATOR, deployment};
use crate::sim::resource;

const RBAC: &str = "rbac.authorization.k8s.io";

impl Drawing<'_> {
    pub(super) fn extras(&mut self) {
        if self.lots.chance(35) {
            let namespace = self.namespace();
            self.operator(&namespace);
        }
        if self.lots.chance(25) {
            let namespace = self.namespace();
            self.owned_role(&namespace);
        }
        if self.lots.chance(45) {
            let namespace = self.namespace();
            self.jobs(&namespace);
        }
        for index in 0..self.lots.below(3) {
            let namespace = self.namespace();
            let name = format!("odd{index}");
            let body = json!({ "data": { "text": "a: 1\nb: \"ü\"\n", "empty": "" }, "labels": { "odd": "yes" } });
            self.put("ConfigMap", Some(&namespace), &name, body);
        }
        if self.lots.chance(20) {
            let namespace = self.namespace();
            let spec = json!({ "podSelector": {}, "policyTypes": ["Ingress"] });
            self.put(
                "NetworkPolicy",
                Some(&namespace),
                "closed",
                json!({ "spec": spec }),
            );
        }
    }

    /// A definition, its operator with account and rights, and one or two resources of it.
    fn operator(&mut self, namespace: &str) {
        let at = Some(namespace);
        self.put("ServiceAccount", at, "operator", json!({}));
        let rules = json!([{
            "apiGroups": ["chaos.example.com"], "resources": ["caches", "caches/status"],
            "verbs": ["get", "list", "watch", "update", "patch"],
        }]);
        self.put("Role", at, "operator", json!({ "rules": rules }));
        let binding = json!({
            "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": "operator" },
            "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": namespace }],
        });
        self.put("RoleBinding", at, "operator", binding);
        let pod = json!({
            "serviceAccountName": "operator",
            "containers": [{ "name": "operator", "image": "refloat.local/operator:1" }],
        });
        let starts = 2 + self.lots.below(6);
        let body = deployment("operator", 1, starts, &pod);
        self.put("Deployment", at, "operator", body);
        let definition = json!({
            "annotations": { OPERATOR: format!("{namespace}/operator") },
            "spec": {
                "group": "chaos.example.com", "scope": "Namespaced",
                "names": { "kind": "Cache", "plural": "caches" },
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                    "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
                }],
            },
        });
        let name = "caches.chaos.example.com";
        self.put("CustomResourceDefinition", None, name, definition);
        let caches = Resource::namespaced("chaos.example.com/v1", "Cache", "caches");
        for index in 0..=self.lots.below(2) {
            let of = self.namespace();
            let body = json!({ "spec": { "size": "1Gi" } });
            self.put_as(&caches, Some(&of), &format!("cache{index}"), body);
        }
        self.say(format!("operator {namespace}/operator with its caches"));
    }

    /// A ClusterRole that only an account of ours uses.
    fn owned_role(&mut self, namespace: &str) {
        self.put("ServiceAccount", Some(namespace), "reader", json!({}));
        let rules =
            json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"] }]);
        self.put(
            "ClusterRole",
            None,
            "chaos-reader",
            json!({ "rules": rules }),
        );
        let binding = json!({
            "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": "chaos-reader" },
            "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": namespace }],
        });
        self.put("ClusterRoleBinding", None, "chaos-reader", binding);
        self.say(format!("a ClusterRole of {namespace}/reader"));
    }

    /// A CronJob, and a Job that is finished.
    fn jobs(&mut self, namespace: &str) {
        let pod = json!({ "restartPolicy": "Never", "containers": [{ "name": "job", "image": "job:1" }] });
        let spec = json!({
            "schedule": "@daily", "jobTemplate": { "spec": { "template": { "spec": pod } } },
        });
        self.put(
            "CronJob",
            Some(namespace),
            "nightly",
            json!({ "spec": spec }),
        );
        let status = json!({ "succeeded": 1, "completionTime": "2025-12-01T00:00:00Z" });
        let body = json!({ "spec": { "template": { "spec": pod } }, "status": status });
        self.put("Job", Some(namespace), "migration", body);
        self.say(format!("a CronJob and a finished Job in {namespace}"));
    }

    /// Sometimes there is something at the second site already.
    pub(super) fn existing(&mut self) {
        if !self.lots.chance(15) {
            return;
        }
        let namespace = self.namespace();
        let map = self
            .made
            .objects
            .iter()
            .find(|(kind, object)| {
                kind.kind == "ConfigMap" && object["metadata"]["namespace"] == json!(namespace)
            })
            .map(|(_, object)| object["metadata"]["name"].clone());
        let name = map.unwrap_or_else(|| json!("before"));
        self.made.existing.push((
            resource("Namespace"),
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        ));
        self.made.existing.push((
            resource("ConfigMap"),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": name, "namespace": namespace }, "data": { "url": "mine" },
            }),
        ));
        self.say(format!(
            "at the second site already: ConfigMap {namespace}/{name}"
        ));
    }
}
