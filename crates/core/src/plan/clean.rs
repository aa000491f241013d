//! An object as it is written at another site: without what belonged to its old cluster.

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

/// Takes fields away from the object at these names; where there are none, nothing is touched.
fn strip(object: &mut Json, at: &[&str], keys: &[&str]) {
    if let Some(fields) = object.fields_mut(at) {
        fields.retain(|key| !keys.contains(&key));
    }
}

fn drop_if_empty(object: &mut Json, parent: &str, key: &str) {
    let empty = object[parent][key]
        .as_object()
        .is_some_and(Fields::is_empty);
    if empty {
        strip(object, &[parent], &[key]);
    }
}

/// Cleans an object for another cluster.
pub fn clean(object: &Json) -> Json {
    let mut object = object.clone();
    strip(&mut object, &[], &["status"]);
    strip(&mut object, &["metadata"], METADATA);
    strip(&mut object, &["metadata", "annotations"], ANNOTATIONS);
    drop_if_empty(&mut object, "metadata", "annotations");
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "Service" => service(&mut object),
        "ServiceAccount" => account(&mut object),
        "Namespace" => strip(&mut object, &[], &["spec"]),
        "Pod" => strip(&mut object, &["spec"], &["nodeName"]),
        "PersistentVolumeClaim" => {
            strip(
                &mut object,
                &["spec"],
                &["volumeName", "dataSource", "dataSourceRef"],
            );
        }
        "Job" => {
            strip(&mut object, &["spec"], &["selector", "manualSelector"]);
            strip(&mut object, &["metadata", "labels"], JOB_LABELS);
            let template = ["spec", "template", "metadata", "labels"];
            strip(&mut object, &template, JOB_LABELS);
        }
        "Secret" if object["type"] == "kubernetes.io/service-account-token" => {
            strip(&mut object, &[], &["data"]);
            let uid = ["kubernetes.io/service-account.uid"];
            strip(&mut object, &["metadata", "annotations"], &uid);
        }
        _ => {}
    }
    object
}

/// Its tokens, and what OpenShift lets it pull from its own registry with: each cluster makes them anew.
fn account(object: &mut Json) {
    const REGISTRY: &str = "openshift.io/internal-registry-pull-secret-ref";
    strip(object, &[], &["secrets"]);
    strip(object, &["metadata", "annotations"], &[REGISTRY]);
    drop_if_empty(object, "metadata", "annotations");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let prefix = format!("{name}-dockercfg-");
    let is_made = |pull: &Json| {
        let name = pull.get("name").and_then(Json::as_str);
        name.is_some_and(|name| name.starts_with(&prefix))
    };
    let pulls = object["imagePullSecrets"].as_array().unwrap_or_default();
    let rest: Vec<Json> = pulls.iter().filter(|one| !is_made(one)).cloned().collect();
    if rest.is_empty() {
        strip(object, &[], &["imagePullSecrets"]);
    } else {
        object.set("imagePullSecrets", Json::of_items(rest));
    }
}

/// Addresses and ports that the old cluster chose; headless stays headless.
fn service(object: &mut Json) {
    if object["spec"]["clusterIP"] != "None" {
        strip(object, &["spec"], &["clusterIP", "clusterIPs"]);
    }
    strip(object, &["spec"], &["healthCheckNodePort"]);
    let ports = object.fields_mut(&["spec"]);
    let ports = ports.and_then(|spec| spec.get_mut("ports")?.items_mut());
    for port in ports.into_iter().flatten() {
        strip(port, &[], &["nodePort"]);
    }
}
