//! Who owns which fields: `metadata.managedFields` after creates and updates.

use serde_json::{Value, json};

use super::creates::deployment;
use super::{Api, Checked, Ground, done, ensure, same, text};
use crate::sim::server::{Request, Verb};

pub(super) fn entries(object: &Value) -> &[Value] {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The fields of a manager's main entry.
pub(super) fn of<'a>(object: &'a Value, manager: &str) -> Result<&'a Value, String> {
    entries(object)
        .iter()
        .find(|entry| text(entry, "/manager") == manager && text(entry, "/subresource").is_empty())
        .and_then(|entry| entry.get("fieldsV1"))
        .ok_or_else(|| format!("no {manager} in {}", json!(entries(object))))
}

pub(super) fn owns(object: &Value, manager: &str, pointer: &str) -> Checked {
    let fields = of(object, manager)?;
    ensure(fields.pointer(pointer).is_some(), || {
        format!("{manager} does not own {pointer}: {fields}")
    })
}

pub(super) fn does_not_own(object: &Value, manager: &str, pointer: &str) -> Checked {
    match of(object, manager) {
        Ok(fields) if fields.pointer(pointer).is_some() => {
            Err(format!("{manager} owns {pointer}: {fields}"))
        }
        _ => Ok(()),
    }
}

pub(super) async fn a_create_owns_each_field<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let body = json!({
        "metadata": { "annotations": { "a": "1" }, "labels": { "l": "1" } },
        "data": { "x": "1", "y": "2" },
    });
    let made = ground.create(&ground.at("ConfigMap", "a"), body).await?;
    let wanted = json!({
        "f:data": { ".": {}, "f:x": {}, "f:y": {} },
        "f:metadata": {
            "f:annotations": { ".": {}, "f:a": {} }, "f:labels": { ".": {}, "f:l": {} },
        },
    });
    same("fields", of(&made, "maker")?, &wanted)?;
    let entry = &entries(&made)[0];
    same("operation", text(entry, "/operation"), "Update")?;
    same("version", text(entry, "/apiVersion"), "v1")?;
    same("type", text(entry, "/fieldsType"), "FieldsV1")?;
    // Two looks at the clock, which a second may lie between.
    let time = |object: &serde_json::Value, pointer: &str| -> Result<jiff::Timestamp, String> {
        let text = text(object, pointer);
        text.parse()
            .map_err(|error| format!("{text:?} is no time: {error}"))
    };
    let apart = time(entry, "/time")?.duration_since(time(&made, "/metadata/creationTimestamp")?);
    same("time", apart.as_secs().abs() <= 1, true)?;
    let made = ground
        .create(&ground.at("Deployment", "a"), deployment("a"))
        .await?;
    let container = "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"main\"}/f:image";
    for field in ["/f:spec/f:replicas", "/f:spec/f:selector", container] {
        owns(&made, "maker", field)?;
    }
    Ok(())
}

pub(super) async fn who_changes_a_field_owns_it<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let applied = json!({ "data": { "x": "1", "y": "1" } });
    done(ground.apply(&map, "applier", applied).await)?;
    let change = json!({ "data": { "x": "2", "z": "1" } });
    let patched = done(ground.patch(&map, "patcher", change).await)?;
    let wanted = json!({ "f:data": { "f:x": {}, "f:z": {} } });
    same("patcher", of(&patched, "patcher")?, &wanted)?;
    let wanted = json!({ "f:data": { "f:y": {} } });
    same("applier", of(&patched, "applier")?, &wanted)?;
    let patched = done(
        ground
            .patch(&map, "patcher", json!({ "data": { "y": null } }))
            .await,
    )?;
    ensure(of(&patched, "applier").is_err(), || {
        format!(
            "the applier owns what is gone: {}",
            json!(entries(&patched))
        )
    })
}

pub(super) async fn owners_can_be_given_by_a_patch<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "data": { "x": "1", "y": "1" } });
    ground.create(&map, body).await?;
    let entry = |manager: &str, operation: &str, fields: Value| {
        json!({
            "manager": manager, "operation": operation, "apiVersion": "v1",
            "time": "2020-01-01T00:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": { "f:data": fields },
        })
    };
    let given = json!([
        entry("argo", "Apply", json!({ "f:x": {} })),
        entry("helm", "Update", json!({ "f:y": {} })),
    ]);
    let body = json!({ "metadata": { "managedFields": given } });
    let patched = done(ground.patch(&map, "giver", body).await)?;
    same("entries", &json!(entries(&patched)), &given)
}

pub(super) async fn owners_can_be_cleared<A: Api>(ground: &Ground<'_, A>) -> Checked {
    for (name, cleared) in [("a", json!([])), ("b", json!([{}]))] {
        let map = ground.at("ConfigMap", name);
        ground.create(&map, json!({ "data": { "x": "1" } })).await?;
        let put = done(ground.put(&map, json!({ "data": { "x": "1" } })).await)?;
        same("left out, they stay", entries(&put).len(), 1)?;
        let cleared = json!({ "metadata": { "managedFields": cleared } });
        let patched = done(ground.patch(&map, "one", cleared).await)?;
        same("cleared", entries(&patched).len(), 0)?;
        let change = json!({ "data": { "x": "2" } });
        let patched = done(ground.patch(&map, "one", change).await)?;
        same("and not begun again", entries(&patched).len(), 0)?;
    }
    Ok(())
}

pub(super) async fn who_writes_status_is_recorded_apart<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let claim = ground.at("PersistentVolumeClaim", "a");
    let body = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    } });
    ground.create(&claim, body).await?;
    let request = Request::on_object(Verb::MergePatch, &claim)
        .to("status")
        .with("fieldManager", "maker")
        .sending(json!({ "status": { "capacity": { "storage": "3Gi" } } }));
    let patched = done(ground.call(request).await)?;
    let apart = entries(&patched).iter().find(|entry| {
        text(entry, "/manager") == "maker" && text(entry, "/subresource") == "status"
    });
    let apart = apart.ok_or_else(|| json!(entries(&patched)).to_string())?;
    let field = apart.pointer("/fieldsV1/f:status/f:capacity");
    ensure(field.is_some(), || apart.to_string())?;
    owns(&patched, "maker", "/f:spec/f:accessModes")
}
