//! PUT and patches.

use serde_json::{Value, json};

use super::creates::deployment;
use super::{Api, Checked, Ground, because, done, ensure, refused, same, says, text, version};
use crate::sim::server::{Request, Verb};

fn generation(object: &Value) -> u64 {
    let found = object.pointer("/metadata/generation");
    found.and_then(Value::as_u64).unwrap_or(0)
}

pub(super) async fn a_write_that_changes_nothing_is_none<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({ "data": { "x": "1" } })).await?;
    let patched = done(
        ground
            .patch(&map, "other", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    same("after a patch", patched, made.clone())?;
    let put = done(ground.put(&map, json!({ "data": { "x": "1" } })).await)?;
    same("after a put", version(&put), version(&made))?;
    let changed = done(
        ground
            .patch(&map, "other", json!({ "data": { "x": "2" } }))
            .await,
    )?;
    ensure(version(&changed) != version(&made), || changed.to_string())
}

pub(super) async fn an_old_version_is_a_conflict<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let old = version(&ground.create(&map, json!({ "data": { "x": "1" } })).await?);
    done(
        ground
            .patch(&map, "one", json!({ "data": { "x": "2" } }))
            .await,
    )?;
    let body = json!({ "metadata": { "resourceVersion": old }, "data": { "x": "3" } });
    for reply in [
        ground.put(&map, body.clone()).await,
        ground.patch(&map, "one", body).await,
    ] {
        refused(&reply, 409, "Conflict")?;
        says(&reply, "the object has been modified")?;
        same("kind", text(&reply.body, "/details/kind"), "configmaps")?;
        same("name", text(&reply.body, "/details/name"), "a")?;
    }
    same("data", text(&ground.read(&map).await?, "/data/x"), "2")
}

pub(super) async fn a_put_without_version_goes_through<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let labels = json!({ "metadata": { "labels": { "l": "1" } }, "data": { "x": "1" } });
    let made = ground.create(&map, labels).await?;
    let put = done(ground.put(&map, json!({ "data": { "y": "1" } })).await)?;
    same(
        "uid",
        put.pointer("/metadata/uid"),
        made.pointer("/metadata/uid"),
    )?;
    same("data", put.get("data"), Some(&json!({ "y": "1" })))?;
    same("labels", put.pointer("/metadata/labels"), None)?;
    let reply = ground.put(&ground.at("ConfigMap", "none"), json!({})).await;
    refused(&reply, 404, "NotFound")
}

pub(super) async fn another_uid_is_not_the_same_object<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    ground.create(&map, json!({ "data": { "x": "1" } })).await?;
    let body = json!({ "metadata": { "uid": "another" }, "data": { "x": "2" } });
    let reply = ground.put(&map, body.clone()).await;
    refused(&reply, 409, "Conflict")?;
    says(&reply, "UID in precondition")?;
    let reply = ground.patch(&map, "one", body).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.uid", "FieldValueInvalid")?;
    same("data", text(&ground.read(&map).await?, "/data/x"), "1")
}

pub(super) async fn a_json_patch_is_all_or_nothing<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "metadata": { "annotations": { "a/b": "1" } }, "data": { "x": "1" } });
    ground.create(&map, body).await?;
    let send = |operations: Value| {
        let request = Request::on_object(Verb::JsonPatch, &map).with("fieldManager", "one");
        ground.call(request.sending(operations))
    };
    let good = json!([
        { "op": "test", "path": "/data/x", "value": "1" },
        { "op": "replace", "path": "/data/x", "value": "2" },
        { "op": "add", "path": "/data/y", "value": "1" },
        { "op": "copy", "from": "/data/y", "path": "/data/z" },
        { "op": "remove", "path": "/metadata/annotations/a~1b" },
    ]);
    let patched = done(send(good).await)?;
    same(
        "data",
        patched.get("data"),
        Some(&json!({ "x": "2", "y": "1", "z": "1" })),
    )?;
    same(
        "annotations",
        patched.pointer("/metadata/annotations"),
        None,
    )?;
    let wrong = [
        json!([
            { "op": "replace", "path": "/data/x", "value": "3" },
            { "op": "test", "path": "/data/y", "value": "0" },
        ]),
        json!([{ "op": "remove", "path": "/data/none" }]),
        json!([{ "op": "replace", "path": "/none/below", "value": "1" }]),
    ];
    for operations in wrong {
        let reply = send(operations).await;
        refused(&reply, 422, "Invalid")?;
        let causes = reply.body.pointer("/details/causes");
        let none = causes.and_then(Value::as_array).is_none_or(Vec::is_empty);
        ensure(none, || reply.body.to_string())?;
    }
    same(
        "version",
        version(&ground.read(&map).await?),
        version(&patched),
    )?;
    // A field that is not there is added, although RFC 6902 would have it fail.
    let replaced = send(json!([{ "op": "replace", "path": "/data/none", "value": "1" }]));
    same("replaced", text(&done(replaced.await)?, "/data/none"), "1")
}

pub(super) async fn a_patch_does_not_rename<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    ground.create(&map, json!({})).await?;
    let reply = ground
        .patch(&map, "one", json!({ "metadata": { "name": "b" } }))
        .await;
    refused(&reply, 400, "BadRequest")
}

pub(super) async fn a_patch_of_nothing_is_not_found<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "none");
    let reply = ground
        .patch(&map, "one", json!({ "data": { "x": "1" } }))
        .await;
    refused(&reply, 404, "NotFound")?;
    same("kind", text(&reply.body, "/details/kind"), "configmaps")
}

pub(super) async fn a_generation_is_of_the_spec<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let set = ground.at("ReplicaSet", "a");
    let mut body = deployment("a");
    body["spec"]["replicas"] = json!(0);
    same("at first", generation(&ground.create(&set, body).await?), 1)?;
    let marked = json!({ "metadata": { "labels": { "l": "1" }, "annotations": { "a": "1" } } });
    same(
        "labels",
        generation(&done(ground.patch(&set, "one", marked).await)?),
        1,
    )?;
    let changed = json!({ "spec": { "minReadySeconds": 1 } });
    same(
        "spec",
        generation(&done(ground.patch(&set, "one", changed).await)?),
        2,
    )
}

pub(super) async fn annotations_of_a_deployment_make_a_generation<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let place = ground.at("Deployment", "a");
    let mut body = deployment("a");
    body["spec"]["paused"] = json!(true);
    ground.create(&place, body).await?;
    ground
        .until("seen by its controller", &place, |reply| {
            reply.body.pointer("/metadata/annotations").is_some()
                || reply.body.pointer("/status/observedGeneration").is_some()
        })
        .await?;
    let before = generation(&ground.read(&place).await?);
    let labels = json!({ "metadata": { "labels": { "l": "1" } } });
    same(
        "labels",
        generation(&done(ground.patch(&place, "one", labels).await)?),
        before,
    )?;
    let annotations = json!({ "metadata": { "annotations": { "a": "1" } } });
    let patched = done(ground.patch(&place, "one", annotations).await)?;
    same("annotations", generation(&patched), before + 1)
}

pub(super) async fn status_is_written_apart<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let claim = ground.at("PersistentVolumeClaim", "a");
    let body = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    } });
    ground.create(&claim, body).await?;
    let both = json!({
        "metadata": { "annotations": { "a": "1" } },
        "status": { "phase": "Lost", "capacity": { "storage": "3Gi" } },
    });
    let main = done(ground.patch(&claim, "one", both).await)?;
    same(
        "capacity by the main resource",
        main.pointer("/status/capacity"),
        None,
    )?;
    let request = Request::on_object(Verb::MergePatch, &claim)
        .to("status")
        .with("fieldManager", "one")
        .sending(json!({
            "spec": { "storageClassName": "other" },
            "status": { "capacity": { "storage": "3Gi" } },
        }));
    let status = done(ground.call(request).await)?;
    same("capacity", text(&status, "/status/capacity/storage"), "3Gi")?;
    same("class", text(&status, "/spec/storageClassName"), "none")
}

pub(super) async fn a_dry_patch_changes_nothing<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({ "data": { "x": "1" } })).await?;
    let request = Request::on_object(Verb::MergePatch, &map)
        .with("dryRun", "All")
        .sending(json!({ "data": { "x": "2" } }));
    let dry = done(ground.call(request).await)?;
    same("told", text(&dry, "/data/x"), "2")?;
    let request = Request::on_object(Verb::Delete, &map).with("dryRun", "All");
    done(ground.call(request).await)?;
    same("kept", ground.read(&map).await?, made)
}
