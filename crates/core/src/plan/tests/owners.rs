//! What has owners: a custom resource comes after the Secrets and volumes that are its own.

use serde_json::{Value, json};

use super::fixture::{Case, part};
use super::ground::{expect, expect_none, object, with};
use crate::inventory::Thing;
use crate::run::Confidence::{Certain, High};

const CACHE: &str = "Cache.example.com shop/one";

fn cache() -> Thing {
    object("example.com/v1 Cache", "shop/one", json!({ "spec": {} }))
}

/// An object that `owner` (by uid) manages.
fn owned(kind: &str, name: &str, owner: &str, mut body: Value) -> Thing {
    let owner = json!({ "apiVersion": "example.com/v1", "kind": "Cache", "name": "one",
        "uid": owner, "controller": true, "blockOwnerDeletion": true });
    body["owners"] = json!([owner]);
    object(kind, &format!("shop/{name}"), body)
}

const OF_CACHE: &str = "Cache-shop-one";

fn mounting(claim: &str) -> Value {
    json!({ "containers": [], "volumes": [{ "persistentVolumeClaim": { "claimName": claim } }] })
}

fn filled(case: &mut Case, names: &[&str]) {
    for name in names {
        case.point.parts.push(part(&format!("shop/{name}")));
    }
}

#[test]
fn a_custom_resource_waits_for_the_secrets_that_its_operator_made() {
    let plain = json!({ "spec": { "template": { "spec": { "containers": [] } } } });
    let planned = with([
        cache(),
        owned("Secret", "password", OF_CACHE, json!({})),
        owned("apps/v1 StatefulSet", "set", OF_CACHE, plain),
        owned("Secret", "deep", "StatefulSet-shop-set", json!({})),
        object("Secret", "shop/mine", json!({})),
    ])
    .plan()
    .unwrap();
    for secret in ["Secret shop/password", "Secret shop/deep"] {
        let evidence = format!("{secret}: metadata.ownerReferences");
        expect(
            &planned,
            CACHE,
            secret,
            "SECRET_BEFORE_OWNER",
            High,
            &evidence,
        );
    }
    expect_none(&planned, CACHE, "Secret shop/mine");
    expect_none(&planned, "Secret shop/password", CACHE);
}

#[test]
fn a_custom_resource_waits_for_its_volumes() {
    let set = json!({ "spec": {
        "template": { "spec": { "containers": [] } },
        "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
    } });
    let mut case = with([
        cache(),
        owned(
            "PersistentVolumeClaim",
            "own",
            OF_CACHE,
            json!({ "spec": {} }),
        ),
        owned(
            "Pod",
            "one-1",
            OF_CACHE,
            json!({ "spec": mounting("of-pod") }),
        ),
        owned("apps/v1 StatefulSet", "set", OF_CACHE, set),
        owned(
            "Pod",
            "set-0",
            "StatefulSet-shop-set",
            json!({ "spec": mounting("of-deep") }),
        ),
        object(
            "Pod",
            "shop/alone",
            json!({ "spec": mounting("of-nobody") }),
        ),
    ]);
    filled(
        &mut case,
        &[
            "own",
            "of-pod",
            "data-set-0",
            "data-set-x",
            "of-deep",
            "of-nobody",
        ],
    );
    let planned = case.plan().unwrap();
    let pod = "spec.volumes[0].persistentVolumeClaim.claimName";
    for (claim, evidence) in [
        (
            "own",
            "PersistentVolumeClaim shop/own: metadata.ownerReferences",
        ),
        ("of-pod", &format!("Pod shop/one-1: {pod}")),
        (
            "data-set-0",
            "StatefulSet.apps shop/set: spec.volumeClaimTemplates[data]",
        ),
        ("of-deep", &format!("Pod shop/set-0: {pod}")),
    ] {
        let on = format!("hand over shop/{claim}");
        expect(
            &planned,
            CACHE,
            &on,
            "VOLUME_BEFORE_OWNER",
            Certain,
            evidence,
        );
    }
    for claim in ["of-nobody", "data-set-x", "data-db-0"] {
        expect_none(&planned, CACHE, &format!("hand over shop/{claim}"));
    }
}
