//! What the cluster's own controllers do: rollouts, claims and the volumes behind them, snapshots. What the simulated ones are scripted
//! after, with the same fields and in the same order.

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Api, Checked, Ground, done, ensure, same, text};
use crate::sim::resource;
use crate::sim::server::{Request, Verb};

/// An image that the real cluster has.
const IMAGE: &str = "refloat.local/client:1";
/// Its storage.
const DRIVER: &str = "btrfs.csi.refloat.io";

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn pod_spec(more: &Value) -> Value {
    let mut spec = json!({ "terminationGracePeriodSeconds": 0, "containers": [{
        "name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "86400"],
    }] });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn template(more: &Value) -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": pod_spec(more) })
}

fn workload(replicas: u64, more: &Value) -> Value {
    json!({ "spec": {
        "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
        "template": template(more),
    } })
}

/// A class of the real storage, with this binding mode.
async fn class<A: Api>(ground: &Ground<'_, A>, mode: &str) -> Result<String, String> {
    let name = ground.unique("class");
    let place = ObjectRef::cluster(resource("StorageClass"), &name);
    let body = json!({
        "provisioner": DRIVER, "reclaimPolicy": "Delete", "volumeBindingMode": mode,
    });
    ground.create(&place, body).await?;
    Ok(name)
}

fn claim(class: &str) -> Value {
    json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "resources": { "requests": { "storage": "16Mi" } },
    } })
}

async fn all<A: Api>(ground: &Ground<'_, A>, kind: &str) -> Result<Vec<Value>, String> {
    let request = Request::on_kind(Verb::List, &resource(kind), Some(&ground.namespace));
    let list = done(ground.call(request).await)?;
    let items = list.pointer("/items").and_then(Value::as_array);
    Ok(items.cloned().unwrap_or_default())
}

/// The one of a kind that an object controls.
async fn controlled<A: Api>(
    ground: &Ground<'_, A>,
    kind: &str,
    owner: &Value,
) -> Result<Value, String> {
    let found = all(ground, kind).await?;
    let mut of_owner = found.iter().filter(|one| {
        text(one, "/metadata/ownerReferences/0/uid") == text(owner, "/metadata/uid")
            && one.pointer("/metadata/ownerReferences/0/controller") == Some(&json!(true))
    });
    match (of_owner.next(), of_owner.next()) {
        (Some(one), None) => Ok(one.clone()),
        _ => Err(format!("not one {kind} of it: {}", json!(found))),
    }
}

fn is_seen(live: &Value) -> bool {
    number(live, "/status/observedGeneration") == number(live, "/metadata/generation")
}

fn holds(live: &Value, condition: &str) -> bool {
    let all = live.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .any(|one| text(one, "/type") == condition && text(one, "/status") == "True")
}

pub(super) async fn a_deployment_rolls_out_by_a_replica_set<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let place = ground.at("Deployment", "web");
    let made = ground.create(&place, workload(1, &json!({}))).await?;
    same("status at first", number(&made, "/status/replicas"), 0)?;
    let up = |reply: &super::Reply| {
        is_seen(&reply.body) && number(&reply.body, "/status/availableReplicas") == 1
    };
    let live = ground.until("up", &place, up).await?;
    for field in ["replicas", "readyReplicas", "updatedReplicas"] {
        same(field, number(&live, &format!("/status/{field}")), 1)?;
    }
    ensure(
        holds(&live, "Available") && holds(&live, "Progressing"),
        || live["status"].to_string(),
    )?;
    let set = controlled(ground, "ReplicaSet", &live).await?;
    let pod = controlled(ground, "Pod", &set).await?;
    same("label", text(&pod, "/metadata/labels/app"), "web")?;
    let name = text(&pod, "/metadata/name");
    ensure(name.starts_with(text(&set, "/metadata/name")), || {
        format!("{name} of {}", text(&set, "/metadata/name"))
    })?;
    done(
        ground
            .patch(&place, "one", json!({ "spec": { "replicas": 0 } }))
            .await,
    )?;
    let down =
        |reply: &super::Reply| is_seen(&reply.body) && number(&reply.body, "/status/replicas") == 0;
    let live = ground.until("down", &place, down).await?;
    same("available", number(&live, "/status/availableReplicas"), 0)?;
    ensure(holds(&live, "Available"), || live["status"].to_string())?;
    let pod = ground.at("Pod", name);
    ground.until_gone(&pod).await
}

pub(super) async fn a_pod_waits_for_a_secret_that_it_names<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let place = ground.at("Pod", "web");
    let account = ground.at("ServiceAccount", "default");
    ground
        .until("an account", &account, |reply| reply.code == 200)
        .await?;
    let from = json!([{ "secretRef": { "name": "later" } }]);
    let mut spec = pod_spec(&json!({}));
    spec["containers"][0]["envFrom"] = from;
    ground.create(&place, json!({ "spec": spec })).await?;
    let waiting = "/status/containerStatuses/0/state/waiting/reason";
    let lacks = |reply: &super::Reply| text(&reply.body, waiting) == "CreateContainerConfigError";
    let live = ground.until("held back", &place, lacks).await?;
    same("ready", holds(&live, "Ready"), false)?;
    ground
        .create(&ground.at("Secret", "later"), json!({}))
        .await?;
    let live = ground
        .until("ready", &place, |reply| holds(&reply.body, "Ready"))
        .await?;
    same("phase", text(&live, "/status/phase"), "Running")
}

pub(super) async fn a_stateful_set_makes_claims_and_pods_in_order<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let class = class(ground, "Immediate").await?;
    let place = ground.at("StatefulSet", "db");
    let mut body = workload(2, &json!({}));
    body["spec"]["serviceName"] = json!("db");
    let mut template = claim(&class);
    template["metadata"] = json!({ "name": "data" });
    body["spec"]["volumeClaimTemplates"] = json!([template]);
    ground.create(&place, body).await?;
    let second = ground.at("Pod", "db-1");
    let up = |reply: &super::Reply| {
        is_seen(&reply.body) && number(&reply.body, "/status/readyReplicas") == 2
    };
    let live = ground.until("up", &place, up).await?;
    let revision = text(&live, "/status/currentRevision");
    same("revision", text(&live, "/status/updateRevision"), revision)?;
    ensure(!revision.is_empty(), || live["status"].to_string())?;
    for field in ["replicas", "currentReplicas", "updatedReplicas"] {
        same(field, number(&live, &format!("/status/{field}")), 2)?;
    }
    let first = ground.read(&ground.at("Pod", "db-0")).await?;
    let owner = text(&first, "/metadata/ownerReferences/0/uid");
    same("owner", owner, text(&live, "/metadata/uid"))?;
    let labels = &first["metadata"]["labels"];
    same(
        "pod",
        labels["statefulset.kubernetes.io/pod-name"].as_str(),
        Some("db-0"),
    )?;
    let volumes = first.pointer("/spec/volumes").and_then(Value::as_array);
    let mounted = volumes.into_iter().flatten().any(|volume| {
        text(volume, "/name") == "data"
            && text(volume, "/persistentVolumeClaim/claimName") == "data-db-0"
    });
    ensure(mounted, || first["spec"].to_string())?;
    for name in ["data-db-0", "data-db-1"] {
        let claim = ground
            .read(&ground.at("PersistentVolumeClaim", name))
            .await?;
        same("phase", text(&claim, "/status/phase"), "Bound")?;
        same("label", text(&claim, "/metadata/labels/app"), "web")?;
        same("owner", claim.pointer("/metadata/ownerReferences"), None)?;
    }
    let version = |pod: &Value| text(pod, "/metadata/creationTimestamp").to_owned();
    let later = ground.read(&second).await?;
    ensure(version(&first) <= version(&later), || {
        "db-1 came first".to_owned()
    })?;
    // Its claims stay when it goes.
    done(ground.delete(&place, json!({})).await)?;
    ground.until_gone(&second).await?;
    let claim = ground.at("PersistentVolumeClaim", "data-db-0");
    same("claim", ground.get(&claim).await.code, 200)?;
    for name in ["data-db-0", "data-db-1"] {
        let claim = ground.at("PersistentVolumeClaim", name);
        done(ground.delete(&claim, json!({})).await)?;
        ground.until_gone(&claim).await?;
    }
    Ok(())
}

pub(super) async fn a_claim_waits_for_its_first_consumer<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let class = class(ground, "WaitForFirstConsumer").await?;
    let place = ground.at("PersistentVolumeClaim", "data");
    let made = ground.create(&place, claim(&class)).await?;
    same(
        "protected",
        &made["metadata"]["finalizers"],
        &json!(["kubernetes.io/pvc-protection"]),
    )?;
    ground.wait().await;
    let live = ground.read(&place).await?;
    same("phase", text(&live, "/status/phase"), "Pending")?;
    same("volume", text(&live, "/spec/volumeName"), "")?;
    let volumes = json!({ "volumes": [
        { "name": "data", "persistentVolumeClaim": { "claimName": "data" } },
    ] });
    let pod = ground.at("Pod", "web");
    let account = ground.at("ServiceAccount", "default");
    ground
        .until("an account", &account, |reply| reply.code == 200)
        .await?;
    ground
        .create(&pod, json!({ "spec": pod_spec(&volumes) }))
        .await?;
    let bound = |reply: &super::Reply| text(&reply.body, "/status/phase") == "Bound";
    let live = ground.until("bound", &place, bound).await?;
    let annotations = &live["metadata"]["annotations"];
    for key in [
        "volume.kubernetes.io/selected-node",
        "pv.kubernetes.io/bind-completed",
    ] {
        ensure(annotations[key].is_string(), || annotations.to_string())?;
    }
    let name = text(&live, "/spec/volumeName");
    let volume = ObjectRef::cluster(resource("PersistentVolume"), name);
    let told = ground.read(&volume).await?;
    let uid = text(&told, "/spec/claimRef/uid");
    same("its claim", uid, text(&live, "/metadata/uid"))?;
    same("driver", text(&told, "/spec/csi/driver"), DRIVER)?;
    same(
        "policy",
        text(&told, "/spec/persistentVolumeReclaimPolicy"),
        "Delete",
    )?;
    ground
        .until("ready", &pod, |reply| holds(&reply.body, "Ready"))
        .await?;
    // A claim that a pod mounts stays until the pod is gone, and its volume with it.
    done(ground.delete(&place, json!({})).await)?;
    ground.wait().await;
    let going = ground.read(&place).await?;
    ensure(
        going.pointer("/metadata/deletionTimestamp").is_some(),
        || going.to_string(),
    )?;
    done(
        ground
            .delete(&pod, json!({ "gracePeriodSeconds": 0 }))
            .await,
    )?;
    ground.until_gone(&place).await?;
    ground.until_gone(&volume).await
}

pub(super) async fn a_pod_without_a_node_protects_no_claim<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let class = class(ground, "Immediate").await?;
    let place = ground.at("PersistentVolumeClaim", "data");
    ground.create(&place, claim(&class)).await?;
    let bound = |reply: &super::Reply| text(&reply.body, "/status/phase") == "Bound";
    ground.until("bound", &place, bound).await?;
    let never = ground.at("PersistentVolumeClaim", "never");
    let of_nobody = claim(&ground.unique("no-class"));
    ground.create(&never, of_nobody).await?;
    let volume =
        |name: &str| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
    let volumes = json!({ "volumes": [volume("data"), volume("never")] });
    let account = ground.at("ServiceAccount", "default");
    ground
        .until("an account", &account, |reply| reply.code == 200)
        .await?;
    let pod = ground.at("Pod", "web");
    ground
        .create(&pod, json!({ "spec": pod_spec(&volumes) }))
        .await?;
    ground.wait().await;
    let waits = ground.read(&pod).await?;
    same("node", text(&waits, "/spec/nodeName"), "")?;
    done(ground.delete(&place, json!({})).await)?;
    ground.until_gone(&place).await?;
    same("pod", ground.get(&pod).await.code, 200)
}

pub(super) async fn a_snapshot_is_bound_to_its_content<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let class = class(ground, "Immediate").await?;
    let place = ground.at("PersistentVolumeClaim", "data");
    ground.create(&place, claim(&class)).await?;
    let bound = |reply: &super::Reply| text(&reply.body, "/status/phase") == "Bound";
    ground.until("bound", &place, bound).await?;
    let cut = ObjectRef::cluster(resource("VolumeSnapshotClass"), &ground.unique("cut"));
    let body = json!({ "driver": DRIVER, "deletionPolicy": "Delete" });
    ground.create(&cut, body).await?;
    let snapshot = ground.at("VolumeSnapshot", "cut");
    let body = json!({ "spec": {
        "volumeSnapshotClassName": cut.name, "source": { "persistentVolumeClaimName": "data" },
    } });
    ground.create(&snapshot, body).await?;
    let ready = |reply: &super::Reply| reply.body["status"]["readyToUse"] == json!(true);
    let live = ground.until("ready", &snapshot, ready).await?;
    let name = text(&live, "/status/boundVolumeSnapshotContentName");
    same(
        "name",
        name,
        format!("snapcontent-{}", text(&live, "/metadata/uid")).as_str(),
    )?;
    let content = ObjectRef::cluster(resource("VolumeSnapshotContent"), name);
    let told = ground.read(&content).await?;
    let uid = text(&told, "/spec/volumeSnapshotRef/uid");
    same("its snapshot", uid, text(&live, "/metadata/uid"))?;
    same("driver", text(&told, "/spec/driver"), DRIVER)?;
    ensure(!text(&told, "/status/snapshotHandle").is_empty(), || {
        told["status"].to_string()
    })?;
    // With policy Delete the content goes first, then the snapshot.
    done(ground.delete(&snapshot, json!({})).await)?;
    ground.until_gone(&snapshot).await?;
    ground.until_gone(&content).await
}
