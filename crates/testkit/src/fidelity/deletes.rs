//! DELETE, finalizers, owners, namespaces that go.

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Api, Checked, Ground, because, done, ensure, refused, same, says, text, version};
use crate::sim::resource;
use crate::sim::server::{Request, Verb};

const HOLD: &str = "example.com/hold";

fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub(super) async fn what_is_deleted_is_told_with_its_uid<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({})).await?;
    let body = done(ground.delete(&map, json!({})).await)?;
    same("status", text(&body, "/status"), "Success")?;
    same(
        "uid",
        text(&body, "/details/uid"),
        text(&made, "/metadata/uid"),
    )?;
    let reply = ground.delete(&map, json!({})).await;
    refused(&reply, 404, "NotFound")?;
    same("kind", text(&reply.body, "/details/kind"), "configmaps")
}

pub(super) async fn a_delete_of_another_object_is_a_conflict<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({})).await?;
    for (key, words) in [
        ("uid", "the UID in the precondition"),
        ("resourceVersion", "the ResourceVersion in the precondition"),
    ] {
        let reply = ground
            .delete(&map, json!({ "preconditions": { key: "1" } }))
            .await;
        refused(&reply, 409, "Conflict")?;
        says(&reply, words)?;
    }
    let right = json!({ "preconditions": {
        "uid": made["metadata"]["uid"], "resourceVersion": version(&made),
    } });
    done(ground.delete(&map, right).await).map(drop)
}

pub(super) async fn a_finalizer_holds_until_it_is_taken_off<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let held = json!({ "metadata": { "finalizers": [HOLD, "example.com/other"] } });
    let made = ground.create(&map, held).await?;
    let marked = done(ground.delete(&map, json!({})).await)?;
    ensure(is_going(&marked), || marked.to_string())?;
    let grace = marked.pointer("/metadata/deletionGracePeriodSeconds");
    same("grace", grace, Some(&json!(0)))?;
    ensure(version(&marked) != version(&made), || marked.to_string())?;
    let again = done(ground.delete(&map, json!({})).await)?;
    same("deleted again", version(&again), version(&marked))?;
    let changed = done(
        ground
            .patch(&map, "one", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    ensure(is_going(&changed), || changed.to_string())?;
    let one = json!({ "metadata": { "finalizers": [HOLD] } });
    done(ground.patch(&map, "one", one).await)?;
    same("still there", ground.get(&map).await.code, 200)?;
    let none = json!({ "metadata": { "finalizers": null } });
    done(ground.patch(&map, "one", none).await)?;
    same("gone", ground.get(&map).await.code, 404)
}

pub(super) async fn no_finalizer_is_added_to_what_goes<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let held = json!({ "metadata": { "finalizers": [HOLD] } });
    ground.create(&map, held).await?;
    done(ground.delete(&map, json!({})).await)?;
    let more = json!({ "metadata": { "finalizers": [HOLD, "example.com/other"] } });
    let reply = ground.patch(&map, "one", more).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "metadata.finalizers", "FieldValueForbidden")
}

fn owned_by(owner: &Value, blocks: bool) -> Value {
    json!({ "metadata": { "ownerReferences": [{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": blocks,
    }] } })
}

pub(super) async fn dependents_go_after_their_owner<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let (owner, child) = (
        ground.at("ConfigMap", "owner"),
        ground.at("Secret", "child"),
    );
    let made = ground.create(&owner, json!({})).await?;
    ground.create(&child, owned_by(&made, true)).await?;
    ground.wait().await;
    same(
        "while its owner is there",
        ground.get(&child).await.code,
        200,
    )?;
    let policy = json!({ "propagationPolicy": "Background" });
    done(ground.delete(&owner, policy).await)?;
    same("the owner goes at once", ground.get(&owner).await.code, 404)?;
    ground.until_gone(&child).await
}

pub(super) async fn an_owner_waits_for_what_blocks_it<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let (owner, child) = (
        ground.at("ConfigMap", "owner"),
        ground.at("Secret", "child"),
    );
    let made = ground.create(&owner, json!({})).await?;
    let mut held = owned_by(&made, true);
    held["metadata"]["finalizers"] = json!([HOLD]);
    ground.create(&child, held).await?;
    ground.wait().await;
    let policy = json!({ "propagationPolicy": "Foreground" });
    let marked = done(ground.delete(&owner, policy).await)?;
    let finalizers = marked.pointer("/metadata/finalizers");
    same(
        "finalizers",
        finalizers,
        Some(&json!(["foregroundDeletion"])),
    )?;
    ground
        .until("marked", &child, |reply| is_going(&reply.body))
        .await?;
    ground.wait().await;
    same("the owner waits", ground.get(&owner).await.code, 200)?;
    let none = json!({ "metadata": { "finalizers": null } });
    done(ground.patch(&child, "one", none).await)?;
    ground.until_gone(&owner).await
}

pub(super) async fn orphans_lose_their_owner_and_stay<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let (owner, child) = (
        ground.at("ConfigMap", "owner"),
        ground.at("Secret", "child"),
    );
    let made = ground.create(&owner, json!({})).await?;
    ground.create(&child, owned_by(&made, true)).await?;
    ground.wait().await;
    let marked = done(
        ground
            .delete(&owner, json!({ "propagationPolicy": "Orphan" }))
            .await,
    )?;
    let finalizers = marked.pointer("/metadata/finalizers");
    same("finalizers", finalizers, Some(&json!(["orphan"])))?;
    ground.until_gone(&owner).await?;
    let orphan = ground.read(&child).await?;
    same("owners", orphan.pointer("/metadata/ownerReferences"), None)
}

pub(super) async fn an_owner_with_another_uid_is_none<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let (owner, child) = (
        ground.at("ConfigMap", "owner"),
        ground.at("Secret", "child"),
    );
    let mut made = ground.create(&owner, json!({})).await?;
    made["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000001");
    ground.create(&child, owned_by(&made, false)).await?;
    ground.until_gone(&child).await
}

pub(super) async fn an_owner_in_another_namespace_is_none<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let other = ObjectRef::cluster(resource("Namespace"), &ground.unique("other"));
    ground.create(&other, json!({})).await?;
    let owner = ObjectRef::namespaced(resource("ConfigMap"), &other.name, "owner");
    let made = ground.create(&owner, json!({})).await?;
    let child = ground.at("Secret", "child");
    ground.create(&child, owned_by(&made, false)).await?;
    ground.until_gone(&child).await?;
    let of_cluster = ground.read(&other).await?;
    ground.create(&child, owned_by(&of_cluster, false)).await?;
    ground.wait().await;
    same(
        "an owner in no namespace is one",
        ground.get(&child).await.code,
        200,
    )
}

pub(super) async fn one_of_two_owners_is_enough<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let child = ground.at("Secret", "child");
    let mut body = json!({ "metadata": { "ownerReferences": [] } });
    for name in ["first", "second"] {
        let made = ground
            .create(&ground.at("ConfigMap", name), json!({}))
            .await?;
        let one = owned_by(&made, false)["metadata"]["ownerReferences"][0].clone();
        if let Some(all) = body["metadata"]["ownerReferences"].as_array_mut() {
            all.push(one);
        }
    }
    ground.create(&child, body).await?;
    ground.wait().await;
    done(
        ground
            .delete(&ground.at("ConfigMap", "first"), json!({}))
            .await,
    )?;
    ground.wait().await;
    same("with one owner", ground.get(&child).await.code, 200)?;
    done(
        ground
            .delete(&ground.at("ConfigMap", "second"), json!({}))
            .await,
    )?;
    ground.until_gone(&child).await
}

pub(super) async fn a_namespace_goes_with_its_content<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let namespace = ObjectRef::cluster(resource("Namespace"), &ground.unique("going"));
    let made = ground.create(&namespace, json!({})).await?;
    same("phase", text(&made, "/status/phase"), "Active")?;
    same(
        "finalizers",
        made.pointer("/spec/finalizers"),
        Some(&json!(["kubernetes"])),
    )?;
    let label = made.pointer("/metadata/labels/kubernetes.io~1metadata.name");
    same("label", label, Some(&json!(namespace.name)))?;
    let map = ObjectRef::namespaced(resource("ConfigMap"), &namespace.name, "held");
    let held = json!({ "metadata": { "finalizers": [HOLD] } });
    ground.create(&map, held).await?;
    let marked = done(ground.delete(&namespace, json!({})).await)?;
    same("phase", text(&marked, "/status/phase"), "Terminating")?;
    ensure(is_going(&marked), || marked.to_string())?;
    ground
        .until("marked", &map, |reply| is_going(&reply.body))
        .await?;
    ground.wait().await;
    same(
        "held by its content",
        ground.get(&namespace).await.code,
        200,
    )?;
    let none = json!({ "metadata": { "finalizers": null } });
    done(ground.patch(&map, "one", none).await)?;
    ground.until_gone(&namespace).await
}

pub(super) async fn a_namespace_takes_nothing_new_while_it_goes<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let namespace = ObjectRef::cluster(resource("Namespace"), &ground.unique("going"));
    ground.create(&namespace, json!({})).await?;
    let map = ObjectRef::namespaced(resource("ConfigMap"), &namespace.name, "held");
    let held = json!({ "metadata": { "finalizers": [HOLD] } });
    ground.create(&map, held).await?;
    done(ground.delete(&namespace, json!({})).await)?;
    let new = ObjectRef::namespaced(resource("Secret"), &namespace.name, "new");
    let reply = ground.post(&new, json!({})).await;
    refused(&reply, 403, "Forbidden")?;
    because(&reply, "metadata.namespace", "NamespaceTerminating")?;
    says(&reply, "because it is being terminated")?;
    let reply = ground.apply(&new, "applier", json!({})).await;
    refused(&reply, 403, "Forbidden")?;
    // What is there can be changed.
    done(
        ground
            .patch(&map, "one", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    let reply = ground.post(&namespace, json!({})).await;
    refused(&reply, 409, "AlreadyExists")?;
    let none = json!({ "metadata": { "finalizers": null } });
    done(ground.patch(&map, "one", none).await)?;
    ground.until_gone(&namespace).await
}

pub(super) async fn some_namespaces_may_not_go<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let namespace = ObjectRef::cluster(resource("Namespace"), "default");
    let dry = Request::on_object(Verb::Delete, &namespace).with("dryRun", "All");
    refused(&ground.call(dry).await, 403, "Forbidden")?;
    let options = json!({ "preconditions": { "uid": "none" } });
    refused(&ground.delete(&namespace, options).await, 409, "Conflict")
}

pub(super) async fn a_claim_is_protected_from_its_first_moment<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let claim = ground.at("PersistentVolumeClaim", "a");
    let body = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    } });
    let made = ground.create(&claim, body).await?;
    let finalizers = made.pointer("/metadata/finalizers");
    same(
        "finalizers",
        finalizers,
        Some(&json!(["kubernetes.io/pvc-protection"])),
    )?;
    let marked = done(ground.delete(&claim, json!({})).await)?;
    ensure(is_going(&marked), || marked.to_string())?;
    ground.until_gone(&claim).await
}

pub(super) async fn a_namespace_has_its_first_objects<A: Api>(ground: &Ground<'_, A>) -> Checked {
    for (kind, name) in [
        ("ServiceAccount", "default"),
        ("ConfigMap", "kube-root-ca.crt"),
    ] {
        let object = ground.at(kind, name);
        ground
            .until("made", &object, |reply| reply.code == 200)
            .await?;
    }
    let map = ground.at("ConfigMap", "kube-root-ca.crt");
    done(ground.delete(&map, json!({})).await)?;
    ground
        .until("made again", &map, |reply| reply.code == 200)
        .await
        .map(drop)
}

pub(super) async fn a_pod_without_node_goes_at_once<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let account = ground.at("ServiceAccount", "default");
    ground
        .until("made", &account, |reply| reply.code == 200)
        .await?;
    let pod = ground.at("Pod", "a");
    // Where there is a scheduler, it leaves this one alone.
    let body = json!({ "spec": {
        "schedulerName": "nobody",
        "containers": [{ "name": "a", "image": "none.example.com/a:1" }],
    } });
    let made = ground.create(&pod, body).await?;
    same("phase", text(&made, "/status/phase"), "Pending")?;
    done(ground.delete(&pod, json!({})).await)?;
    same("gone", ground.get(&pod).await.code, 404)
}
