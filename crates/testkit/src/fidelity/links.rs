//! Owners that are named after the object is there, and names beside generated ones: what a recovery does with what operators made.

use serde_json::{Value, json};

use super::owners::owns;
use super::{Api, Checked, Ground, because, done, ensure, refused, same, text};

fn reference(owner: &Value, controller: bool) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": controller, "blockOwnerDeletion": true,
    })
}

fn naming(owners: &[Value]) -> Value {
    json!({ "metadata": { "ownerReferences": owners } })
}

pub(super) async fn a_name_beside_a_generated_one_counts<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let body = || json!({ "metadata": { "generateName": "made-" }, "data": { "x": "1" } });
    let posted = ground.at("ConfigMap", "made-posted");
    let made = ground.create(&posted, body()).await?;
    let applied = ground.at("ConfigMap", "made-applied");
    let also = done(ground.apply(&applied, "applier", body()).await)?;
    for (one, name) in [(made, "made-posted"), (also, "made-applied")] {
        same("name", text(&one, "/metadata/name"), name)?;
        same("prefix", text(&one, "/metadata/generateName"), "made-")?;
    }
    Ok(())
}

pub(super) async fn an_owner_that_is_named_later_is_one<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let (owner, child) = (
        ground.at("ConfigMap", "owner"),
        ground.at("Secret", "child"),
    );
    ground.create(&child, json!({})).await?;
    let made = ground.create(&owner, json!({})).await?;
    let link = naming(&[reference(&made, true)]);
    let linked = done(ground.patch(&child, "linker", link).await)?;
    let uid = text(&made, "/metadata/uid");
    let key = format!("/f:metadata/f:ownerReferences/k:{{\"uid\":\"{uid}\"}}");
    owns(&linked, "linker", &key)?;
    ground.wait().await;
    same("with its owner", ground.get(&child).await.code, 200)?;
    done(ground.delete(&owner, json!({})).await)?;
    ground.until_gone(&child).await
}

pub(super) async fn there_is_one_controller<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let child = ground.at("Secret", "child");
    ground.create(&child, json!({})).await?;
    let mut owners = Vec::new();
    for name in ["first", "second"] {
        let made = ground
            .create(&ground.at("ConfigMap", name), json!({}))
            .await?;
        owners.push(reference(&made, true));
    }
    let reply = ground.patch(&child, "linker", naming(&owners)).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.ownerReferences", "FieldValueInvalid")?;
    owners[1]["controller"] = json!(false);
    let linked = done(ground.patch(&child, "linker", naming(&owners)).await)?;
    let all = linked.pointer("/metadata/ownerReferences");
    ensure(
        all.and_then(Value::as_array).map(Vec::len) == Some(2),
        || linked.to_string(),
    )
}

pub(super) async fn an_owner_without_a_uid_is_none<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let child = ground.at("Secret", "child");
    ground.create(&child, json!({})).await?;
    let made = ground
        .create(&ground.at("ConfigMap", "owner"), json!({}))
        .await?;
    let mut owner = reference(&made, true);
    owner["uid"] = json!("");
    let reply = ground.patch(&child, "linker", naming(&[owner])).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.ownerReferences.uid", "FieldValueInvalid")
}
