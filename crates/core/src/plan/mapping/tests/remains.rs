//! What still stands in configuration: found where it is meant, and nowhere else; no value of a Secret is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::remain::Remains;
use super::super::shown::{lines, warnings};
use super::super::{Mapped, MappedKind};
use super::{follow, maps, object};
use crate::inventory::{Resource, Thing};

/// Fields of an object in which an old name of this kind remains.
pub(super) fn remains(
    group_version: &str,
    kind: &str,
    body: &Value,
    of: MappedKind,
    old: &str,
) -> Vec<String> {
    let maps = maps();
    let resource = Resource::namespaced(group_version, kind, "its");
    let before = Thing::new(resource, object(kind, body)).unwrap();
    let after = follow::thing(&before, &maps, None);
    let mut found = Remains::default();
    found.note(&before, &after, &maps);
    let all = found.of(of, old);
    for one in &all {
        assert_eq!(one.thing.namespace.as_deref(), Some("shop-drill"));
    }
    all.into_iter().map(|one| one.field).collect()
}

fn config(text: &str, of: MappedKind, old: &str) -> bool {
    let body = json!({ "data": { "a": text } });
    remains("v1", "ConfigMap", &body, of, old) == ["data.a"]
}

#[test]
fn names_of_a_namespace_are_found_in_texts() {
    for (text, found) in [
        ("db.shop.svc.cluster.local", true),
        ("postgres://u:p@db.shop:5432/shop", true),
        ("hosts=a,db-0.db.shop.svc;b", true),
        ("kubectl --namespace shop get pods", true),
        ("kubectl -n shop get pods", true),
        ("kubectl --namespace=shop get", true),
        ("system:serviceaccount:shop:web", true),
        ("in group system:serviceaccounts:shop", true),
        ("system:serviceaccount:shop-other:web", false),
        ("shop", false),
        ("my.shop and www.my.shop", false),
        ("db.shopping.svc", false),
        ("db.shop.svc.example.com.evil", false),
        ("open the shop.svc", false),
        ("kubectl -n shopping get", false),
        ("", false),
    ] {
        assert_eq!(config(text, MappedKind::Namespace, "shop"), found, "{text}");
    }
}

#[test]
fn a_key_or_a_variable_that_says_namespace_is_found() {
    let data = json!({ "data": { "WATCH_NAMESPACE": "shop", "name": "shop" } });
    assert_eq!(
        remains("v1", "ConfigMap", &data, MappedKind::Namespace, "shop"),
        ["data.WATCH_NAMESPACE"]
    );
    let pod = json!({ "spec": { "template": { "spec": { "containers": [{
        "name": "web", "args": ["--namespace", "shop", "shop"],
        "env": [{ "name": "POD_NAMESPACE", "value": "shop" }, { "name": "PGUSER", "value": "shop" }],
    }] } } } });
    let at = "spec.template.spec.containers[web]";
    assert_eq!(
        remains("apps/v1", "Deployment", &pod, MappedKind::Namespace, "shop"),
        [
            format!("{at}.args[1]"),
            format!("{at}.env[POD_NAMESPACE].value")
        ]
    );
    // Untyped in a custom resource; what is typed beside it has followed.
    let custom = json!({ "spec": { "targetNamespace": "shop", "namespaces": ["shop"],
        "theme": { "name": "a", "namespace": "shop" }, "aRef": { "name": "a", "namespace": "shop" } } });
    assert_eq!(
        remains(
            "shop.example.com/v1",
            "Store",
            &custom,
            MappedKind::Namespace,
            "shop"
        ),
        [
            "spec.namespaces[0]",
            "spec.targetNamespace",
            "spec.theme.namespace"
        ]
    );
}

#[test]
fn hosts_and_images_are_found_in_texts_and_mapped_ones_are_not() {
    for (text, found) in [
        ("https://shop.example.com/x", true),
        ("mail a@shop.example.com", true),
        ("https://shop.example.com.evil", false),
        ("myshop.example.com", false),
    ] {
        assert_eq!(
            config(text, MappedKind::Host, "shop.example.com"),
            found,
            "{text}"
        );
    }
    for (text, found) in [
        ("RELATED=registry.old.example/team/proxy:1", true),
        ("registry.old.example/teams/proxy", false),
        ("xregistry.old.example/team/proxy", false),
    ] {
        assert_eq!(
            config(text, MappedKind::Registry, "registry.old.example/team"),
            found,
            "{text}"
        );
    }
    let rules = json!({ "spec": { "rules": [{ "host": "a.example.org" }] } });
    let of = |of, old| remains("networking.k8s.io/v1", "Ingress", &rules, of, old);
    assert_eq!(of(MappedKind::Host, "*.example.org"), Vec::<String>::new());
}

#[test]
fn what_is_in_a_secret_is_found_and_not_told() {
    let data = json!({ "data": {
        "url": STANDARD.encode("postgres://u:hunter2@db.shop.svc/x"), "binary": STANDARD.encode([0, 255, 3]), "bad": "%%%",
    } });
    assert_eq!(
        remains("v1", "Secret", &data, MappedKind::Namespace, "shop"),
        ["data.url"]
    );
}

#[test]
fn a_release_of_helm_names_its_namespace_packed() {
    let body =
        json!({ "type": "helm.sh/release.v1", "data": { "release": STANDARD.encode("H4sIAAAA") } });
    let is = remains("v1", "Secret", &body, MappedKind::Namespace, "shop");
    assert_eq!(is, ["data.release"]);
}

/// A certificate as far as it matters here: DER with two names, their lengths before them, in PEM.
fn certificate(names: &[&str]) -> String {
    let mut der = vec![0x30, 0x82, 1, 2];
    for name in names {
        der.extend([0x82, u8::try_from(name.len()).unwrap()]);
        der.extend(name.as_bytes());
    }
    let body = STANDARD.encode([der, vec![0; 4]].concat());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    STANDARD.encode(pem)
}

#[test]
fn a_certificate_in_a_secret_is_read_for_its_names() {
    // 49 letters: its length is the digit `1`.
    let long = format!("{}.db.shop.svc.cluster.local", "a".repeat(23));
    assert_eq!(long.len(), 49);
    for (names, found) in [
        (&["web.test", "db.shop.svc"][..], true),
        (&[long.as_str()], true),
        (&["db.other.svc"], false),
    ] {
        let body =
            json!({ "type": "kubernetes.io/tls", "data": { "tls.crt": certificate(names) } });
        let is = remains("v1", "Secret", &body, MappedKind::Namespace, "shop");
        assert_eq!(is == ["data.tls.crt"], found, "{names:?}");
    }
    let body = json!({ "data": { "tls.crt": certificate(&["shop.example.com"]) } });
    let is = remains("v1", "Secret", &body, MappedKind::Host, "shop.example.com");
    assert_eq!(is, ["data.tls.crt"]);
}

#[test]
fn what_nobody_configures_is_not_looked_at() {
    let body = json!({
        "metadata": {
            "labels": { "a": "db.shop.svc" }, "managedFields": [{ "manager": "db.shop.svc" }],
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "db.shop.svc", "note": "db.shop.svc" },
        },
        "status": { "a": "db.shop.svc" },
    });
    assert_eq!(
        remains("v1", "ConfigMap", &body, MappedKind::Namespace, "shop"),
        ["metadata.annotations.note"]
    );
    let schema = json!({ "spec": { "description": "db.shop.svc" } });
    let definition = remains(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &schema,
        MappedKind::Namespace,
        "shop",
    );
    assert_eq!(definition, Vec::<String>::new());
}

#[test]
fn many_remains_are_one_warning() {
    let thing = crate::inventory::ThingId::namespaced("", "ConfigMap", "b", "it");
    let remains: Vec<_> = (0..7)
        .map(|number| super::super::Remain {
            thing: thing.clone(),
            field: format!("data.{number}"),
        })
        .collect();
    let mapped = |count: usize| Mapped {
        kind: MappedKind::Namespace,
        from: "a".to_owned(),
        to: "b".to_owned(),
        objects: 1,
        remains: remains[..count].to_vec(),
    };
    assert_eq!(warnings(&[mapped(0)]), Vec::<String>::new());
    assert_eq!(
        lines(&[mapped(0), mapped(1)]),
        [
            "namespace a -> b: 1 object",
            "namespace a -> b: 1 object; 1 field with the old name unchanged",
        ]
    );
    let said = warnings(&[mapped(7)]).remove(0);
    assert!(
        said.contains("7 fields")
            && said.contains("(data.4), 2 more; change")
            && !said.contains("data.5"),
        "{said}"
    );
}
