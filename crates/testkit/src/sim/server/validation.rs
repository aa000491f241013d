//! What the server has against an object: the rules that clients meet, not all of them.

use crate::sim::look::Look as _;
use serde_json::{Value, json};

use super::catalogue::Served;
use super::status::Cause;
use super::{list, text};

/// Letters, digits, `-` and `.`, as DNS has them.
fn is_name(name: &str) -> bool {
    let good = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    !name.is_empty()
        && name.len() <= 253
        && name
            .chars()
            .all(|letter| good(letter) || letter == '-' || letter == '.')
        && name.starts_with(good)
        && name.ends_with(good)
}

const NAME_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

/// Causes against an object to be created.
pub(super) fn of_new(served: &Served, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    owners(object, &mut causes);
    match text(object, "/metadata/name") {
        None | Some("") => {
            let why = "name or generateName is required";
            causes.push(Cause::required("metadata.name", why));
        }
        Some(name) if served.resource.group != "rbac.authorization.k8s.io" && !is_name(name) => {
            causes.push(Cause::invalid("metadata.name", &json!(name), NAME_RULE));
        }
        Some(_) => {}
    }
    if !served.is_custom() {
        built_in(served, object, &mut causes);
    }
    causes
}

/// Each owner is named whole, and one of them manages the object.
fn owners(object: &Value, causes: &mut Vec<Cause>) {
    let all = list(object, "/metadata/ownerReferences");
    for owner in all {
        for key in ["kind", "name", "uid"] {
            if text(owner, &format!("/{key}"))
                .unwrap_or_default()
                .is_empty()
            {
                let field = format!("metadata.ownerReferences.{key}");
                let why = format!("{key} must not be empty");
                causes.push(Cause::invalid(&field, &json!(""), &why));
            }
        }
    }
    let controls = |owner: &&Value| owner.at("/controller") == Some(&json!(true));
    if all.iter().filter(controls).count() > 1 {
        let why = "Only one reference can have Controller set to true";
        causes.push(Cause::invalid("metadata.ownerReferences", &json!(all), why));
    }
}

fn need(object: &Value, pointer: &str, why: &str, causes: &mut Vec<Cause>) {
    let missing = match object.at(pointer) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    };
    if missing {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        causes.push(Cause::required(&field, why));
    }
}

fn built_in(served: &Served, object: &Value, causes: &mut Vec<Cause>) {
    match served.resource.kind.as_str() {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => workload(object, causes),
        "Job" => need(object, "/spec/template/spec/containers", "", causes),
        "Pod" => need(object, "/spec/containers", "", causes),
        "PersistentVolumeClaim" => {
            let why = "at least 1 access mode is required";
            need(object, "/spec/accessModes", why, causes);
            if object.at("/spec/resources/requests/storage").is_none() {
                causes.push(Cause::required("spec.resources[storage]", ""));
            }
        }
        "PersistentVolume" => {
            need(object, "/spec/accessModes", "", causes);
            need(object, "/spec/capacity", "", causes);
        }
        "Service" => {
            let headless = text(object, "/spec/clusterIP") == Some("None");
            let external = text(object, "/spec/type") == Some("ExternalName");
            if !headless && !external {
                need(object, "/spec/ports", "", causes);
            }
        }
        "StorageClass" => need(object, "/provisioner", "", causes),
        "RoleBinding" | "ClusterRoleBinding" => need(object, "/roleRef/name", "", causes),
        "CustomResourceDefinition" => super::definitions::validate(object, causes),
        _ => {}
    }
}

fn workload(object: &Value, causes: &mut Vec<Cause>) {
    need(object, "/spec/selector", "", causes);
    need(object, "/spec/template/spec/containers", "", causes);
    let labels = object.at("/spec/template/metadata/labels");
    let selector = object.at("/spec/selector");
    if selector.is_some() && !super::selectors::selects(selector, labels) {
        let shown = labels.cloned().unwrap_or(Value::Null);
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", &shown, why));
    }
}

/// Causes against a change.
pub(super) fn of_change(served: &Served, live: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    finalizers(live, new, &mut causes);
    owners(new, &mut causes);
    if served.is_custom() {
        return causes;
    }
    let mut fixed = |pointer: &str| {
        let (before, after) = (live.at(pointer), new.at(pointer));
        if before != after {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            let shown = after.cloned().unwrap_or(Value::Null);
            causes.push(Cause::invalid(&field, &shown, "field is immutable"));
        }
    };
    match served.resource.kind.as_str() {
        "Deployment" | "ReplicaSet" | "DaemonSet" => fixed("/spec/selector"),
        "Job" => {
            fixed("/spec/selector");
            fixed("/spec/template");
            fixed("/spec/completionMode");
        }
        "Secret" => fixed("/type"),
        "RoleBinding" | "ClusterRoleBinding" if live.get("roleRef") != new.get("roleRef") => {
            let shown = new.get("roleRef").cloned().unwrap_or(Value::Null);
            causes.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
        }
        _ => {}
    }
    immutable_data(served, live, new, &mut causes);
    spec(served, live, new, &mut causes);
    built_in(served, new, &mut causes);
    causes
}

fn finalizers(live: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if live.at("/metadata/deletionTimestamp").is_none() {
        return;
    }
    let before = list(live, "/metadata/finalizers");
    let added: Vec<&Value> = list(new, "/metadata/finalizers")
        .iter()
        .filter(|one| !before.contains(one))
        .collect();
    if !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
        );
        causes.push(Cause::forbidden("metadata.finalizers", &why));
    }
}

fn immutable_data(served: &Served, live: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let kind = served.resource.kind.as_str();
    if !matches!(kind, "ConfigMap" | "Secret") || live.get("immutable") != Some(&json!(true)) {
        return;
    }
    let why = "field is immutable when `immutable` is set";
    for field in ["immutable", "data", "binaryData"] {
        if live.get(field) != new.get(field) {
            causes.push(Cause::forbidden(field, why));
        }
    }
}

/// The spec without what may change.
fn fixed_spec(object: &Value, free: &[&str]) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or(Value::Null);
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|key, _| !free.contains(&key.as_str()));
    }
    spec
}

fn spec(served: &Served, live: &Value, new: &Value, causes: &mut Vec<Cause>) {
    match served.resource.kind.as_str() {
        "StatefulSet" => {
            const FREE: &[&str] = &[
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            if fixed_spec(live, FREE) != fixed_spec(new, FREE) {
                let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
                causes.push(Cause::forbidden("spec", why));
            }
        }
        "PersistentVolumeClaim" => claim(live, new, causes),
        "PersistentVolume" => {
            for source in ["csi", "hostPath", "nfs", "local"] {
                if live["spec"].get(source) != new["spec"].get(source) {
                    let why = "spec.persistentvolumesource is immutable after creation";
                    causes.push(Cause::forbidden("spec.persistentvolumesource", why));
                }
            }
        }
        "StorageClass" => {
            for field in [
                "provisioner",
                "parameters",
                "reclaimPolicy",
                "volumeBindingMode",
            ] {
                if live.get(field) != new.get(field) {
                    let why = format!("updates to {field} are forbidden.");
                    causes.push(Cause::forbidden(field, &why));
                }
            }
        }
        "Pod" => pod(live, new, causes),
        _ => {}
    }
}

fn claim(live: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let mut free = vec!["resources", "volumeAttributesClassName"];
    // The binder names the volume once.
    if live.at("/spec/volumeName").is_none() {
        free.push("volumeName");
    }
    if live.at("/spec/storageClassName").is_none() {
        free.push("storageClassName");
    }
    let bound = live.at("/spec/volumeName").is_some();
    let resized = live.at("/spec/resources") != new.at("/spec/resources");
    if fixed_spec(live, &free) != fixed_spec(new, &free) || resized && !bound {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        causes.push(Cause::forbidden("spec", why));
    }
}

fn pod(live: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let plain = |object: &Value| {
        let mut spec = fixed_spec(
            object,
            &["activeDeadlineSeconds", "tolerations", "nodeName"],
        );
        let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.remove("image");
            }
        }
        spec
    };
    if plain(live) != plain(new) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(Cause::forbidden("spec", why));
    }
}

/// Whether a change makes a new generation.
pub(super) fn bumps_generation(served: &Served, live: &Value, new: &Value) -> bool {
    if !served.generation {
        return false;
    }
    let content = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("metadata");
            fields.remove("apiVersion");
            if served.status {
                fields.remove("status");
            }
        }
        object
    };
    if served.is_custom() {
        return content(live) != content(new);
    }
    let differs = |pointer: &str| live.at(pointer) != new.at(pointer);
    match served.resource.kind.as_str() {
        "Deployment" => differs("/spec") || differs("/metadata/annotations"),
        "EndpointSlice" => content(live) != content(new) || differs("/metadata/labels"),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => differs("/webhooks"),
        _ => differs("/spec"),
    }
}
