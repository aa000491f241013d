//! Webhooks that nobody answers for.

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Api, Checked, Ground, done, refused, same, says, text};
use crate::sim::resource;

/// A webhook for ConfigMaps of the check's namespace, behind a Service that is not there.
pub(super) async fn put_up<A: Api>(
    ground: &Ground<'_, A>,
    policy: &str,
    operations: &[&str],
) -> Result<ObjectRef, String> {
    let kind = "ValidatingWebhookConfiguration";
    let place = ObjectRef::cluster(resource(kind), &ground.unique("webhook"));
    let body = json!({ "webhooks": [{
        "name": "none.example.com", "failurePolicy": policy, "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": { "service": { "namespace": ground.namespace, "name": "none" } },
        "namespaceSelector": { "matchLabels": {
            "kubernetes.io/metadata.name": ground.namespace,
        } },
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": operations,
            "resources": ["configmaps"],
        }],
    }] });
    ground.create(&place, body).await?;
    Ok(place)
}

/// A real server calls a webhook some moments after it was told of it.
pub(super) async fn until_called<A: Api>(ground: &Ground<'_, A>) -> Result<(), String> {
    for _ in 0..100 {
        let probe = ground.at("ConfigMap", "probe");
        let body = json!({ "metadata": { "name": "probe" } });
        if ground.post(&probe, body).await.code == 500 {
            return Ok(());
        }
        ground.delete(&probe, json!({})).await;
        ground.api.pause().await;
    }
    Err("the webhook is never called".to_owned())
}

pub(super) async fn a_webhook_that_does_not_answer_fails_the_write<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let there = ground.at("ConfigMap", "there");
    ground.create(&there, json!({})).await?;
    let place = put_up(ground, "Fail", &["*"]).await?;
    until_called(ground).await?;
    let change = json!({ "data": { "x": "1" } });
    for reply in [
        ground.post(&ground.at("ConfigMap", "a"), json!({})).await,
        // It is asked before anybody looks whether the object is there.
        ground.post(&there, json!({})).await,
        ground.patch(&there, "one", change).await,
        ground.delete(&there, json!({})).await,
    ] {
        refused(&reply, 500, "InternalError")?;
        says(&reply, "failed calling webhook \"none.example.com\"")?;
        says(&reply, "service \"none\" not found")?;
    }
    done(ground.delete(&place, json!({})).await)?;
    for _ in 0..100 {
        if ground.delete(&there, json!({})).await.code == 200 {
            return Ok(());
        }
        ground.api.pause().await;
    }
    Err("the webhook is called although it is gone".to_owned())
}

pub(super) async fn a_webhook_that_may_be_ignored_is<A: Api>(ground: &Ground<'_, A>) -> Checked {
    put_up(ground, "Ignore", &["*"]).await?;
    ground.wait().await;
    let made = ground
        .create(&ground.at("ConfigMap", "a"), json!({}))
        .await?;
    same("name", text(&made, "/metadata/name"), "a")
}

pub(super) async fn what_is_not_selected_is_not_asked_about<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    put_up(ground, "Fail", &["CREATE"]).await?;
    let other = ObjectRef::cluster(resource("Namespace"), &ground.unique("other"));
    ground.create(&other, json!({})).await?;
    until_called(ground).await?;
    ground.create(&ground.at("Secret", "a"), json!({})).await?;
    let map = ObjectRef::namespaced(resource("ConfigMap"), &other.name, "a");
    let made: Value = ground.create(&map, json!({})).await?;
    same("name", text(&made, "/metadata/name"), "a")
}
