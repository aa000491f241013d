//! Classes, issuers and stores of the cluster: which are asked for, and which are told when they are missing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{judged, nothing, warning};
use crate::inventory::{Resource, Thing, ThingId};
use crate::plan::tests::fixture::case;
use crate::plan::tests::ground::object;

const GATEWAY: &str = "gateway.networking.k8s.io/v1 Gateway";
const CERTIFICATE: &str = "cert-manager.io/v1 Certificate";

fn certificate(issuer: &Value) -> Thing {
    object(
        CERTIFICATE,
        "shop/web",
        json!({ "spec": { "issuerRef": issuer } }),
    )
}

fn gateway(class: &Value) -> Thing {
    object(
        GATEWAY,
        "shop/web",
        json!({ "spec": { "gatewayClassName": class } }),
    )
}

/// What is asked for when the point has these things too.
fn asked(things: impl IntoIterator<Item = Thing>) -> Vec<(String, bool)> {
    let mut case = case();
    case.objects.extend(things);
    let issuers = Resource::cluster("cert-manager.io/v1", "ClusterIssuer", "clusterissuers");
    case.target.served.push(issuers);
    let preflight = case.preflight();
    let named = preflight.survey().named_classes();
    named
        .into_iter()
        .map(|(id, object)| (id.to_string(), object.is_some()))
        .collect()
}

#[test]
fn what_is_named_is_asked_for_once_where_the_target_knows_its_kind() {
    let mut ingress = object("networking.k8s.io/v1 Ingress", "shop/tls", json!({}));
    ingress.edit(|it| {
        it["metadata"]["annotations"] = json!({ "cert-manager.io/cluster-issuer": "letters" });
    });
    let store = json!({ "kind": "ClusterSecretStore", "name": "vault" });
    let secret = object(
        "external-secrets.io/v1 ExternalSecret",
        "shop/token",
        json!({ "spec": { "secretStoreRef": store } }),
    );
    let issuer = json!({ "kind": "ClusterIssuer", "group": "cert-manager.io", "name": "letters" });
    let found = asked([
        gateway(&json!("public")),
        certificate(&issuer),
        ingress,
        secret,
    ]);
    let row = |id: &str, known| (id.to_owned(), known);
    assert_eq!(
        found,
        [
            row("ClusterIssuer.cert-manager.io letters", true),
            row("ClusterSecretStore.external-secrets.io vault", false),
            row("GatewayClass.gateway.networking.k8s.io public", false),
        ]
    );
}

#[test]
fn what_is_no_name_of_a_thing_of_the_cluster_is_not_asked_for() {
    for issuer in [
        json!({ "name": "own" }),
        json!({ "kind": "Issuer", "name": "own" }),
        json!({ "kind": "ClusterIssuer", "group": "example.com", "name": "x" }),
        json!({ "kind": "ClusterIssuer", "name": "" }),
        json!({ "kind": "ClusterIssuer" }),
        json!(null),
        json!(7),
        json!([]),
    ] {
        assert_eq!(asked([certificate(&issuer)]), [], "{issuer}");
    }
    for class in [json!(null), json!(""), json!({}), json!([1])] {
        assert_eq!(asked([gateway(&class)]), [], "{class}");
    }
}

#[test]
fn what_is_missing_is_told_with_who_names_it() {
    let with = |missing: &[&str]| {
        let ids = missing
            .iter()
            .map(|name| ThingId::cluster("gateway.networking.k8s.io", "GatewayClass", name));
        let ids: BTreeSet<ThingId> = ids.collect();
        judged(move |case, facts| {
            case.objects.insert(gateway(&json!("public")));
            facts.missing = ids;
        })
    };
    assert_eq!(
        warning(&with(&["public"]), "reference-missing"),
        "Gateway.gateway.networking.k8s.io shop/web: it names GatewayClass.gateway.networking.k8s.io public, which no point carries and \
         which is not at the target"
    );
    nothing(&with(&["other"]));
    nothing(&with(&[]));
}
