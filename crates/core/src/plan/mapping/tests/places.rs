//! Objects that are named by namespace and name, lists of namespaces, and what only looks so; a class by Strimzi's key.

use serde_json::{Value, json};

use super::remains::remains;
use super::{followed, maps};
use crate::plan::mapping::MappedKind;

#[test]
fn secrets_that_an_ingress_names_with_their_namespace_follow() {
    let key = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
    let annotations = |namespace: &str| {
        json!({ "metadata": { "annotations": {
            key("auth-tls-secret"): format!("{namespace}/ca"),
            key("auth-secret"): format!("{namespace}/users"),
            key("proxy-ssl-secret"): format!("{namespace}/client"),
            key("configuration-snippet"): "shop/ca",
        } } })
    };
    let is = |body: &Value| {
        let followed = followed("networking.k8s.io", "Ingress", body, &maps());
        followed["metadata"]["annotations"].clone()
    };
    let expected = |namespace: &str| annotations(namespace)["metadata"]["annotations"].clone();
    assert_eq!(is(&annotations("shop")), expected("shop-drill"));
    assert_eq!(is(&annotations("other")), expected("other"));
    let near = json!({ "metadata": { "annotations": { key("auth-secret"): "shop" } } });
    assert_eq!(is(&near), near["metadata"]["annotations"]);
}

/// Whether the name of `shop` is found in this text of this key.
fn is_found(key: &str, text: &str) -> bool {
    let body = json!({ "data": { key: text } });
    let found = remains("v1", "ConfigMap", &body, MappedKind::Namespace, "shop");
    found == [format!("data.{key}")]
}

#[test]
fn objects_by_their_place_and_lists_of_namespaces_are_found() {
    for (key, text, found) in [
        ("secret", "shop/tls", true),
        ("args", "--default-ssl-certificate=shop/tls", true),
        ("certificates", "bank/a, shop/b", true),
        ("middlewares", "shop-auth@kubernetescrd", true),
        (
            "middlewares",
            "bank-a@kubernetescrd,shop-b@kubernetescrd",
            true,
        ),
        ("identity", "spiffe://cluster.local/ns/shop/sa/web", true),
        ("WATCH_NAMESPACES", "bank,shop", true),
        ("WATCH_NAMESPACE", "bank, shop", true),
        ("args", "--watch-namespaces=bank,shop --verbose", true),
        ("args", "-watch-namespace shop", true),
        ("image", "shop/web", false),
        ("RELATED_IMAGE", "shop/web", false),
        ("repository", "shop/web", false),
        ("path", "/shop/web", false),
        ("url", "https://example.com/shop/web", false),
        ("file", "shop/Web.html", false),
        ("middlewares", "shop-auth@file", false),
        ("middlewares", "shopping-auth@kubernetescrd", false),
        (
            "identity",
            "spiffe://cluster.local/ns/shopping/sa/web",
            false,
        ),
        ("WATCH_NAMESPACES", "bank,shopping", false),
        ("names", "bank,shop", false),
        ("args", "--watch=shop", false),
        ("text", "shop/", false),
    ] {
        assert_eq!(is_found(key, text), found, "{key}: {text}");
    }
}

#[test]
fn a_class_of_strimzis_storage_is_mapped_and_the_class_of_a_listener_is_not() {
    let spec = |class: &str| {
        json!({ "spec": { "kafka": {
            "storage": { "type": "jbod", "volumes": [{
                "type": "persistent-claim", "class": class,
                "overrides": [{ "broker": 0, "class": class }],
            }] },
            "listeners": [{ "type": "ingress", "configuration": { "class": "slow" } }],
        } } })
    };
    for (group, class) in [("kafka.strimzi.io", "fast"), ("example.com", "slow")] {
        let is = followed(group, "Kafka", &spec("slow"), &maps());
        assert_eq!(is["spec"], spec(class)["spec"], "{group}");
    }
}
