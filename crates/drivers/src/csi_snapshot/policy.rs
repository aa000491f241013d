//! The reclaim policy of a volume that is handed over: it is kept on the volume, and put back when the volume is bound to its claim, or
//! when the recovery is given up before that. Called by `restore` and `reap`.

use refloat_core::driver::{Effect, ObjectRef, Patch, Precondition, Task};
use refloat_core::names::ANNOTATION_RECLAIM_POLICY;
use serde_json::{Value, json};

use super::types::{self, text};

/// The volume stays, and remembers its policy.
pub(super) fn retain(object: ObjectRef, volume: &Value) -> Effect {
    let policy = text(volume, "/spec/persistentVolumeReclaimPolicy").unwrap_or("Delete");
    Effect::Patch {
        object,
        patch: Patch::Merge(json!({
            "metadata": { "annotations": { ANNOTATION_RECLAIM_POLICY: policy } },
            "spec": { "persistentVolumeReclaimPolicy": "Retain" },
        })),
        // An engine that slept would else take a policy away that another one has put back meanwhile, for good.
        precondition: Precondition::as_read(volume),
        subresource: None,
    }
}

/// What a volume remembers is put back; nothing when it remembers nothing.
pub(super) fn put_back(object: &ObjectRef, volume: &Value) -> Option<Effect> {
    Some(Effect::Patch {
        object: object.clone(),
        patch: Patch::Merge(json!({
            "metadata": { "annotations": { ANNOTATION_RECLAIM_POLICY: null } },
            "spec": { "persistentVolumeReclaimPolicy": remembered(volume)? },
        })),
        precondition: Precondition::same_uid(volume),
        subresource: None,
    })
}

/// The recovery is given up in the middle of a hand-over: what the volume remembers is put back, so that it goes with its claim, or at
/// once when that is gone. One that only waits for the target is that claim's when it is there, else the mover's again: no later claim of
/// the target's name is to find it. Nothing when the hand-over has not begun, or has ended.
pub(super) fn let_go(
    task: &Task<'_>,
    object: &ObjectRef,
    volume: &Value,
    target: Option<&Value>,
) -> Option<Effect> {
    let policy = remembered(volume);
    let is_unbound = text(volume, "/spec/claimRef/uid").is_none();
    if policy.is_none() && !(is_unbound && names_target(task, volume)) {
        return None;
    }
    let mut spec = json!({});
    if let Some(policy) = policy {
        spec["persistentVolumeReclaimPolicy"] = json!(policy);
    }
    if is_unbound {
        let named = |target: &&Value| text(target, "/spec/volumeName") == Some(&object.name);
        spec["claimRef"] = match target.filter(named) {
            Some(target) => json!({ "uid": target["metadata"]["uid"] }),
            None => of_mover(task, volume),
        };
    }
    Some(Effect::Patch {
        object: object.clone(),
        patch: Patch::Merge(json!({
            "metadata": { "annotations": { ANNOTATION_RECLAIM_POLICY: null } },
            "spec": spec,
        })),
        // Somebody's claim may be bound to it just now.
        precondition: Precondition::as_read(volume),
        subresource: None,
    })
}

fn names_target(task: &Task<'_>, volume: &Value) -> bool {
    let target = types::claim(task);
    text(volume, "/spec/claimRef/namespace") == target.namespace.as_deref()
        && text(volume, "/spec/claimRef/name") == Some(&target.name)
}

fn remembered(volume: &Value) -> Option<&str> {
    let annotations = volume.pointer("/metadata/annotations")?;
    annotations.get(ANNOTATION_RECLAIM_POLICY)?.as_str()
}

/// The mover's claim, which is gone, as the one that it was bound to: a uid that no claim has says so, and the cluster takes the volume
/// for released.
fn of_mover(task: &Task<'_>, volume: &Value) -> Value {
    let claim = types::mover_claim(task);
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": claim.namespace, "name": claim.name, "uid": volume["metadata"]["uid"],
    })
}
