//! Custom kinds.

use refloat_core::driver::ObjectRef;
use refloat_core::inventory::{Resource, ResourceNames};
use serde_json::{Value, json};

use super::{Api, Checked, Ground, because, done, ensure, refused, same, says, text, version};
use crate::sim::resource;
use crate::sim::server::{Request, Verb};

/// A kind of the check's own, not yet defined.
struct Kind {
    definition: ObjectRef,
    resource: Resource,
    body: Value,
}

fn kind<A: Api>(ground: &Ground<'_, A>) -> Kind {
    let group = format!("{}.example.com", ground.unique("g"));
    let schema = json!({ "openAPIV3Schema": { "type": "object", "properties": {
        "spec": {
            "type": "object", "required": ["size"],
            "properties": {
                "size": { "type": "integer", "minimum": 1 },
                "mode": { "type": "string", "enum": ["fast", "safe"], "default": "safe" },
                "more": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            },
        },
        "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    } } });
    let version = |name: &str, stored: bool| {
        json!({
            "name": name, "served": true, "storage": stored,
            "schema": schema, "subresources": { "status": {} },
        })
    };
    Kind {
        definition: ObjectRef::cluster(
            resource("CustomResourceDefinition"),
            &format!("things.{group}"),
        ),
        resource: Resource::namespaced(&format!("{group}/v1"), "Thing", "things"),
        body: json!({ "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": "Thing", "plural": "things" },
            "versions": [version("v1", true), version("v2", false)],
        } }),
    }
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|one| text(one, "/type") == "Established" && text(one, "/status") == "True")
}

/// Defines a kind and waits until it is served.
async fn defined<A: Api>(ground: &Ground<'_, A>) -> Result<Kind, String> {
    let kind = kind(ground);
    ground.create(&kind.definition, kind.body.clone()).await?;
    ground
        .until("established", &kind.definition, |reply| {
            is_established(&reply.body)
        })
        .await?;
    // A real server serves the kind a moment after it says so.
    let probe = ground.custom(&kind.resource, "none");
    ground
        .until("served", &probe, |reply| {
            text(&reply.body, "/details/kind") == "things"
        })
        .await?;
    Ok(kind)
}

pub(super) async fn a_kind_is_served_once_it_is_established<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let kind = kind(ground);
    let thing = ground.custom(&kind.resource, "a");
    let body = json!({ "spec": { "size": 1 } });
    let reply = ground.post(&thing, body.clone()).await;
    same("code before", reply.code, 404)?;
    same("kind before", text(&reply.body, "/details/kind"), "")?;
    let made = ground.create(&kind.definition, kind.body.clone()).await?;
    ensure(!is_established(&made), || made.to_string())?;
    same(
        "generation",
        made.pointer("/metadata/generation"),
        Some(&json!(1)),
    )?;
    ground
        .until("established", &kind.definition, |reply| {
            is_established(&reply.body)
        })
        .await?;
    ground
        .until("served", &thing, |reply| {
            text(&reply.body, "/details/kind") == "things"
        })
        .await?;
    let made = ground.create(&thing, body).await?;
    same("size", made.pointer("/spec/size"), Some(&json!(1)))?;
    let reply = ground.get(&ground.custom(&kind.resource, "none")).await;
    says(
        &reply,
        &format!("things.{} \"none\" not found", kind.resource.group),
    )
}

pub(super) async fn unknown_fields_are_pruned_and_wrong_ones_refused<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let kind = defined(ground).await?;
    let thing = ground.custom(&kind.resource, "a");
    let body = json!({ "spec": { "size": 1, "unknown": 1, "more": { "any": 1 } }, "other": 1 });
    let made = ground.create(&thing, body).await?;
    let wanted = json!({ "size": 1, "mode": "safe", "more": { "any": 1 } });
    same("spec", &made["spec"], &wanted)?;
    same("other", made.get("other"), None)?;
    for (change, field, why) in [
        (json!({ "size": "1" }), "spec.size", "FieldValueTypeInvalid"),
        (json!({ "size": 0 }), "spec.size", "FieldValueInvalid"),
        (json!({ "size": null }), "spec.size", "FieldValueRequired"),
        (
            json!({ "mode": "odd" }),
            "spec.mode",
            "FieldValueNotSupported",
        ),
    ] {
        let reply = ground.patch(&thing, "one", json!({ "spec": change })).await;
        refused(&reply, 422, "Invalid")?;
        because(&reply, field, why)?;
    }
    Ok(())
}

pub(super) async fn a_definition_needs_a_schema<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let mut kind = kind(ground);
    if let Some(version) = kind.body["spec"]["versions"][0].as_object_mut() {
        version.remove("schema");
    }
    let reply = ground.post(&kind.definition, kind.body).await;
    refused(&reply, 422, "Invalid")?;
    because(
        &reply,
        "spec.versions[0].schema.openAPIV3Schema",
        "FieldValueRequired",
    )
}

pub(super) async fn status_of_a_custom_resource_is_apart<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let kind = defined(ground).await?;
    let thing = ground.custom(&kind.resource, "a");
    let body = json!({ "spec": { "size": 1 }, "status": { "ready": true } });
    let made = ground.create(&thing, body).await?;
    same("status at first", made.get("status"), None)?;
    same(
        "generation at first",
        made.pointer("/metadata/generation"),
        Some(&json!(1)),
    )?;
    let request = Request::on_object(Verb::MergePatch, &thing)
        .to("status")
        .with("fieldManager", "one")
        .sending(json!({
            "metadata": { "annotations": { "a": "1" } },
            "spec": { "size": 2 }, "status": { "ready": true },
        }));
    let told = done(ground.call(request).await)?;
    same("status", told.pointer("/status/ready"), Some(&json!(true)))?;
    same("spec", told.pointer("/spec/size"), Some(&json!(1)))?;
    same("annotations", told.pointer("/metadata/annotations"), None)?;
    same(
        "generation",
        told.pointer("/metadata/generation"),
        Some(&json!(1)),
    )?;
    let change = json!({
        "metadata": { "labels": { "l": "1" } },
        "spec": { "size": 2 }, "status": { "ready": false },
    });
    let changed = done(ground.patch(&thing, "one", change).await)?;
    same(
        "status stays",
        changed.pointer("/status/ready"),
        Some(&json!(true)),
    )?;
    same(
        "generation",
        changed.pointer("/metadata/generation"),
        Some(&json!(2)),
    )
}

pub(super) async fn a_put_of_a_custom_resource_needs_a_version<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let kind = defined(ground).await?;
    let thing = ground.custom(&kind.resource, "a");
    let made = ground
        .create(&thing, json!({ "spec": { "size": 1 } }))
        .await?;
    let reply = ground.put(&thing, json!({ "spec": { "size": 2 } })).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.resourceVersion", "FieldValueInvalid")?;
    let body = json!({
        "metadata": { "resourceVersion": version(&made) }, "spec": { "size": 2 },
    });
    done(ground.put(&thing, body).await)?;
    // A patch needs none.
    let change = json!({ "spec": { "size": 3 } });
    done(ground.patch(&thing, "one", change).await).map(drop)
}

pub(super) async fn a_version_is_as_good_as_another<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let kind = defined(ground).await?;
    let thing = ground.custom(&kind.resource, "a");
    ground
        .create(&thing, json!({ "spec": { "size": 1 } }))
        .await?;
    let second = Resource::from(ResourceNames {
        version: "v2".to_owned(),
        ..(*kind.resource).clone()
    });
    let read = ground.read(&ground.custom(&second, "a")).await?;
    same("version", text(&read, "/apiVersion"), &second.api_version())?;
    same("size", read.pointer("/spec/size"), Some(&json!(1)))?;
    let third = Resource::from(ResourceNames {
        version: "v3".to_owned(),
        ..(*kind.resource).clone()
    });
    same(
        "code",
        ground.get(&ground.custom(&third, "a")).await.code,
        404,
    )
}

pub(super) async fn its_objects_go_with_a_definition<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let kind = defined(ground).await?;
    let thing = ground.custom(&kind.resource, "a");
    let held = json!({ "metadata": { "finalizers": ["example.com/hold"] }, "spec": { "size": 1 } });
    ground.create(&thing, held).await?;
    let marked = done(ground.delete(&kind.definition, json!({})).await)?;
    let finalizers = marked.pointer("/metadata/finalizers");
    let wanted = json!(["customresourcecleanup.apiextensions.k8s.io"]);
    same("finalizers", finalizers, Some(&wanted))?;
    ground
        .until("marked", &thing, |reply| {
            reply.body.pointer("/metadata/deletionTimestamp").is_some()
        })
        .await?;
    ground.wait().await;
    same(
        "held by its object",
        ground.get(&kind.definition).await.code,
        200,
    )?;
    let none = json!({ "metadata": { "finalizers": null } });
    done(ground.patch(&thing, "one", none).await)?;
    ground.until_gone(&kind.definition).await?;
    ground
        .until("no longer served", &thing, |reply| {
            reply.code == 404 && text(&reply.body, "/details/kind").is_empty()
        })
        .await
        .map(drop)
}
