//! The reclaim policy of a volume that is handed over: it is kept on the volume, and put back when the volume is bound to its claim.
//! Called by `restore`.

use refloat_core::driver::{Effect, ObjectRef, Patch, Precondition};
use refloat_core::names::ANNOTATION_RECLAIM_POLICY;
use serde_json::{Value, json};

use super::types::text;

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

fn remembered(volume: &Value) -> Option<&str> {
    let annotations = volume.pointer("/metadata/annotations")?;
    annotations.get(ANNOTATION_RECLAIM_POLICY)?.as_str()
}
