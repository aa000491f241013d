//! Server-side apply.

use serde_json::{Value, json};

use super::creates::deployment;
use super::owners::{does_not_own, of, owns};
use super::{Api, Checked, Ground, because, done, ensure, refused, same, says, text, version};

pub(super) async fn an_apply_creates_and_owns<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "metadata": { "labels": { "l": "1" } }, "data": { "x": "1" } });
    let reply = ground.apply(&map, "applier", body).await;
    same("code", reply.code, 201)?;
    let wanted = json!({ "f:data": { "f:x": {} }, "f:metadata": { "f:labels": { "f:l": {} } } });
    same("fields", of(&reply.body, "applier")?, &wanted)?;
    let more = json!({ "metadata": { "labels": { "l": "1" } }, "data": { "x": "1", "y": "1" } });
    let reply = ground.apply(&map, "applier", more).await;
    same("code of the second", reply.code, 200)?;
    same(
        "data",
        reply.body.get("data"),
        Some(&json!({ "x": "1", "y": "1" })),
    )
}

pub(super) async fn an_apply_without_manager_is_refused<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let mut request = Ground::<A>::applying(&ground.at("ConfigMap", "a"), "x", json!({}));
    request.parameters.clear();
    let reply = ground.call(request).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "fieldManager", "FieldValueRequired")
}

pub(super) async fn an_apply_with_owners_is_refused<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = done(
        ground
            .apply(&map, "applier", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    let body = json!({ "metadata": { "managedFields": made["metadata"]["managedFields"] } });
    let reply = ground.apply(&map, "applier", body).await;
    refused(&reply, 400, "BadRequest")?;
    says(&reply, "metadata.managedFields must be nil")
}

pub(super) async fn a_field_of_another_is_a_conflict<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    ground
        .create(&map, json!({ "data": { "x": "1", "y": "1" } }))
        .await?;
    let reply = ground
        .apply(&map, "applier", json!({ "data": { "x": "2" } }))
        .await;
    refused(&reply, 409, "Conflict")?;
    because(&reply, ".data.x", "FieldManagerConflict")?;
    says(
        &reply,
        "Apply failed with 1 conflict: conflict with \"maker\" using v1: .data.x",
    )?;
    let both = json!({ "data": { "x": "2", "y": "2" } });
    let reply = ground.apply(&map, "applier", both).await;
    says(&reply, "Apply failed with 2 conflicts")?;
    because(&reply, ".data.y", "FieldManagerConflict")?;
    let other = ground.at("ConfigMap", "b");
    done(
        ground
            .apply(&other, "first", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    let reply = ground
        .apply(&other, "second", json!({ "data": { "x": "2" } }))
        .await;
    says(&reply, "conflict with \"first\": .data.x")?;
    let shared = done(
        ground
            .apply(&map, "applier", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    owns(&shared, "applier", "/f:data/f:x")?;
    owns(&shared, "maker", "/f:data/f:x")
}

pub(super) async fn force_takes_a_field_over<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    ground
        .create(&map, json!({ "data": { "x": "1", "y": "1" } }))
        .await?;
    let request = Ground::<A>::applying(&map, "applier", json!({ "data": { "x": "2" } }));
    let forced = done(ground.call(request.with("force", "true")).await)?;
    same(
        "data",
        forced.get("data"),
        Some(&json!({ "x": "2", "y": "1" })),
    )?;
    owns(&forced, "applier", "/f:data/f:x")?;
    does_not_own(&forced, "maker", "/f:data/f:x")?;
    owns(&forced, "maker", "/f:data/f:y")
}

pub(super) async fn what_is_no_longer_applied_goes<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "metadata": { "labels": { "l": "1" } }, "data": { "x": "1", "y": "1" } });
    done(ground.apply(&map, "applier", body).await)?;
    let fewer = done(
        ground
            .apply(&map, "applier", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    same("data", fewer.get("data"), Some(&json!({ "x": "1" })))?;
    same("labels", fewer.pointer("/metadata/labels"), None)?;
    let wanted = json!({ "f:data": { "f:x": {} } });
    same("fields", of(&fewer, "applier")?, &wanted)
}

pub(super) async fn what_others_own_too_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    done(
        ground
            .apply(&map, "first", json!({ "data": { "x": "1", "y": "1" } }))
            .await,
    )?;
    done(
        ground
            .apply(&map, "second", json!({ "data": { "y": "1" } }))
            .await,
    )?;
    let after = done(
        ground
            .apply(&map, "first", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    same(
        "data",
        after.get("data"),
        Some(&json!({ "x": "1", "y": "1" })),
    )?;
    does_not_own(&after, "first", "/f:data/f:y")?;
    owns(&after, "second", "/f:data/f:y")
}

pub(super) async fn the_same_apply_changes_nothing<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "data": { "x": "1" } });
    let first = done(ground.apply(&map, "applier", body.clone()).await)?;
    for _ in 0..8 {
        ground.api.pause().await;
    }
    let again = done(ground.apply(&map, "applier", body).await)?;
    same("the object", again, first)
}

pub(super) async fn items_with_names_are_merged<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("Deployment", "a");
    ground.create(&place, deployment("a")).await?;
    let image = "none.example.com/second:1";
    let second = json!({ "spec": {
        "selector": { "matchLabels": { "app": "a" } },
        "template": {
            "metadata": { "labels": { "app": "a" } },
            "spec": { "containers": [
                { "name": "second", "image": image, "env": [{ "name": "E", "value": "1" }] },
            ] },
        },
    } });
    let applied = done(ground.apply(&place, "applier", second).await)?;
    let names = |object: &Value| -> Vec<String> {
        let all = object.pointer("/spec/template/spec/containers");
        let all = all.and_then(Value::as_array).into_iter().flatten();
        all.map(|one| text(one, "/name").to_owned()).collect()
    };
    let mut found = names(&applied);
    found.sort();
    same(
        "containers",
        found,
        vec!["main".to_owned(), "second".to_owned()],
    )?;
    let container = "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"second\"}";
    owns(&applied, "applier", &format!("{container}/f:image"))?;
    owns(
        &applied,
        "applier",
        &format!("{container}/f:env/k:{{\"name\":\"E\"}}/f:value"),
    )?;
    let none = json!({ "spec": { "template": { "metadata": { "labels": { "app": "a" } } } } });
    let after = done(ground.apply(&place, "applier", none).await)?;
    same(
        "after it is left out",
        names(&after),
        vec!["main".to_owned()],
    )
}

pub(super) async fn an_impossible_version_only_creates<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "metadata": { "resourceVersion": "1" }, "data": { "x": "1" } });
    let made = ground.apply(&map, "applier", body.clone()).await;
    same("code", made.code, 201)?;
    let reply = ground.apply(&map, "applier", body).await;
    refused(&reply, 409, "Conflict")?;
    same(
        "version",
        version(&ground.read(&map).await?),
        version(&made.body),
    )
}

pub(super) async fn an_apply_over_another_uid_is_a_conflict<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "metadata": { "uid": "another" }, "data": { "x": "1" } });
    let reply = ground.apply(&map, "applier", body).await;
    refused(&reply, 409, "Conflict")?;
    says(&reply, "uid mismatch")?;
    ensure(ground.get(&map).await.code == 404, || {
        "it was created".to_owned()
    })
}
