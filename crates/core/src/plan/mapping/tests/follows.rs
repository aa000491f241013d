//! Typed references, kind by kind: the one word changes, all other words stay.

use serde_json::{Value, json};

use super::super::registries;
use super::super::words::{mapped_host, namespace_of};
use super::{followed, maps, object, pairs, services};

const RBAC: &str = "rbac.authorization.k8s.io";
const GATEWAY: &str = "gateway.networking.k8s.io";

/// `OLD` and `NEW` in the body stand for the name before and after; `shop` elsewhere must stay.
fn is_followed(group: &str, kind: &str, old: &str, new: &str, body: &Value) {
    let fill = |with: &str| -> Value {
        serde_json::from_str(&body.to_string().replace("@@", with)).unwrap()
    };
    let mut expected = object(kind, &fill(new));
    expected["metadata"]["namespace"] = json!("shop-drill");
    let is = followed(group, kind, &fill(old), &maps());
    assert_eq!(is, expected, "{kind} {body}");
}

type Row = (&'static str, &'static str, Value);

fn of_the_cluster() -> Vec<Row> {
    let selector = selector();
    let service = json!({ "service": { "name": "shop", "namespace": "@@" } });
    vec![
        (
            RBAC,
            "RoleBinding",
            json!({
                "subjects": [
                    { "kind": "ServiceAccount", "name": "shop", "namespace": "@@" },
                    { "kind": "ServiceAccount", "name": "shop", "namespace": "other" },
                    { "kind": "User", "name": "system:serviceaccount:@@:shop" },
                    { "kind": "User", "name": "shop" },
                    { "kind": "Group", "name": "system:serviceaccounts:@@" },
                    { "kind": "Group", "name": "system:serviceaccounts:shop-other" },
                ],
                "roleRef": { "kind": "Role", "name": "shop" },
            }),
        ),
        (
            RBAC,
            "ClusterRole",
            json!({ "rules": [
            { "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["@@"], "verbs": ["get"] },
            { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop"], "verbs": ["get"] },
        ] }),
        ),
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration",
            json!({
                "metadata": { "annotations": { "cert-manager.io/inject-ca-from": "@@/shop", "note": "shop/shop" } },
                "webhooks": [{ "name": "shop", "clientConfig": service, "namespaceSelector": selector }],
            }),
        ),
        (
            "apiregistration.k8s.io",
            "APIService",
            json!({ "spec": service }),
        ),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            json!({ "spec": {
            "conversion": { "webhook": { "clientConfig": service } },
            "versions": [{ "schema": { "properties": { "ref": { "kind": "shop", "namespace": "shop" } } } }],
        } }),
        ),
    ]
}

fn of_the_network() -> Vec<Row> {
    let selector = selector();
    let expressions = json!({ "matchExpressions": [
        { "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["@@", "other"] },
        { "key": "name", "operator": "In", "values": ["shop"] },
    ] });
    vec![
        (
            "networking.k8s.io",
            "NetworkPolicy",
            json!({ "spec": { "ingress": [{ "from": [
            { "namespaceSelector": selector }, { "namespaceSelector": expressions },
            { "podSelector": { "matchLabels": { "app": "shop" } } },
        ] }] } }),
        ),
        (
            GATEWAY,
            "HTTPRoute",
            json!({ "spec": {
            "parentRefs": [{ "name": "shop", "namespace": "@@" }],
            "rules": [{ "backendRefs": [{ "name": "shop", "namespace": "@@", "port": 80 }] }],
        } }),
        ),
        (
            GATEWAY,
            "ReferenceGrant",
            json!({ "spec": {
            "from": [{ "group": "", "kind": "HTTPRoute", "namespace": "@@" }],
        } }),
        ),
        (
            "monitoring.coreos.com",
            "ServiceMonitor",
            json!({ "spec": {
            "namespaceSelector": { "matchNames": ["@@", "other"] }, "jobLabel": "shop",
        } }),
        ),
    ]
}

fn of_applications() -> Vec<Row> {
    vec![
        (
            "",
            "PersistentVolume",
            json!({ "spec": {
            "claimRef": { "namespace": "@@", "name": "shop" },
        } }),
        ),
        (
            "",
            "PersistentVolumeClaim",
            json!({ "spec": {
            "dataSourceRef": { "kind": "Book", "name": "shop", "namespace": "@@" },
        } }),
        ),
        (
            "apps",
            "Deployment",
            json!({ "spec": { "template": { "spec": {
            "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
                { "topologyKey": "zone", "namespaces": ["@@"], "labelSelector": { "matchLabels": { "app": "shop" } } },
            ] } },
            "containers": [{ "name": "shop", "env": [{ "name": "A", "value": "shop" }], "args": ["shop"] }],
        } } } }),
        ),
        (
            "shop.example.com",
            "Store",
            json!({ "spec": {
            "secretRef": { "name": "shop", "namespace": "@@" },
            "other": { "kind": "Secret", "name": "shop", "namespace": "@@" },
            "theme": { "name": "shop", "namespace": "shop" }, "namespace": "shop", "title": "shop",
        } }),
        ),
        (
            "",
            "ConfigMap",
            json!({ "data": { "kind": "x", "namespace": "shop", "a": "shop" } }),
        ),
        (
            "",
            "Service",
            json!({ "metadata": { "annotations": {
                "meta.helm.sh/release-namespace": "@@", "meta.helm.sh/release-name": "shop",
            } } }),
        ),
    ]
}

fn selector() -> Value {
    json!({ "matchLabels": { "kubernetes.io/metadata.name": "@@", "name": "shop" } })
}

#[test]
fn references_to_a_namespace_follow() {
    for (group, kind, body) in [of_the_cluster(), of_the_network(), of_applications()].concat() {
        is_followed(group, kind, "shop", "shop-drill", &body);
        is_followed(group, kind, "other", "other", &body);
    }
}

#[test]
fn the_namespace_itself_follows_with_its_label() {
    let labels = json!({ "kubernetes.io/metadata.name": "shop", "name": "shop" });
    let before = json!({ "kind": "Namespace", "metadata": { "name": "shop", "labels": labels } });
    let id = crate::inventory::ThingId::cluster("", "Namespace", "shop");
    let after = super::follow::object(&before, &id, ("", "Namespace"), &maps(), None);
    assert_eq!(after["metadata"]["name"], "shop-drill");
    let labels = json!({ "kubernetes.io/metadata.name": "shop-drill", "name": "shop" });
    assert_eq!(after["metadata"]["labels"], labels);
    let config = followed(
        "",
        "ConfigMap",
        &json!({ "metadata": { "name": "shop" } }),
        &maps(),
    );
    assert_eq!(
        config["metadata"]["name"], "shop",
        "only a Namespace is a namespace"
    );
}

#[test]
fn names_of_services_follow_where_a_host_name_is_typed() {
    for (host, expected) in [
        (
            "db.shop.svc.cluster.local",
            "db.shop-drill.svc.cluster.local",
        ),
        ("db.shop.svc", "db.shop-drill.svc"),
        ("db.shop", "db.shop-drill"),
        ("db.other.svc", "db.other.svc"),
        ("my.shop", "my.shop"),
        ("shop", "shop"),
        ("shop.svc", "shop.svc"),
        ("db.shop.svc.evil.example", "db.shop.svc.evil.example"),
        ("", ""),
    ] {
        let service = followed(
            "",
            "Service",
            &json!({ "spec": { "externalName": host } }),
            &maps(),
        );
        assert_eq!(service["spec"]["externalName"], expected);
        let spec = json!({ "spec": { "dnsNames": [host, "*.db.bank.svc"], "commonName": host, "secretName": "db.shop.svc" } });
        let certificate = followed("cert-manager.io", "Certificate", &spec, &maps());
        assert_eq!(
            certificate["spec"]["dnsNames"],
            json!([expected, "*.db.vault.svc"])
        );
        assert_eq!(certificate["spec"]["commonName"], expected);
        assert_eq!(certificate["spec"]["secretName"], "db.shop.svc");
    }
    let pod = namespace_of("db-0.db.shop.svc.cluster.local", &services(&[]));
    assert_eq!(pod, Some((2, "shop")));
}

#[test]
fn images_follow_by_whole_components_and_keep_tag_and_digest() {
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let digested = format!("registry.old.example/team/web:1@{digest}");
    let expected = format!("registry.new.example/team/web:1@{digest}");
    for (image, expected) in [
        (
            "registry.old.example/team/web:1",
            "registry.new.example/team/web:1",
        ),
        (digested.as_str(), expected.as_str()),
        ("registry.old.example/team", "registry.new.example/team"),
        (
            "registry.old.example/teams/web",
            "mirror.example/all/teams/web",
        ),
        (
            "registry.old.example.evil/team/web",
            "registry.old.example.evil/team/web",
        ),
        (
            "registry.old.example:5000/team/web",
            "registry.old.example:5000/team/web",
        ),
        ("nginx", "mirror.example/hub/library/nginx"),
        ("nginx:1.27", "mirror.example/hub/library/nginx:1.27"),
        ("docker.io/nginx", "mirror.example/hub/library/nginx"),
        (
            "docker.io/library/nginx",
            "mirror.example/hub/library/nginx",
        ),
        (
            "index.docker.io/bitnami/redis",
            "mirror.example/hub/bitnami/redis",
        ),
        ("bitnami/redis:7", "mirror.example/hub/bitnami/redis:7"),
        ("localhost/web", "localhost/web"),
        ("quay.io/team/web", "quay.io/team/web"),
        (
            "https://registry.old.example/team",
            "https://registry.old.example/team",
        ),
        (
            "registry.old.example/team/web 1",
            "registry.old.example/team/web 1",
        ),
        ("", ""),
    ] {
        let pod = json!({ "containers": [{ "image": image }], "initContainers": [{ "image": image }],
            "volumes": [{ "name": "v", "image": { "reference": image } }] });
        let expected_pod = json!({ "containers": [{ "image": expected }], "initContainers": [{ "image": expected }],
            "volumes": [{ "name": "v", "image": { "reference": expected } }] });
        let body =
            json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": pod } } } } });
        let is = followed("batch", "CronJob", &body, &maps());
        assert_eq!(
            is["spec"]["jobTemplate"]["spec"]["template"]["spec"], expected_pod,
            "{image}"
        );
    }
}

#[test]
fn a_port_is_part_of_the_registry() {
    // A registry with a port is another registry: the mapping without it must not take it.
    let maps = pairs(&[("registry.old.example", "new.example")]);
    assert_eq!(
        registries::mapped("registry.old.example:5000/web", &maps),
        None
    );
    let ported = pairs(&[("registry.old.example:5000", "new.example:443")]);
    let (_, new) = registries::mapped("registry.old.example:5000/web:2", &ported).unwrap();
    assert_eq!(new, "new.example:443/web:2");
}

#[test]
fn images_in_custom_resources_follow_when_they_are_clearly_images() {
    let spec = json!({ "imageName": "docker.io/team/pg:15", "image": "logo.png", "picture": "docker.io/team/pg:15",
        "proxy": { "image": { "repository": "registry.old.example/team/proxy", "tag": "1" } }, "repository": "docker.io/team/x" });
    let is = followed(
        "postgresql.cnpg.io",
        "Cluster",
        &json!({ "spec": spec }),
        &maps(),
    );
    let expected = json!({ "imageName": "mirror.example/hub/team/pg:15", "image": "logo.png", "picture": "docker.io/team/pg:15",
        "proxy": { "image": { "repository": "registry.new.example/team/proxy", "tag": "1" } }, "repository": "docker.io/team/x" });
    assert_eq!(is["spec"], expected);
}

#[test]
fn hosts_follow_where_they_are_typed() {
    let rule = |host: &str| json!([{ "host": host, "http": { "paths": [{ "path": "/shop.example.com" }] } }]);
    let ingress = json!({ "spec": { "rules": rule("shop.example.com"), "tls": [{ "hosts": ["shop.example.com", "a.example.org"] }] } });
    let is = followed("networking.k8s.io", "Ingress", &ingress, &maps());
    assert_eq!(is["spec"]["rules"], rule("shop.dr.example.com"));
    assert_eq!(
        is["spec"]["tls"][0]["hosts"],
        json!(["shop.dr.example.com", "a.dr.example.org"])
    );
    for (group, kind, before, after) in [
        (
            GATEWAY,
            "Gateway",
            json!({ "listeners": [{ "name": "shop.example.com", "hostname": "*.example.org" }] }),
            json!({ "listeners": [{ "name": "shop.example.com", "hostname": "*.dr.example.org" }] }),
        ),
        (
            GATEWAY,
            "TLSRoute",
            json!({ "hostnames": ["shop.example.com", "other.example.com"] }),
            json!({ "hostnames": ["shop.dr.example.com", "other.example.com"] }),
        ),
        (
            "cert-manager.io",
            "Certificate",
            json!({ "commonName": "shop.example.com", "dnsNames": ["shop.example.com"] }),
            json!({ "commonName": "shop.dr.example.com", "dnsNames": ["shop.dr.example.com"] }),
        ),
        (
            "route.openshift.io",
            "Route",
            json!({ "host": "shop.example.com" }),
            json!({ "host": "shop.dr.example.com" }),
        ),
        (
            "example.com",
            "Page",
            json!({ "host": "shop.example.com" }),
            json!({ "host": "shop.example.com" }),
        ),
    ] {
        let is = followed(group, kind, &json!({ "spec": before }), &maps());
        assert_eq!(is["spec"], after, "{kind}");
    }
    let annotations = json!({ "metadata": { "annotations": {
        "external-dns.alpha.kubernetes.io/hostname": "shop.example.com, b.eu.example.org,x.test", "note": "shop.example.com",
    } } });
    let is = followed("", "Service", &annotations, &maps());
    assert_eq!(
        is["metadata"]["annotations"],
        json!({
            "external-dns.alpha.kubernetes.io/hostname": "shop.dr.example.com, b.europe.example,x.test", "note": "shop.example.com",
        })
    );
}

#[test]
fn a_host_is_mapped_by_the_exact_name_then_by_the_longest_end() {
    let hosts = maps().mappings.hosts;
    for (host, expected) in [
        ("SHOP.example.com", Some("shop.dr.example.com")),
        ("a.shop.example.com", None),
        ("example.org", None),
        ("a.b.example.org", Some("a.b.dr.example.org")),
        ("a.eu.example.org", Some("a.europe.example")),
        ("notexample.org", None),
        ("", None),
    ] {
        let is = mapped_host(host, &hosts).map(|(_, new)| new);
        assert_eq!(is.as_deref(), expected, "{host}");
    }
}

#[test]
fn templates_of_claims_and_custom_resources_take_the_mapped_class() {
    let spec = json!({ "volumeClaimTemplates": [{ "spec": { "storageClassName": "slow" } }, { "spec": { "storageClassName": "other" } }] });
    let is = followed("apps", "StatefulSet", &json!({ "spec": spec }), &maps());
    assert_eq!(
        is["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"],
        "fast"
    );
    assert_eq!(
        is["spec"]["volumeClaimTemplates"][1]["spec"]["storageClassName"],
        "other"
    );
    let spec = json!({ "spec": { "storage": { "storageClass": "slow" }, "speed": "slow" } });
    let is = followed("postgresql.cnpg.io", "Cluster", &spec, &maps());
    assert_eq!(
        is["spec"],
        json!({ "storage": { "storageClass": "fast" }, "speed": "slow" })
    );
}
