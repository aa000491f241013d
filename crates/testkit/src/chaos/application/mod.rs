//! A random application: namespaces with databases, workloads, configuration and what else a cluster holds.
//!
//! Drawn from lots; knows nothing of plans and engines. Called by `ground`.

mod databases;
mod extras;
mod gates;
mod hooks;
mod owners;
mod workloads;

pub(super) use gates::ALL_READY;
pub(super) use hooks::OPERATOR_NAME;

use std::collections::BTreeMap;

use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::lots::Lots;
use crate::sim::{Database, resource};

/// Annotation of a simulated workload: a command of it may be given once only.
pub(super) const ONCE: &str = "sim.refloat.io/once";
/// Annotation of a simulated definition: where its operator is, `namespace/name`.
pub(super) const OPERATOR: &str = "sim.refloat.io/operator";

/// An application at its first site, and what is at the second one beforehand.
#[derive(Debug, Clone, Default)]
pub struct Application {
    /// Its namespaces.
    pub namespaces: Vec<String>,
    /// Objects as their owners wrote them.
    pub objects: Vec<(Resource, Value)>,
    /// Database servers that are not as usual, by pod `namespace/name`.
    pub databases: BTreeMap<String, Database>,
    /// Children of a Deployment: namespace, owner, name.
    pub children: Vec<(String, String, String)>,
    /// Resources of an operator, namespace and name, that own the claims of their namespace.
    pub claim_owners: BTreeMap<String, String>,
    /// Objects at the second site beforehand: they are kept (`--existing skip`).
    pub existing: Vec<(Resource, Value)>,
    /// What it is, a line each.
    pub lines: Vec<String>,
}

/// An application in the making.
pub(super) struct Drawing<'l> {
    lots: &'l mut Lots,
    made: Application,
    /// Services of databases: namespace and name.
    servers: Vec<(String, String)>,
}

impl Application {
    /// Draws one.
    pub fn draw(lots: &mut Lots) -> Self {
        let count = *lots.pick(&[1, 1, 1, 2, 2, 3]);
        let mut drawing = Drawing {
            lots,
            made: Self::default(),
            servers: Vec::new(),
        };
        for name in ["shop", "stock", "mail"].iter().take(count) {
            drawing.made.namespaces.push((*name).to_owned());
            drawing.put("Namespace", None, name, json!({}));
        }
        drawing.databases();
        drawing.workloads();
        drawing.extras();
        drawing.existing();
        drawing.gates();
        drawing.owners();
        drawing.hooks();
        drawing.made
    }
}

/// Who may have written an object.
const OWNERS: &[&[(&str, &str)]] = &[
    &[("helm", "Update")],
    &[("argocd-controller", "Apply")],
    &[("kubectl-client-side-apply", "Update")],
    &[("helm", "Update"), ("argocd-controller", "Apply")],
];

impl Drawing<'_> {
    fn namespace(&mut self) -> String {
        self.lots.pick(&self.made.namespaces).clone()
    }

    /// Adds an object: `labels` and `annotations` of the body go into its metadata.
    fn put(&mut self, kind: &str, namespace: Option<&str>, name: &str, body: Value) {
        self.put_as(&resource(kind), namespace, name, body);
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "bodies are written where they are used"
    )]
    fn put_as(&mut self, resource: &Resource, namespace: Option<&str>, name: &str, body: Value) {
        let owners = *self.lots.pick(OWNERS);
        let managed: Vec<Value> = owners
            .iter()
            .map(|(manager, operation)| {
                json!({
                    "manager": manager, "operation": operation, "time": "2025-12-01T00:00:00Z",
                    "apiVersion": resource.api_version(), "fieldsType": "FieldsV1",
                    "fieldsV1": { "f:spec": {}, "f:data": {} },
                })
            })
            .collect();
        let mut object = json!({
            "apiVersion": resource.api_version(), "kind": resource.kind,
            "metadata": { "name": name, "managedFields": managed },
        });
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        for (key, value) in body.as_object().into_iter().flatten() {
            if matches!(key.as_str(), "annotations" | "labels") {
                object["metadata"][key] = value.clone();
            } else {
                object[key] = value.clone();
            }
        }
        self.made.objects.push((resource.clone(), object));
    }

    fn service(&mut self, namespace: &str, name: &str, headless: bool) {
        let ports = json!([{ "port": 80, "nodePort": 30080 }]);
        let mut spec = json!({ "selector": { "app": name }, "ports": ports });
        if headless {
            spec["clusterIP"] = json!("None");
        }
        self.put("Service", Some(namespace), name, json!({ "spec": spec }));
    }

    fn say(&mut self, line: String) {
        self.made.lines.push(line);
    }
}

/// A StatefulSet's body with these templates of claims.
fn stateful_set(name: &str, replicas: u32, pod: &Value, volumes: &[&str]) -> Value {
    let template = |volume: &&str| {
        json!({
            "metadata": { "name": volume },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
                "resources": { "requests": { "storage": "1Gi" } },
            },
        })
    };
    let templates: Vec<Value> = volumes.iter().map(template).collect();
    json!({ "spec": {
        "replicas": replicas, "serviceName": name,
        "selector": { "matchLabels": { "app": name } },
        "volumeClaimTemplates": templates,
        "template": { "metadata": { "labels": { "app": name } }, "spec": pod },
    } })
}

/// A Deployment's body.
fn deployment(name: &str, replicas: u32, starts_seconds: usize, pod: &Value) -> Value {
    let starts = starts_seconds.to_string();
    json!({ "spec": {
        "replicas": replicas,
        "selector": { "matchLabels": { "app": name } },
        "template": {
            "metadata": { "labels": { "app": name }, "annotations": { "sim.refloat.io/starts": starts } },
            "spec": pod,
        },
    } })
}
