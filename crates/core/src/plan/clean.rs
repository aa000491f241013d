//! An object as it is written at another site: without what belonged to its old cluster.

use serde_json::{Map, Value};

use crate::json::{Fields, Json};

/// Fields of `metadata` that the old API server gave.
const METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
];
/// Annotations that controllers of the old cluster gave.
const ANNOTATIONS: &[&str] = &[
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "refloat.io/recovery",
    "refloat.io/digest",
    "refloat.io/updated",
    "refloat.io/nudged",
];
/// Labels that a Job's controller gives.
const JOB_LABELS: &[&str] = &[
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "batch.kubernetes.io/job-name",
];

fn strip(object: &mut Value, pointer: &str, keys: &[&str]) {
    if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

fn drop_if_empty(object: &mut Value, parent: &str, key: &str) {
    let empty = object
        .pointer(&format!("{parent}/{key}"))
        .and_then(Value::as_object)
        .is_some_and(Map::is_empty);
    if empty {
        strip(object, parent, &[key]);
    }
}

/// An object without its status and what the old cluster knew of it: often most of it, so it is not copied first.
fn copy(object: &Json) -> Value {
    let Some(fields) = object.as_object() else {
        return object.to_value();
    };
    let without = |fields: &Fields, keys: &[&str]| -> Map<String, Value> {
        let kept = fields.iter().filter(|(key, _)| !keys.contains(key));
        kept.map(|(key, value)| (key.to_owned(), value.to_value()))
            .collect()
    };
    let mut copied = without(fields, &["status", "metadata"]);
    if let Some(metadata) = fields.get("metadata") {
        let metadata = match metadata.as_object() {
            Some(fields) => Value::Object(without(fields, METADATA)),
            None => metadata.to_value(),
        };
        copied.insert("metadata".to_owned(), metadata);
    }
    Value::Object(copied)
}

/// Cleans an object for another cluster.
pub fn clean(object: &Json) -> Value {
    let mut object = copy(object);
    strip(&mut object, "/metadata/annotations", ANNOTATIONS);
    drop_if_empty(&mut object, "/metadata", "annotations");
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    match kind.as_str() {
        "Service" => service(&mut object),
        "ServiceAccount" => strip(&mut object, "", &["secrets"]),
        "Namespace" => strip(&mut object, "", &["spec"]),
        "Pod" => strip(&mut object, "/spec", &["nodeName"]),
        "PersistentVolumeClaim" => {
            strip(
                &mut object,
                "/spec",
                &["volumeName", "dataSource", "dataSourceRef"],
            );
        }
        "Job" => {
            strip(&mut object, "/spec", &["selector", "manualSelector"]);
            for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
                strip(&mut object, labels, JOB_LABELS);
            }
        }
        "Secret" => {
            let token = object.get("type").and_then(Value::as_str)
                == Some("kubernetes.io/service-account-token");
            if token {
                strip(&mut object, "", &["data"]);
                let uid = ["kubernetes.io/service-account.uid"];
                strip(&mut object, "/metadata/annotations", &uid);
            }
        }
        _ => {}
    }
    object
}

/// Addresses and ports that the old cluster chose; headless stays headless.
fn service(object: &mut Value) {
    if object.pointer("/spec/clusterIP").and_then(Value::as_str) != Some("None") {
        strip(object, "/spec", &["clusterIP", "clusterIPs"]);
    }
    strip(object, "/spec", &["healthCheckNodePort"]);
    if let Some(ports) = object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut)
    {
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
}
