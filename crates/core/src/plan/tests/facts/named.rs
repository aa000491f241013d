//! What pods name: whether it comes back or is at the target.

use serde_json::{Value, json};

use super::{deploy, judged, nothing, warning};
use crate::plan::tests::fixture::{Case, thing};

#[test]
fn what_pods_name_and_nobody_brings_is_named_with_who_names_it() {
    let with = |secret: Option<Value>, change: fn(&mut Case)| {
        judged(|case, _| {
            let reference = json!({ "secretKeyRef": { "name": "token", "key": "x" } });
            deploy(
                case,
                "reader",
                &json!({ "containers": [{ "env": [{ "valueFrom": reference }] }] }),
            );
            if let Some(metadata) = secret {
                let mut token = thing("Secret", "token", &json!({}));
                for (key, value) in metadata.as_object().unwrap() {
                    token.edit(|it| it["metadata"][key] = value.clone());
                }
                case.objects.insert(token);
            }
            change(case);
        })
    };
    let ignored = json!({ "annotations": { "meta.refloat.io/ignore": "true" } });
    let told = warning(&with(Some(ignored.clone()), |_| ()), "reference-missing");
    assert_eq!(
        told,
        "Deployment.apps shop/reader: it names Secret shop/token, which neither comes back nor is at the target"
    );
    nothing(&with(None, |_| ()));
    nothing(&with(Some(json!({})), |_| ()));
    nothing(&with(Some(ignored), |case| {
        case.target.insert(thing("Secret", "token", &json!({})));
    }));
    let owner = json!({ "ownerReferences": [{ "uid": "Cache-sessions", "kind": "Cache", "name": "sessions" }] });
    nothing(&with(Some(owner), |_| ()));
}

#[test]
fn what_a_controller_makes_in_every_namespace_is_not_missing() {
    let with = |name: &'static str| {
        judged(move |case, _| {
            let mut map = thing("ConfigMap", name, &json!({}));
            let ignored = json!({ "meta.refloat.io/ignore": "true" });
            map.edit(|it| it["metadata"]["annotations"] = ignored);
            case.objects.insert(map);
            let volume = json!({ "configMap": { "name": name } });
            deploy(case, "reader", &json!({ "volumes": [volume] }));
        })
    };
    nothing(&with("istio-ca-root-cert"));
    let told = warning(&with("ca-root-cert"), "reference-missing");
    assert!(told.contains("ConfigMap shop/ca-root-cert"), "{told}");
}

#[test]
fn a_claim_that_is_named_and_not_filled_is_missing() {
    let with = |claim: &'static str| {
        judged(move |case, _| {
            case.objects
                .insert(thing("PersistentVolumeClaim", "other", &json!({})));
            deploy(
                case,
                "reader",
                &json!({ "volumes": [{ "persistentVolumeClaim": { "claimName": claim } }] }),
            );
        })
    };
    nothing(&with("data-db-0"));
    let told = warning(&with("other"), "reference-missing");
    assert!(told.contains("PersistentVolumeClaim shop/other"), "{told}");
}
