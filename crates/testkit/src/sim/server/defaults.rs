//! What the server fills in: the defaults of built-in kinds that clients meet, and the first status. Called on writes.

use serde_json::{Value, json};

use super::catalogue::Served;
use super::delete::add_finalizer;
use super::text;

fn default(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    let mut keys = pointer.trim_start_matches('/').split('/').peekable();
    while let Some(key) = keys.next() {
        if !at.is_object() {
            return;
        }
        if keys.peek().is_none() {
            if at.get(key).is_none_or(Value::is_null) {
                at[key] = value;
            }
            return;
        }
        at = &mut at[key];
        if at.is_null() {
            *at = json!({});
        }
    }
}

/// Defaults of an object to be created, its first status, its finalizers.
pub(super) fn on_create(served: &Served, object: &mut Value) {
    if served.is_custom() {
        return;
    }
    always(served, object);
    match served.resource.kind.as_str() {
        "Namespace" => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] =
                object["metadata"]["name"].clone();
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({ "phase": "Active" });
        }
        "PersistentVolumeClaim" => {
            add_finalizer(object, "kubernetes.io/pvc-protection");
            object["status"] = json!({ "phase": "Pending" });
        }
        "PersistentVolume" => {
            add_finalizer(object, "kubernetes.io/pv-protection");
            object["status"] = json!({ "phase": "Pending" });
        }
        "Pod" => object["status"] = json!({ "phase": "Pending" }),
        "Service" => object["status"] = json!({ "loadBalancer": {} }),
        "Deployment" | "Job" | "CronJob" => object["status"] = json!({}),
        "StatefulSet" | "ReplicaSet" => object["status"] = json!({ "replicas": 0 }),
        _ => {}
    }
}

/// Defaults of an object to be changed.
pub(super) fn on_update(served: &Served, live: &Value, object: &mut Value) {
    if served.is_custom() {
        return;
    }
    if let Some(map) = object.as_object_mut()
        && let Some(spec) = live.get("spec")
    {
        map.entry("spec").or_insert_with(|| {
            // A PUT without what can be empty keeps the struct.
            if spec.is_object() {
                json!({})
            } else {
                Value::Null
            }
        });
    }
    always(served, object);
    if let Some(name) =
        text(object, "/metadata/name").filter(|_| served.resource.kind == "Namespace")
    {
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name.to_owned());
    }
}

fn always(served: &Served, object: &mut Value) {
    match served.resource.kind.as_str() {
        "Secret" => default(object, "/type", json!("Opaque")),
        "Service" => service(object),
        "PersistentVolumeClaim" => default(object, "/spec/volumeMode", json!("Filesystem")),
        "PersistentVolume" => {
            default(object, "/spec/volumeMode", json!("Filesystem"));
            default(
                object,
                "/spec/persistentVolumeReclaimPolicy",
                json!("Retain"),
            );
        }
        "StorageClass" => {
            default(object, "/reclaimPolicy", json!("Delete"));
            default(object, "/volumeBindingMode", json!("Immediate"));
        }
        "Deployment" => {
            default(object, "/spec/replicas", json!(1));
            default(object, "/spec/progressDeadlineSeconds", json!(600));
            default(object, "/spec/revisionHistoryLimit", json!(10));
            default(object, "/spec/strategy/type", json!("RollingUpdate"));
            if text(object, "/spec/strategy/type") == Some("RollingUpdate") {
                default(
                    object,
                    "/spec/strategy/rollingUpdate/maxSurge",
                    json!("25%"),
                );
                default(
                    object,
                    "/spec/strategy/rollingUpdate/maxUnavailable",
                    json!("25%"),
                );
            }
            pod_template(object, "/spec/template/spec", "Always");
        }
        "ReplicaSet" => {
            default(object, "/spec/replicas", json!(1));
            pod_template(object, "/spec/template/spec", "Always");
        }
        "StatefulSet" => {
            default(object, "/spec/replicas", json!(1));
            default(object, "/spec/podManagementPolicy", json!("OrderedReady"));
            default(object, "/spec/revisionHistoryLimit", json!(10));
            default(object, "/spec/updateStrategy/type", json!("RollingUpdate"));
            pod_template(object, "/spec/template/spec", "Always");
        }
        "Job" => {
            default(object, "/spec/backoffLimit", json!(6));
            default(object, "/spec/completions", json!(1));
            default(object, "/spec/parallelism", json!(1));
            default(object, "/spec/suspend", json!(false));
            pod_template(object, "/spec/template/spec", "");
        }
        "Pod" => pod_template(object, "/spec", "Always"),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhooks(object),
        _ => {}
    }
}

fn pod_template(object: &mut Value, pointer: &str, restart: &str) {
    if !restart.is_empty() {
        default(object, &format!("{pointer}/restartPolicy"), json!(restart));
    }
    let Some(spec) = object.pointer_mut(pointer) else {
        return;
    };
    default(spec, "/dnsPolicy", json!("ClusterFirst"));
    default(spec, "/schedulerName", json!("default-scheduler"));
    default(spec, "/securityContext", json!({}));
    default(spec, "/terminationGracePeriodSeconds", json!(30));
    for containers in ["containers", "initContainers"] {
        let all = spec.get_mut(containers).and_then(Value::as_array_mut);
        for container in all.into_iter().flatten() {
            default(
                container,
                "/terminationMessagePath",
                json!("/dev/termination-log"),
            );
            default(container, "/terminationMessagePolicy", json!("File"));
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                default(port, "/protocol", json!("TCP"));
            }
        }
    }
}

fn service(object: &mut Value) {
    default(object, "/spec/type", json!("ClusterIP"));
    default(object, "/spec/sessionAffinity", json!("None"));
    let ports = object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        default(port, "/protocol", json!("TCP"));
        let target = port.get("port").cloned().unwrap_or(Value::Null);
        default(port, "/targetPort", target);
    }
}

fn webhooks(object: &mut Value) {
    let all = object.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in all.into_iter().flatten() {
        default(webhook, "/failurePolicy", json!("Fail"));
        default(webhook, "/matchPolicy", json!("Equivalent"));
        default(webhook, "/timeoutSeconds", json!(10));
        default(webhook, "/namespaceSelector", json!({}));
        default(webhook, "/objectSelector", json!({}));
    }
}
