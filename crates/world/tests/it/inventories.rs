//! What is read of a cluster, and what is said about what could not be read.

use refloat_world::{CLUSTER_KINDS, EVERYWHERE_KINDS, InventoryScope, SKIPPED_KINDS, Skip};
use serde_json::{Value, json};

use crate::fake::{Asked, Say, Server, status};

pub(crate) fn resource(plural: &str, kind: &str, scope: &str, verbs: &[&str]) -> Value {
    json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope,
        "singularResource": kind.to_lowercase(), "verbs": verbs})
}

pub(crate) fn group(name: &str, versions: &Value) -> Value {
    json!({"metadata": {"name": name, "creationTimestamp": null}, "versions": versions})
}

pub(crate) fn discovery(items: &Value) -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

const ALL: &[&str] = &["create", "get", "list"];

fn core() -> Value {
    let resources = json!([
        resource("configmaps", "ConfigMap", "Namespaced", ALL),
        resource("bindings", "Binding", "Namespaced", &["create"]),
        resource("events", "Event", "Namespaced", ALL),
        resource("endpoints", "Endpoints", "Namespaced", ALL),
        resource("namespaces", "Namespace", "Cluster", ALL),
        resource("componentstatuses", "ComponentStatus", "Cluster", ALL),
    ]);
    discovery(&json!([group(
        "",
        &json!([{"version": "v1", "freshness": "Current", "resources": resources}])
    )]))
}

fn groups() -> Value {
    let old = json!([
        resource("widgets", "Widget", "Namespaced", ALL),
        resource("gone", "Gone", "Namespaced", ALL)
    ]);
    let new = json!([
        resource("widgets", "Widget", "Namespaced", ALL),
        resource("catalogue", "Catalogue", "Namespaced", &["get", "list"]),
    ]);
    let views = json!([
        resource("roles", "Role", "Namespaced", ALL),
        resource("rolebindings", "RoleBinding", "Namespaced", ALL),
    ]);
    discovery(&json!([
        group(
            "x.io",
            &json!([
                {"version": "v2", "freshness": "Current", "resources": new},
                {"version": "v1", "freshness": "Current", "resources": old},
            ])
        ),
        group(
            "authorization.openshift.io",
            &json!([{"version": "v1", "freshness": "Current", "resources": views}])
        ),
        group(
            "away.io",
            &json!([{"version": "v1", "freshness": "Stale", "resources": []}])
        ),
        group(
            "metrics.k8s.io",
            &json!([{"version": "v1beta1", "freshness": "Stale", "resources": []}])
        ),
        group(
            "external.metrics.k8s.io",
            &json!([{"version": "v1beta1", "freshness": "Stale", "resources": []}])
        ),
    ]))
}

fn items(names: &[&str]) -> Say {
    let items: Vec<Value> = names
        .iter()
        .map(|name| json!({"metadata": {"name": name, "namespace": "shop"}}))
        .collect();
    Say::Json(200, json!({"metadata": {}, "items": items}))
}

pub(crate) fn cluster(asked: &Asked) -> Option<Say> {
    let forbidden = "gone.x.io is forbidden: User \"me\" cannot list resource \"gone\" in API group \"x.io\" in the \
                     namespace \"shop\"";
    match asked.path.as_str() {
        "/api" => Some(Say::Json(200, core())),
        "/apis" => Some(Say::Json(200, groups())),
        "/api/v1/namespaces" => {
            let all =
                ["bank", "kube-system", "shop"].map(|name| json!({"metadata": {"name": name}}));
            Some(Say::Json(200, json!({"items": all})))
        }
        "/api/v1/namespaces/shop" => Some(Say::Json(200, json!({"metadata": {"name": "shop"}}))),
        "/api/v1/namespaces/shop/configmaps" => Some(items(&["a", "b"])),
        "/api/v1/namespaces/shop/endpoints" => Some(Say::Json(
            200,
            json!({"items": [
                {"metadata": {"name": "by-hand", "namespace": "shop"}},
                {"metadata": {"name": "by-controller", "namespace": "shop",
                    "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}},
            ]}),
        )),
        "/apis/x.io/v2/namespaces/shop/widgets" => Some(items(&["w"])),
        "/apis/x.io/v2/namespaces/shop/catalogue" => Some(items(&["computed"])),
        "/apis/authorization.openshift.io/v1/namespaces/shop/roles"
        | "/apis/authorization.openshift.io/v1/namespaces/shop/rolebindings" => {
            Some(items(&["view"]))
        }
        "/apis/x.io/v1/namespaces/shop/gone" => Some(Say::Json(
            403,
            status(403, "Forbidden", forbidden, &json!({})),
        )),
        _ => None,
    }
}

pub(crate) fn scope(namespaces: &[&str]) -> InventoryScope {
    InventoryScope {
        namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[tokio::test]
async fn everything_of_use_is_read_and_what_is_not_is_said() {
    let server = Server::start(cluster).await;
    let cluster = server.cluster().await;
    let inventory = cluster.inventory(&scope(&["shop", "shop"])).await.unwrap();
    let found: Vec<String> = inventory
        .iter()
        .map(|thing| thing.id().to_string())
        .collect();
    assert_eq!(
        found,
        [
            "ConfigMap shop/a",
            "ConfigMap shop/b",
            "Endpoints shop/by-hand",
            "Namespace bank",
            "Namespace kube-system",
            "Namespace shop",
            "Widget.x.io shop/w",
        ]
    );
    let widget = inventory.find("x.io", "Widget", "shop", "w").unwrap();
    assert_eq!(widget.text("/apiVersion"), Some("x.io/v2"));
    assert_eq!(widget.text("/kind"), Some("Widget"));
    assert_eq!(inventory.kubernetes_version, "v1.34.4");
    let versions = |kind: &str| -> Vec<&str> {
        let all = inventory.served.iter();
        all.filter(|one| (one.group.as_str(), one.kind.as_str()) == ("x.io", kind))
            .map(|one| one.version.as_str())
            .collect()
    };
    assert_eq!(
        (versions("Gone"), versions("Widget")),
        (vec!["v1"], vec!["v2"])
    );
    let unread: Vec<(&str, &str)> = inventory
        .unread
        .iter()
        .map(|unread| {
            (
                unread.resource.group.as_str(),
                unread.resource.plural.as_str(),
            )
        })
        .collect();
    assert_eq!(unread, [("away.io", "*"), ("x.io", "gone")]);
    assert!(
        inventory.unread[1].message.contains("forbidden"),
        "{:?}",
        inventory.unread[1]
    );
    assert_eq!(inventory.unread[1].namespace.as_deref(), Some("shop"));
    assert!(
        server
            .calls()
            .iter()
            .all(|call| !call.path.ends_with("/events"))
    );
}

/// Group, plural and kind.
type OfCluster = (&'static str, &'static str, &'static str);

/// Of a cluster with objects of this kind in two namespaces, what is read of them when only this path may be listed.
async fn everywhere((of, plural, kind): OfCluster, allowed: String) -> (Vec<String>, usize) {
    let server = Server::start(move |asked| {
        let one = |namespace: &str| json!({"metadata": {"name": "web", "namespace": namespace}});
        let kinds = json!([resource(plural, kind, "Namespaced", ALL)]);
        let served = group(
            of,
            &json!([{"version": "v1", "freshness": "Current", "resources": kinds}]),
        );
        match asked.path.strip_prefix(&format!("/apis/{of}/v1")) {
            Some(path) if path == allowed && path == format!("/{plural}") => Some(Say::Json(
                200,
                json!({"items": [one("bank"), one("shop")]}),
            )),
            Some(path) if path == allowed => {
                Some(Say::Json(200, json!({"items": [one("shop")]})))
            }
            Some(_) => {
                let message = format!(
                    "{plural}.{of} is forbidden: User \"me\" cannot list resource \"{plural}\" in API group \"{of}\" at the cluster scope"
                );
                Some(Say::Json(403, status(403, "Forbidden", &message, &json!({}))))
            }
            None if asked.path == "/apis" => Some(Say::Json(200, discovery(&json!([served])))),
            None => cluster(asked),
        }
    })
    .await;
    let inventory = server
        .cluster()
        .await
        .inventory(&scope(&["shop"]))
        .await
        .unwrap();
    let found = inventory
        .of_kind(of, kind)
        .map(|thing| thing.id().to_string())
        .collect();
    (found, inventory.unread.len())
}

#[tokio::test]
async fn bindings_and_fluxs_order_are_read_everywhere_and_where_that_is_forbidden_in_the_namespaces()
 {
    for of in [
        ("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
        (
            "kustomize.toolkit.fluxcd.io",
            "kustomizations",
            "Kustomization",
        ),
        ("helm.toolkit.fluxcd.io", "helmreleases", "HelmRelease"),
    ] {
        let (group, plural, kind) = of;
        let (shop, bank) = (
            format!("{kind}.{group} shop/web"),
            format!("{kind}.{group} bank/web"),
        );
        let all = everywhere(of, format!("/{plural}")).await;
        assert_eq!(all, (vec![bank, shop.clone()], 0));
        let near = everywhere(of, format!("/namespaces/shop/{plural}")).await;
        assert_eq!(near, (vec![shop], 0));
        assert_eq!(everywhere(of, "/nothing".to_owned()).await, (Vec::new(), 1));
    }
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_named_with_those_that_do() {
    let server = Server::start(cluster).await;
    let problem = server
        .cluster()
        .await
        .inventory(&scope(&["shop", "shpo"]))
        .await
        .unwrap_err();
    assert_eq!(problem.code, "namespace-missing");
    assert_eq!(problem.message, "there is no namespace shpo");
    assert_eq!(problem.hint, "there are: bank, shop");
}

#[tokio::test]
async fn a_server_without_aggregated_discovery_is_not_an_empty_cluster() {
    let server = Server::start(|asked| {
        asked.path.starts_with("/api").then(|| {
            if asked.path == "/api" || asked.path == "/apis" {
                Say::Json(200, json!({"kind": "APIVersions", "versions": ["v1"]}))
            } else {
                Say::Json(200, json!({"metadata": {"uid": "u"}}))
            }
        })
    })
    .await;
    let problem = server
        .cluster()
        .await
        .inventory(&scope(&[]))
        .await
        .unwrap_err();
    assert_eq!(problem.code, "discovery-unsupported");
}

#[test]
fn the_lists_of_kinds_hold_each_kind_once_and_every_reason() {
    let mut kinds: Vec<(&str, &str)> = CLUSTER_KINDS
        .iter()
        .chain(EVERYWHERE_KINDS)
        .map(|kind| (kind.group, kind.kind))
        .collect();
    kinds.extend(
        SKIPPED_KINDS
            .iter()
            .map(|one| (one.kind.group, one.kind.kind)),
    );
    let count = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), count);
    assert!(SKIPPED_KINDS.iter().all(|one| !one.reason.is_empty()));
    assert!(SKIPPED_KINDS.iter().any(|one| one.skip == Skip::Kept));
}
