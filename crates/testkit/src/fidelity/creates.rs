//! POST.

use refloat_core::driver::ObjectRef;

use serde_json::{Value, json};

use super::{Api, Checked, Ground, because, done, ensure, refused, same, says, text, version};
use crate::sim::server::{Request, Verb};

pub(super) fn deployment(name: &str) -> Value {
    json!({ "spec": {
        "selector": { "matchLabels": { "app": name } },
        "template": {
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "main", "image": "none.example.com/none:1" }] },
        },
        "replicas": 0,
    } })
}

pub(super) async fn a_created_object_has_what_the_server_gives<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({
        "metadata": { "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7 },
        "data": { "x": "1" },
    });
    let reply = ground.post(&map, body).await;
    same("code", reply.code, 201)?;
    let made = reply.body;
    ensure(
        !["", "mine"].contains(&text(&made, "/metadata/uid")),
        || made.to_string(),
    )?;
    let created = text(&made, "/metadata/creationTimestamp");
    ensure(created.len() == 20 && !created.starts_with("2001"), || {
        made.to_string()
    })?;
    ensure(version(&made).parse::<u64>().is_ok(), || made.to_string())?;
    // Of a kind that has none the server does not look at it.
    same(
        "generation of a ConfigMap",
        made.pointer("/metadata/generation"),
        Some(&json!(7)),
    )?;
    same("read", ground.read(&map).await?, made)?;
    let mut body = deployment("a");
    body["metadata"] = json!({ "generation": 7 });
    let deployment = ground.create(&ground.at("Deployment", "a"), body).await?;
    same(
        "generation",
        deployment.pointer("/metadata/generation"),
        Some(&json!(1)),
    )
}

pub(super) async fn versions_rise_over_all_kinds<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let mut before = 0;
    for kind in ["ConfigMap", "Secret", "ServiceAccount", "ConfigMap"] {
        let object = ground.at(kind, &format!("a{before}"));
        let made = version(&ground.create(&object, json!({})).await?);
        let made: u64 = made.parse().map_err(|_| made)?;
        ensure(made > before, || format!("{made} after {before}"))?;
        before = made;
    }
    Ok(())
}

pub(super) async fn a_second_create_is_refused<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let first = ground.create(&map, json!({})).await?;
    let reply = ground.post(&map, json!({ "data": { "x": "1" } })).await;
    refused(&reply, 409, "AlreadyExists")?;
    says(&reply, "configmaps \"a\" already exists")?;
    same("kind", text(&reply.body, "/details/kind"), "configmaps")?;
    same("unchanged", ground.read(&map).await?, first)
}

pub(super) async fn a_generated_name_has_five_letters_more<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "");
    let mut names = Vec::new();
    for _ in 0..2 {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "made-" },
        });
        let request = Request::on_kind(Verb::Create, &map.resource, Some(&ground.namespace));
        let made = done(ground.call(request.sending(body)).await)?;
        names.push(text(&made, "/metadata/name").to_owned());
    }
    let good = names
        .iter()
        .all(|name| name.starts_with("made-") && name.len() == 10);
    ensure(good && names[0] != names[1], || format!("{names:?}"))
}

pub(super) async fn a_name_has_to_be_one<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let reply = ground
        .post(&ground.at("ConfigMap", "Not_A_Name"), json!({}))
        .await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.name", "FieldValueInvalid")?;
    same("kind", text(&reply.body, "/details/kind"), "ConfigMap")?;
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {} });
    let maps = crate::sim::resource("ConfigMap");
    let request = Request::on_kind(Verb::Create, &maps, Some(&ground.namespace));
    let reply = ground.call(request.sending(body)).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.name", "FieldValueRequired")
}

pub(super) async fn the_body_has_to_fit_its_address<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let request = Request::on_kind(Verb::Create, &map.resource, Some(&ground.namespace));
    let mut body = Ground::<A>::whole(&map, json!({}));
    body["metadata"]["namespace"] = json!("default");
    let reply = ground.call(request.clone().sending(body)).await;
    refused(&reply, 400, "BadRequest")?;
    let mut body = Ground::<A>::whole(&map, json!({}));
    body["kind"] = json!("Secret");
    let reply = ground.call(request.sending(body)).await;
    refused(&reply, 400, "BadRequest")?;
    ground.create(&map, json!({})).await?;
    let mut body = Ground::<A>::whole(&map, json!({}));
    body["metadata"]["name"] = json!("b");
    let request = Request::on_object(Verb::Update, &map).sending(body);
    refused(&ground.call(request).await, 400, "BadRequest")
}

pub(super) async fn a_version_is_not_for_what_is_created<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "metadata": { "resourceVersion": "1" } });
    let reply = ground.post(&map, body).await;
    same("code", reply.code, 500)?;
    says(
        &reply,
        "resourceVersion should not be set on objects to be created",
    )
}

pub(super) async fn owners_of_fields_are_not_taken_from_a_create<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let entry = json!({
        "manager": "helm", "operation": "Update", "apiVersion": "v1",
        "time": "2020-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": { "f:data": {} },
    });
    let body = json!({ "metadata": { "managedFields": [entry] }, "data": { "x": "1" } });
    let made = ground.create(&ground.at("ConfigMap", "a"), body).await?;
    let entries = made
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let managers: Vec<&str> = entries
        .into_iter()
        .flatten()
        .map(|entry| text(entry, "/manager"))
        .collect();
    same("managers", managers, vec!["maker"])
}

pub(super) async fn a_missing_namespace_is_named<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let none = ground.unique("none");
    let maps = crate::sim::resource("ConfigMap");
    let reply = ground
        .post(&ObjectRef::namespaced(maps, &none, "a"), json!({}))
        .await;
    refused(&reply, 404, "NotFound")?;
    same("kind", text(&reply.body, "/details/kind"), "namespaces")?;
    same("name", text(&reply.body, "/details/name"), &none)
}

pub(super) async fn status_is_not_taken_from_a_create<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let mut body = deployment("a");
    body["status"] = json!({ "replicas": 9, "observedGeneration": 9 });
    let made = ground.create(&ground.at("Deployment", "a"), body).await?;
    ensure(made.pointer("/status/replicas").is_none(), || {
        made.to_string()
    })?;
    let body = json!({
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
            "resources": { "requests": { "storage": "1Gi" } },
        },
        "status": { "phase": "Bound" },
    });
    let made = ground
        .create(&ground.at("PersistentVolumeClaim", "a"), body)
        .await?;
    same("phase", text(&made, "/status/phase"), "Pending")
}

pub(super) async fn what_is_required_is_named<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let mut body = deployment("a");
    body["spec"]["template"]["metadata"]["labels"] = json!({ "app": "other" });
    let reply = ground.post(&ground.at("Deployment", "a"), body).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.template.metadata.labels", "FieldValueInvalid")?;
    let mut body = deployment("a");
    body["spec"]["template"]["spec"]["containers"] = json!([]);
    let reply = ground.post(&ground.at("Deployment", "a"), body).await;
    because(
        &reply,
        "spec.template.spec.containers",
        "FieldValueRequired",
    )?;
    let claim = ground.at("PersistentVolumeClaim", "a");
    let reply = ground
        .post(&claim, json!({ "spec": { "storageClassName": "none" } }))
        .await;
    because(&reply, "spec.accessModes", "FieldValueRequired")?;
    let reply = ground
        .post(&ground.at("Service", "a"), json!({ "spec": {} }))
        .await;
    because(&reply, "spec.ports", "FieldValueRequired")
}

pub(super) async fn a_dry_run_leaves_nothing<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = Ground::<A>::whole(&map, json!({ "data": { "x": "1" } }));
    let request = Request::on_kind(Verb::Create, &map.resource, Some(&ground.namespace))
        .with("dryRun", "All")
        .sending(body);
    let reply = ground.call(request).await;
    same("code", reply.code, 201)?;
    same("data", text(&reply.body, "/data/x"), "1")?;
    refused(&ground.get(&map).await, 404, "NotFound")?;
    Ok(())
}
