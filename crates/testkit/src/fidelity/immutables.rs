//! What may not change, and what is given out once.

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::creates::deployment;
use super::{Api, Checked, Ground, because, done, ensure, refused, same, says, text};
use crate::sim::resource;

fn claim() -> Value {
    json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    } })
}

pub(super) async fn a_claims_spec_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("PersistentVolumeClaim", "a");
    ground.create(&place, claim()).await?;
    for change in [
        json!({ "storageClassName": "other" }),
        json!({ "accessModes": ["ReadOnlyMany"] }),
        json!({ "resources": { "requests": { "storage": "2Gi" } } }),
    ] {
        let reply = ground.patch(&place, "one", json!({ "spec": change })).await;
        refused(&reply, 422, "Invalid")?;
        because(&reply, "spec", "FieldValueForbidden")?;
        says(&reply, "spec is immutable after creation")?;
    }
    let volume = json!({ "spec": { "volumeName": "none" } });
    done(ground.patch(&place, "one", volume).await)?;
    let other = json!({ "spec": { "volumeName": "other" } });
    refused(&ground.patch(&place, "one", other).await, 422, "Invalid")
}

pub(super) async fn a_selector_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("Deployment", "a");
    ground.create(&place, deployment("a")).await?;
    let labels = json!({ "app": "a", "b": "1" });
    let change = json!({ "spec": {
        "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } },
    } });
    let reply = ground.patch(&place, "one", change).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.selector", "FieldValueInvalid")?;
    says(&reply, "field is immutable")
}

pub(super) async fn a_stateful_set_stays_but_for_some_fields<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let place = ground.at("StatefulSet", "a");
    let mut body = deployment("a");
    body["spec"]["serviceName"] = json!("a");
    ground.create(&place, body).await?;
    let reply = ground
        .patch(&place, "one", json!({ "spec": { "serviceName": "b" } }))
        .await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec", "FieldValueForbidden")?;
    let template = json!({ "metadata": { "name": "data" }, "spec": claim()["spec"] });
    let change = json!({ "spec": { "volumeClaimTemplates": [template] } });
    refused(&ground.patch(&place, "one", change).await, 422, "Invalid")?;
    let free = json!({ "spec": { "minReadySeconds": 1 } });
    done(ground.patch(&place, "one", free).await).map(drop)
}

pub(super) async fn a_jobs_template_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("Job", "a");
    let body = json!({ "spec": { "parallelism": 0, "template": { "spec": {
        "restartPolicy": "Never",
        "containers": [{ "name": "a", "image": "none.example.com/a:1" }],
    } } } });
    ground.create(&place, body).await?;
    let change = json!({ "spec": { "template": { "spec": { "restartPolicy": "OnFailure" } } } });
    let reply = ground.patch(&place, "one", change).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.template", "FieldValueInvalid")?;
    done(
        ground
            .patch(&place, "one", json!({ "spec": { "backoffLimit": 1 } }))
            .await,
    )
    .map(drop)
}

pub(super) async fn immutable_data_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    for (kind, first, second) in [("ConfigMap", "a", "b"), ("Secret", "YQ==", "Yg==")] {
        let place = ground.at(kind, "a");
        let body = json!({ "immutable": true, "data": { "x": first } });
        ground.create(&place, body).await?;
        let reply = ground
            .patch(&place, "one", json!({ "data": { "x": second } }))
            .await;
        refused(&reply, 422, "Invalid")?;
        because(&reply, "data", "FieldValueForbidden")?;
        let reply = ground
            .patch(&place, "one", json!({ "immutable": false }))
            .await;
        because(&reply, "immutable", "FieldValueForbidden")?;
        let labels = json!({ "metadata": { "labels": { "l": "1" } } });
        done(ground.patch(&place, "one", labels).await)?;
    }
    Ok(())
}

pub(super) async fn a_role_that_is_bound_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("RoleBinding", "a");
    let role = |name: &str| {
        json!({ "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name,
        } })
    };
    ground.create(&place, role("a")).await?;
    let reply = ground.patch(&place, "one", role("b")).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "roleRef", "FieldValueInvalid")
}

pub(super) async fn a_secrets_type_stays<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("Secret", "a");
    let made = ground.create(&place, json!({})).await?;
    same("type", text(&made, "/type"), "Opaque")?;
    let reply = ground
        .patch(&place, "one", json!({ "type": "example.com/other" }))
        .await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "type", "FieldValueInvalid")
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the callers make the values for this call"
)]
fn service(body: Value) -> Value {
    let mut service = json!({ "spec": { "ports": [{ "port": 80 }] } });
    crate::sim::server::merge(&mut service["spec"], &body);
    service
}

pub(super) async fn a_cluster_address_is_given_once<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let made = ground
        .create(&ground.at("Service", "a"), service(json!({})))
        .await?;
    let address = text(&made, "/spec/clusterIP").to_owned();
    ensure(address.split('.').count() == 4, || made.to_string())?;
    same(
        "addresses",
        made.pointer("/spec/clusterIPs"),
        Some(&json!([address])),
    )?;
    same("type", text(&made, "/spec/type"), "ClusterIP")?;
    same(
        "target",
        made.pointer("/spec/ports/0/targetPort"),
        Some(&json!(80)),
    )?;
    let same_address = service(json!({ "clusterIP": address }));
    let reply = ground
        .post(&ground.at("Service", "b"), same_address.clone())
        .await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.clusterIPs", "FieldValueInvalid")?;
    says(&reply, "provided IP is already allocated")?;
    let outside = service(json!({ "clusterIP": "192.0.2.1" }));
    let reply = ground.post(&ground.at("Service", "b"), outside).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.clusterIPs", "FieldValueInvalid")?;
    done(ground.delete(&ground.at("Service", "a"), json!({})).await)?;
    ground
        .create(&ground.at("Service", "b"), same_address)
        .await?;
    let headless = service(json!({ "clusterIP": "None" }));
    let made = ground.create(&ground.at("Service", "c"), headless).await?;
    same("headless", text(&made, "/spec/clusterIP"), "None")
}

pub(super) async fn a_cluster_address_does_not_change<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let place = ground.at("Service", "a");
    let made = ground.create(&place, service(json!({}))).await?;
    let change =
        json!({ "spec": { "clusterIP": "10.96.200.200", "clusterIPs": ["10.96.200.200"] } });
    let reply = ground.patch(&place, "one", change).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.clusterIPs[0]", "FieldValueInvalid")?;
    says(&reply, "may not change once set")?;
    let put = done(ground.put(&place, service(json!({}))).await)?;
    same(
        "kept",
        put.pointer("/spec/clusterIP"),
        made.pointer("/spec/clusterIP"),
    )
}

pub(super) async fn a_node_port_is_given_once<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let open = service(json!({ "type": "NodePort" }));
    let made = ground.create(&ground.at("Service", "a"), open).await?;
    let port = made
        .pointer("/spec/ports/0/nodePort")
        .cloned()
        .unwrap_or(Value::Null);
    let number = port.as_u64().unwrap_or(0);
    ensure((30_000..32_768).contains(&number), || made.to_string())?;
    let same_port =
        |kind: &str| service(json!({ "type": kind, "ports": [{ "port": 80, "nodePort": port }] }));
    let reply = ground
        .post(&ground.at("Service", "b"), same_port("NodePort"))
        .await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.ports[0].nodePort", "FieldValueInvalid")?;
    says(&reply, "provided port is already allocated")?;
    let reply = ground
        .post(&ground.at("Service", "b"), same_port("ClusterIP"))
        .await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.ports[0].nodePort", "FieldValueForbidden")
}

pub(super) async fn a_volume_may_be_pointed_at_another_claim<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let place = ObjectRef::cluster(resource("PersistentVolume"), &ground.unique("volume"));
    let body = json!({ "spec": {
        "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none", "persistentVolumeReclaimPolicy": "Retain",
        "csi": { "driver": "none.example.com", "volumeHandle": "one" },
        "claimRef": { "namespace": "none", "name": "first", "uid": "one" },
    } });
    let made = ground.create(&place, body).await?;
    let finalizers = made.pointer("/metadata/finalizers");
    same(
        "finalizers",
        finalizers,
        Some(&json!(["kubernetes.io/pv-protection"])),
    )?;
    let another = json!({ "spec": { "claimRef": {
        "namespace": ground.namespace, "name": "second", "uid": null,
    } } });
    let patched = done(ground.patch(&place, "one", another).await)?;
    same("name", text(&patched, "/spec/claimRef/name"), "second")?;
    same("uid", patched.pointer("/spec/claimRef/uid"), None)?;
    let handle = json!({ "spec": { "csi": { "volumeHandle": "two" } } });
    let reply = ground.patch(&place, "one", handle).await;
    refused(&reply, 422, "Invalid")?;
    because(&reply, "spec.persistentvolumesource", "FieldValueForbidden")
}

pub(super) async fn fields_that_are_left_out_get_their_defaults<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let mut body = deployment("a");
    if let Some(spec) = body["spec"].as_object_mut() {
        spec.remove("replicas");
    }
    body["spec"]["paused"] = json!(true);
    let made = ground.create(&ground.at("Deployment", "a"), body).await?;
    for (pointer, wanted) in [
        ("/spec/replicas", json!(1)),
        ("/spec/progressDeadlineSeconds", json!(600)),
        ("/spec/revisionHistoryLimit", json!(10)),
        ("/spec/strategy/type", json!("RollingUpdate")),
        ("/spec/template/spec/restartPolicy", json!("Always")),
        ("/spec/template/spec/dnsPolicy", json!("ClusterFirst")),
        (
            "/spec/template/spec/terminationGracePeriodSeconds",
            json!(30),
        ),
        (
            "/spec/template/spec/containers/0/terminationMessagePolicy",
            json!("File"),
        ),
    ] {
        same(pointer, made.pointer(pointer), Some(&wanted))?;
    }
    let made = ground
        .create(&ground.at("PersistentVolumeClaim", "a"), claim())
        .await?;
    same("mode", text(&made, "/spec/volumeMode"), "Filesystem")
}
