//! What a point keeps of Flux's own namespace, and that it keeps no more.

use serde_json::{Value, json};

use super::{scope, thing};
use crate::backup::{pack, unpack};
use crate::inventory::{Inventory, Resource, Thing, ThingId, flux_order};

const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const HELM: &str = "helm.toolkit.fluxcd.io";

fn by(group: &str, namespace: &str, name: &str) -> Value {
    json!({ format!("{group}/name"): name, format!("{group}/namespace"): namespace })
}

fn source(kind: &str, namespace: &str, name: &str, labels: &Value, spec: &Value) -> Thing {
    let group = if kind == "HelmRelease" {
        HELM
    } else {
        KUSTOMIZE
    };
    let resource = Resource::namespaced(&format!("{group}/v1"), kind, "sources");
    let mut thing = thing(resource, Some(namespace), name, &json!({ "spec": spec }));
    thing.edit(|it| it["metadata"]["labels"] = labels.clone());
    thing
}

fn config(name: &str, labels: &Value) -> Thing {
    let resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
    let mut thing = thing(resource, Some("shop"), name, &json!({}));
    thing.edit(|it| it["metadata"]["labels"] = labels.clone());
    thing
}

fn cluster() -> Inventory {
    let none = json!({});
    let release = json!({ "dependsOn": [{ "name": "db", "namespace": "data" }], "values": { "password": "secret" } });
    let apps = json!({ "dependsOn": [{ "name": "infra" }, null, { "name": 7 }], "wait": true, "path": "./apps" });
    Inventory::of([
        config("web", &by(HELM, "flux-system", "web")),
        config("odd", &json!({ format!("{HELM}/name"): "odd" })),
        config("own", &by(KUSTOMIZE, "shop", "own")),
        source(
            "Kustomization",
            "shop",
            "own",
            &none,
            &json!({ "dependsOn": [{ "name": "gone" }] }),
        ),
        source(
            "HelmRelease",
            "flux-system",
            "web",
            &by(KUSTOMIZE, "flux-system", "apps"),
            &release,
        ),
        source("HelmRelease", "data", "db", &none, &none),
        source(
            "Kustomization",
            "flux-system",
            "apps",
            &by(KUSTOMIZE, "flux-system", "apps"),
            &apps,
        ),
        source(
            "Kustomization",
            "flux-system",
            "infra",
            &none,
            &json!({ "dependsOn": [{ "name": "apps" }] }),
        ),
        source("Kustomization", "flux-system", "stranger", &none, &none),
    ])
}

#[test]
fn a_point_keeps_what_flux_says_of_the_order_and_no_more() {
    let kept = flux_order(&cluster(), &["shop".to_owned()], &[]);
    let mut names: Vec<String> = kept.iter().map(|thing| thing.id().to_string()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "HelmRelease.helm.toolkit.fluxcd.io data/db",
            "HelmRelease.helm.toolkit.fluxcd.io flux-system/web",
            "Kustomization.kustomize.toolkit.fluxcd.io flux-system/apps",
            "Kustomization.kustomize.toolkit.fluxcd.io flux-system/infra",
        ]
    );
    let stored = unpack(pack(kept, "v1.34.4")).unwrap();
    let find = |group: &str, kind: &str, name: &str| {
        stored
            .find(group, kind, "flux-system", name)
            .unwrap()
            .as_read()
    };
    let web = find(HELM, "HelmRelease", "web");
    assert_eq!(
        web["spec"],
        json!({ "dependsOn": [{ "name": "db", "namespace": "data" }] })
    );
    assert_eq!(
        web["metadata"]["labels"],
        by(KUSTOMIZE, "flux-system", "apps")
    );
    let apps = find(KUSTOMIZE, "Kustomization", "apps");
    assert_eq!(apps["spec"]["wait"], true);
    assert!(apps["spec"].get("path").is_none());
    assert_eq!(flux_order(&cluster(), &[], &[]), []);
}

#[test]
fn an_operator_elsewhere_counts_though_of_its_namespace_only_flux_is_read() {
    let operator = |namespace: &str| {
        let grant = json!({
            "rules": [{ "apiGroups": ["shop.example.com"], "resources": ["caches"], "verbs": ["update"] }],
            "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": namespace }],
            "roleRef": { "kind": "ClusterRole", "name": namespace },
        });
        ["ClusterRole", "ClusterRoleBinding"].map(|kind| {
            let resource = Resource::cluster("rbac.authorization.k8s.io/v1", kind, "rights");
            thing(resource, None, namespace, &grant)
        })
    };
    let names = json!({ "kind": "Cache", "plural": "caches" });
    let definition = thing(
        Resource::cluster(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "crds",
        ),
        None,
        "caches.shop.example.com",
        &json!({ "spec": { "group": "shop.example.com", "names": names } }),
    );
    let pod = json!({ "spec": { "template": { "spec": { "serviceAccountName": "operator" } } } });
    let deployment = Resource::namespaced("apps/v1", "Deployment", "deployments");
    let deployment = thing(deployment, Some("shop"), "operator", &pod);
    let mut all: Vec<Thing> = vec![definition.clone(), deployment];
    all.extend(operator("shop"));
    let owned = |all: &[Thing]| {
        let scope = scope(&Inventory::of(all.to_vec()), &["shop".to_owned()]);
        let definition: ThingId = definition.id();
        scope.owned.contains(&definition)
    };
    assert!(owned(&all), "its one operator is protected");
    all.extend(operator("flux-system"));
    assert!(!owned(&all), "another one is not");
    all.push(source(
        "Kustomization",
        "flux-system",
        "apps",
        &json!({}),
        &json!({}),
    ));
    assert!(!owned(&all), "and is none the less for what else is read");
}

#[test]
fn what_flux_says_of_something_owned_is_kept_too() {
    let binding = Resource::cluster("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "x");
    let mut binding = thing(binding, None, "shop", &json!({}));
    binding.edit(|it| it["metadata"]["labels"] = by(KUSTOMIZE, "flux-system", "rights"));
    let none = json!({});
    let rights = source("Kustomization", "flux-system", "rights", &none, &none);
    let cluster = Inventory::of(vec![binding.clone(), rights.clone()]);
    let kept = |owned: &[ThingId]| {
        let kept = flux_order(&cluster, &["shop".to_owned()], owned);
        kept.iter().map(Thing::id).collect::<Vec<ThingId>>()
    };
    assert_eq!(kept(&[]), []);
    assert_eq!(kept(&[binding.id()]), [rights.id()]);
}

#[test]
fn a_right_of_a_namespace_of_which_only_rights_are_read_makes_nobody_an_operator() {
    let names = json!({ "kind": "Cache", "plural": "caches" });
    let crds = "apiextensions.k8s.io/v1";
    let definition = thing(
        Resource::cluster(crds, "CustomResourceDefinition", "crds"),
        None,
        "caches.shop.example.com",
        &json!({ "spec": { "group": "shop.example.com", "names": names } }),
    );
    let pod = json!({ "spec": { "template": { "spec": { "serviceAccountName": "operator" } } } });
    let deployment = Resource::namespaced("apps/v1", "Deployment", "deployments");
    let mut all = vec![
        definition.clone(),
        thing(deployment, Some("shop"), "operator", &pod),
    ];
    for namespace in ["shop", "bank"] {
        let rights = json!({
            "rules": [{ "apiGroups": ["shop.example.com"], "resources": ["caches"], "verbs": ["update"] }],
            "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": namespace }],
            "roleRef": { "kind": "Role", "name": "operator" },
        });
        for kind in ["Role", "RoleBinding"] {
            let resource = Resource::namespaced("rbac.authorization.k8s.io/v1", kind, "rights");
            all.push(thing(resource, Some(namespace), "operator", &rights));
        }
    }
    let scope = scope(&Inventory::of(all), &["shop".to_owned()]);
    let definition: ThingId = definition.id();
    assert!(scope.owned.contains(&definition), "{:?}", scope.required);
}
