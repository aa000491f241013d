//! A whole application at its first site, an empty second site, and the point that lies between them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use refloat_core::backup::{self, Mode, PointContent};
use refloat_core::drive::Drive;
use refloat_core::inventory::{Inventory, Resource, scope};
use refloat_core::names::SiteName;
use refloat_core::plan::{Evidence, Goal, Mappings, NodePorts, Selection};
use refloat_core::recovery::Existing;
use refloat_core::run::End;
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{SimWorld, Store, resource};
use serde_json::{Value, json};

use crate::driving::drive;
use crate::shop;

pub(crate) fn caches() -> Resource {
    Resource::namespaced("shop.example.com/v1", "Cache", "caches")
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "bodies are written where they are used"
)]
/// Everything that a manifest needs beyond its body: kind, name, who wrote it.
fn put(store: &mut Store, kind: &str, name: &str, owner: (&str, &str), body: Value) {
    let resource = if kind == "Cache" {
        caches()
    } else {
        resource(kind)
    };
    let mut object = json!({
        "apiVersion": resource.api_version(), "kind": kind,
        "metadata": { "name": name, "managedFields": [{
            "manager": owner.0, "operation": owner.1, "time": "2025-12-01T00:00:00Z",
            "apiVersion": resource.api_version(), "fieldsType": "FieldsV1",
            "fieldsV1": { "f:spec": {}, "f:data": {} },
        }] },
    });
    if resource.namespaced {
        object["metadata"]["namespace"] = json!("shop");
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if key == "annotations" {
            object["metadata"]["annotations"] = value.clone();
        } else {
            object[key] = value.clone();
        }
    }
    store.seed(&resource, object);
}

fn deployment(app: &str, pod: &Value) -> Value {
    json!({ "spec": {
        "replicas": 1,
        "selector": { "matchLabels": { "app": app } },
        "template": { "metadata": { "labels": { "app": app } }, "spec": pod },
    } })
}

const HELM: (&str, &str) = ("helm", "Update");
const ARGO: (&str, &str) = ("argocd-controller", "Apply");

fn configuration(store: &mut Store) {
    put(
        store,
        "Secret",
        "database",
        HELM,
        json!({ "type": "Opaque", "data": { "password": "eA==" } }),
    );
    put(
        store,
        "ConfigMap",
        "web",
        HELM,
        json!({ "data": { "url": "postgres://shop@db:5432/shop" } }),
    );
    for app in ["db", "web"] {
        let ports = json!([{ "port": 80, "nodePort": 30080 }]);
        put(
            store,
            "Service",
            app,
            HELM,
            json!({ "spec": { "selector": { "app": app }, "ports": ports } }),
        );
    }
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    put(
        store,
        "Ingress",
        "web",
        HELM,
        json!({ "spec": { "ingressClassName": "nginx", "rules": [{ "http": { "paths": [
            { "path": "/", "pathType": "Prefix", "backend": backend },
        ] } }] } }),
    );
}

fn operator(store: &mut Store) {
    put(store, "ServiceAccount", "cache-operator", ARGO, json!({}));
    put(
        store,
        "Role",
        "cache-operator",
        ARGO,
        json!({ "rules": [{
            "apiGroups": ["shop.example.com"], "resources": ["caches", "caches/status"],
            "verbs": ["get", "list", "watch", "update", "patch"],
        }] }),
    );
    put(
        store,
        "RoleBinding",
        "cache-operator",
        ARGO,
        json!({
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cache-operator",
            },
            "subjects": [{ "kind": "ServiceAccount", "name": "cache-operator", "namespace": "shop" }],
        }),
    );
    let pod = json!({
        "serviceAccountName": "cache-operator",
        "containers": [{ "name": "operator", "image": "refloat.local/cache-operator:1" }],
    });
    let mut slow = deployment("cache-operator", &pod);
    // It starts after the database, so that nothing but its own gate holds its resources back.
    slow["spec"]["template"]["metadata"]["annotations"] = json!({ "sim.refloat.io/starts": "6" });
    put(store, "Deployment", "cache-operator", ARGO, slow);
    put(
        store,
        "CustomResourceDefinition",
        "caches.shop.example.com",
        ARGO,
        json!({
            "annotations": { "sim.refloat.io/operator": "shop/cache-operator" },
            "spec": {
                "group": "shop.example.com", "scope": "Namespaced",
                "names": { "kind": "Cache", "plural": "caches" },
                // A definition without schema is refused by a real server, as its resources' status without subresource.
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                    "schema": { "openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    } },
                }],
            },
        }),
    );
    put(
        store,
        "Cache",
        "sessions",
        ARGO,
        json!({ "spec": { "size": "1Gi" } }),
    );
}

/// The shop with its web server, its operator and its way in.
pub(crate) fn source() -> SimWorld {
    let world = shop::world();
    world.with_store(|store| {
        configuration(store);
        operator(store);
        store.seed(
            &resource("IngressClass"),
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": { "name": "nginx" }, "spec": { "controller": "k8s.io/nginx" },
            }),
        );
        let password = json!({ "secretKeyRef": { "name": "database", "key": "password" } });
        let pod = json!({ "containers": [{
            "name": "web", "image": "refloat.local/web:1",
            "env": [{ "name": "PASSWORD", "valueFrom": password }],
            "envFrom": [{ "configMapRef": { "name": "web" } }],
        }] });
        put(store, "Deployment", "web", HELM, deployment("web", &pod));
    });
    world.settle(80);
    world
}

/// The second site: storage and an ingress class, nothing else.
pub(crate) fn target() -> SimWorld {
    let mut store = Store::default();
    "8000000000000000008".clone_into(&mut store.new_database);
    for (kind, name, body) in [
        ("Namespace", "kube-system", json!({})),
        (
            "StorageClass",
            "btrfs",
            json!({ "provisioner": "btrfs.csi.refloat.io" }),
        ),
        (
            "IngressClass",
            "nginx",
            json!({ "spec": { "controller": "k8s.io/nginx" } }),
        ),
    ] {
        put(&mut store, kind, name, ("kubeadm", "Update"), body);
    }
    let world = SimWorld::new(store);
    world.settle(5);
    world
}

/// A sealed point and the objects that were stored with it.
pub(crate) struct Sealed {
    pub(crate) point: PointContent,
    pub(crate) objects: Inventory,
}

/// Backs the source up; the objects go through the layout in which they are stored.
pub(crate) fn sealed(source: &SimWorld) -> Sealed {
    sealed_at_least(source, Mode::AtomicVolume)
}

/// The same with copies that are no better than this.
pub(crate) fn sealed_at_least(source: &SimWorld, mode: Mode) -> Sealed {
    let mut goal = shop::goal("backup-1");
    goal.minimum_mode = mode;
    let inventory = source.inventory();
    let reach = scope(&inventory, &goal.namespaces);
    goal.required = reach.required;
    goal.owned = reach.owned;
    let planned = backup::plan(&inventory, &goal, CATALOGUE).unwrap();
    let end = drive(source, &planned.plan, &RefCell::default());
    assert_eq!(end, Ok(Drive::Ended(End::Completed)), "the backup");
    let point: PointContent = serde_json::from_value(source.sealed.borrow()[0].clone()).unwrap();
    let now = source.inventory();
    let stored = now.into_things().filter(|thing| {
        thing.namespace() == Some("shop")
            || thing.id().is("", "Namespace") && thing.name() == "shop"
            || point.owned.contains(&thing.id())
    });
    let objects = backup::unpack(backup::pack(stored, "v1.34.4")).unwrap();
    Sealed { point, objects }
}

pub(crate) fn goal(run: &str) -> Goal {
    Goal {
        run: shop::run_id(run),
        site: SiteName::new("secondary").unwrap(),
        evidence: Some(Evidence::SourceDead {
            reason: "the data centre is gone".to_owned(),
        }),
        existing: Existing::Fail,
        node_ports: NodePorts::Anew,
        storage_classes: BTreeMap::new(),
        mappings: Mappings::default(),
        mover_image: "refloat.local/refloat:dev".to_owned(),
        cluster_uid: "cluster-b".to_owned(),
        selection: Selection::default(),
        skip_gates: std::collections::BTreeSet::new(),
        connections: refloat_core::plan::Connections::default(),
    }
}
