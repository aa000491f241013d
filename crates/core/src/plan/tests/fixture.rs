//! A small application, the point that holds it and the site that it is to come back to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::backup::{Member, Mode, Part, PointContent, Required};
use crate::driver::Problem;
use crate::inventory::{Inventory, Resource, Thing, ThingId};
use crate::names::{ProtectionName, RunId, SiteName};
use crate::plan::{Connections, Evidence, Goal, NodePorts, Planned, Selection, plan};
use crate::recovery::Existing;

pub(in crate::plan) struct Case {
    pub(in crate::plan) point: PointContent,
    pub(in crate::plan) objects: Inventory,
    pub(in crate::plan) target: Inventory,
    pub(in crate::plan) goal: Goal,
}

impl Case {
    pub(in crate::plan) fn plan(&self) -> Result<Planned, Vec<Problem>> {
        plan(
            "shop/12",
            &self.point,
            &self.objects,
            &self.target,
            &self.goal,
        )
    }
}

pub(in crate::plan) fn resource(kind: &str) -> Resource {
    let namespaced = |version: &str| {
        let plural = format!("{}s", kind.to_lowercase());
        Resource::namespaced(version, kind, &plural)
    };
    let cluster = |version: &str| {
        let plural = format!("{}s", kind.to_lowercase());
        Resource::cluster(version, kind, &plural)
    };
    match kind {
        "Namespace" | "PersistentVolume" | "Node" => cluster("v1"),
        "StorageClass" | "CSIDriver" => cluster("storage.k8s.io/v1"),
        "ValidatingWebhookConfiguration" => cluster("admissionregistration.k8s.io/v1"),
        "APIService" => cluster("apiregistration.k8s.io/v1"),
        "IngressClass" => cluster("networking.k8s.io/v1"),
        "CustomResourceDefinition" => cluster("apiextensions.k8s.io/v1"),
        "StatefulSet" | "Deployment" | "DaemonSet" | "ReplicaSet" => namespaced("apps/v1"),
        "Job" | "CronJob" => namespaced("batch/v1"),
        "Ingress" => Resource::namespaced("networking.k8s.io/v1", kind, "ingresses"),
        "Role" | "RoleBinding" => namespaced("rbac.authorization.k8s.io/v1"),
        "Cache" => namespaced("shop.example.com/v1"),
        _ => namespaced("v1"),
    }
}

/// An object of namespace `shop`, or of the cluster.
pub(in crate::plan) fn thing(kind: &str, name: &str, body: &Value) -> Thing {
    let resource = resource(kind);
    let mut object = json!({
        "apiVersion": resource.api_version(), "kind": kind,
        "metadata": { "name": name, "uid": format!("{kind}-{name}"), "resourceVersion": "7" },
    });
    if resource.namespaced {
        object["metadata"]["namespace"] = json!("shop");
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
    Thing::new(resource, object).unwrap()
}

/// What runs pods, labelled with its name.
pub(in crate::plan) fn workload(kind: &str, name: &str, pod: &Value) -> Thing {
    let labels = json!({ "app": name });
    let spec = json!({ "spec": {
        "replicas": 1, "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": pod },
    } });
    let mut thing = thing(kind, name, &spec);
    if kind == "StatefulSet" {
        thing.edit(|it| {
            it["spec"]["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" } }]);
        });
    }
    thing
}

pub(in crate::plan) fn service(name: &str) -> Thing {
    thing(
        "Service",
        name,
        &json!({ "spec": { "selector": { "app": name } } }),
    )
}

fn operator() -> Vec<Thing> {
    let rules = json!([{
        "apiGroups": ["shop.example.com"], "resources": ["caches"], "verbs": ["update"],
    }]);
    let subjects = json!([{ "kind": "ServiceAccount", "name": "operator" }]);
    let names = json!({ "kind": "Cache", "plural": "caches" });
    vec![
        thing("ServiceAccount", "operator", &json!({})),
        thing("Role", "operator", &json!({ "rules": rules })),
        thing(
            "RoleBinding",
            "operator",
            &json!({ "roleRef": { "kind": "Role", "name": "operator" }, "subjects": subjects }),
        ),
        workload(
            "Deployment",
            "operator",
            &json!({ "serviceAccountName": "operator" }),
        ),
        thing(
            "CustomResourceDefinition",
            "caches.shop.example.com",
            &json!({ "spec": { "group": "shop.example.com", "names": names } }),
        ),
        thing("Cache", "sessions", &json!({ "spec": { "size": "1Gi" } })),
    ]
}

fn objects() -> Inventory {
    let password = json!({ "secretKeyRef": { "name": "database", "key": "password" } });
    let web = json!({ "containers": [{
        "name": "web", "env": [{ "name": "PASSWORD", "valueFrom": password }],
        "envFrom": [{ "configMapRef": { "name": "web" } }],
    }] });
    let rules = json!([{ "http": { "paths": [{ "backend": { "service": { "name": "web" } } }] } }]);
    let finished = json!({ "status": { "completionTime": "2026-01-01T00:00:00Z" } });
    let mut things = vec![
        thing("Namespace", "shop", &json!({})),
        thing("ServiceAccount", "default", &json!({})),
        thing("Secret", "database", &json!({ "data": {} })),
        thing(
            "ConfigMap",
            "web",
            &json!({ "data": { "url": "postgres://shop@db:5432/shop" } }),
        ),
        service("db"),
        service("web"),
        workload("StatefulSet", "db", &json!({ "containers": [] })),
        workload("Deployment", "web", &web),
        thing("Ingress", "web", &json!({ "spec": { "rules": rules } })),
        thing("PersistentVolumeClaim", "data-db-0", &json!({ "spec": {} })),
        thing("Job", "migrate", &finished),
    ];
    things.extend(operator());
    let mut inventory = Inventory::of(things);
    "v1.33.1".clone_into(&mut inventory.kubernetes_version);
    inventory
}

pub(in crate::plan) fn part(id: &str) -> Part {
    let (namespace, name) = id.split_once('/').unwrap();
    Part {
        id: id.to_owned(),
        driver: "csi-snapshot".to_owned(),
        claim: json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": namespace, "uid": "old" },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "slow", "volumeName": "pv-1",
                "resources": { "requests": { "storage": "1Gi" } },
            },
        }),
        storage_class: "slow".to_owned(),
        csi_driver: "btrfs.csi.refloat.io".to_owned(),
        capacity: "2Gi".to_owned(),
        cut: "2026-01-01T00:00:00Z".parse().unwrap(),
        snapshot_handle: "handle".to_owned(),
        snapshot: "snapshot".to_owned(),
        tree: "tree".to_owned(),
        files: 3,
        bytes: 50 * 1024 * 1024,
        bytes_added: 1,
    }
}

pub(in crate::plan) fn database(name: &str) -> Member {
    Member {
        name: format!("shop/{name}"),
        driver: "postgresql".to_owned(),
        thing: ThingId::namespaced("apps", "StatefulSet", "shop", name),
        mode: Mode::AtomicVolume,
        evidence: Vec::new(),
        engine: BTreeMap::from([("system_identifier".to_owned(), "7".to_owned())]),
        settings: BTreeMap::new(),
        parts: vec![format!("shop/data-{name}-0")],
        held: None,
    }
}

fn point() -> PointContent {
    PointContent {
        protection: ProtectionName::new("shop").unwrap(),
        site: SiteName::new("primary").unwrap(),
        run: RunId::new("backup-1").unwrap(),
        namespaces: vec!["shop".to_owned()],
        spec: json!({}),
        kubernetes_version: "v1.33.1".to_owned(),
        cluster_uid: "cluster-a".to_owned(),
        architectures: Vec::new(),
        began: "2026-01-01T00:00:00Z".parse().unwrap(),
        members: vec![database("db")],
        parts: vec![part("shop/data-db-0")],
        capture: None,
        objects: None,
        required: vec![Required {
            thing: ThingId::cluster("networking.k8s.io", "IngressClass", "nginx"),
            why: "Ingress.networking.k8s.io shop/web (spec.ingressClassName)".to_owned(),
        }],
        owned: vec![ThingId::cluster(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "caches.shop.example.com",
        )],
        findings: Vec::new(),
        gates: Vec::new(),
    }
}

fn target() -> Inventory {
    let mut inventory = Inventory::of([
        thing("Namespace", "kube-system", &json!({})),
        thing("StorageClass", "slow", &json!({})),
        thing("IngressClass", "nginx", &json!({})),
    ]);
    let kinds = [
        "Namespace",
        "Secret",
        "ConfigMap",
        "Service",
        "ServiceAccount",
        "PersistentVolumeClaim",
        "StatefulSet",
        "Deployment",
        "Job",
        "Ingress",
        "Role",
        "RoleBinding",
        "CustomResourceDefinition",
    ];
    inventory.served = kinds.iter().map(|kind| resource(kind)).collect();
    "v1.34.4".clone_into(&mut inventory.kubernetes_version);
    inventory
}

/// Nothing stands against it.
pub(in crate::plan) fn case() -> Case {
    Case {
        point: point(),
        objects: objects(),
        target: target(),
        goal: Goal {
            run: RunId::new("restore-1").unwrap(),
            site: SiteName::new("secondary").unwrap(),
            evidence: Some(Evidence::SourceStopped {
                proof: "no pod is left".to_owned(),
            }),
            existing: Existing::Fail,
            node_ports: NodePorts::Anew,
            storage_classes: BTreeMap::new(),
            mappings: crate::plan::Mappings::default(),
            mover_image: "refloat.local/refloat:dev".to_owned(),
            cluster_uid: "cluster-b".to_owned(),
            selection: Selection::default(),
            skip_gates: BTreeSet::new(),
            connections: Connections::default(),
        },
    }
}
