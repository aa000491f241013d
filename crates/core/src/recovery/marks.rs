//! What Refloat writes on an object of its own: which recovery, and a digest once it is complete; its managers get their fields back with that. Called by
//! `write`.

use serde_json::{Map, Value, json};

use super::owners::{Owner, handed_on, owners};
use super::write::{Writing, digest};
use crate::driver::{Effect, Patch, Precondition};
use crate::inventory::unfolded;
use crate::json::Json;
use crate::names::{
    ANNOTATION_DIGEST, ANNOTATION_RECOVERY, ANNOTATION_UPDATED, FIELD_MANAGER, RunId,
};

impl Writing {
    /// With several managers, or a status, the digest comes when they are given back: until then the object is not complete.
    pub(super) fn is_completed_later(&self) -> bool {
        !self.managers.is_empty() || self.status.is_some()
    }

    pub(super) fn complete(&self, live: &Value) -> Effect {
        if self.managers.is_empty() {
            let digest = digest(&self.object);
            let annotations = json!({ ANNOTATION_DIGEST: digest });
            return self.patch(live, json!({ "metadata": { "annotations": annotations } }));
        }
        self.give_back_owners(live)
    }

    /// The object with its provenance.
    pub(super) fn created(&self, run: &RunId) -> Value {
        let mut object = self.marked(run);
        if self.is_completed_later()
            && let Some(annotations) = object
                .pointer_mut("/metadata/annotations")
                .and_then(Value::as_object_mut)
        {
            annotations.remove(ANNOTATION_DIGEST);
        }
        object
    }

    /// One patch of what was created under one name: every manager has its fields again, the provenance is Refloat's, and the
    /// digest says that it is done. The server takes `managedFields` from a patch and ignores them in a POST (seen on 1.34). Who has
    /// written since the creation keeps what it wrote: only the creator's entry is replaced.
    pub(super) fn give_back_owners(&self, live: &Value) -> Effect {
        let creator = Owner {
            manager: &self.owner.manager,
            operation: if self.owner.apply { "Apply" } else { "Update" },
            subresource: "",
        };
        let since: Vec<(Owner<'_>, &Value)> = owners(live)
            .filter(|(owner, _)| *owner != creator && owner.manager != FIELD_MANAGER)
            .collect();
        let before = self
            .managers
            .iter()
            .filter_map(|entry| Some((Owner::of(entry)?, entry)))
            .filter(|(owner, _)| since.iter().all(|(other, _)| other != owner));
        let before = before.map(|(_, entry)| entry.to_value());
        let mut entries: Vec<Value> = before
            .chain(since.iter().map(|(_, entry)| unfolded(entry)))
            .collect();
        entries.push(json!({
            "manager": FIELD_MANAGER,
            "operation": "Update",
            "apiVersion": self.resource.api_version(),
            "fieldsType": "FieldsV1",
            "fieldsV1": { "f:metadata": { "f:annotations": {
                format!("f:{ANNOTATION_RECOVERY}"): {},
                format!("f:{ANNOTATION_DIGEST}"): {},
            } } },
        }));
        Effect::Patch {
            object: self.target(),
            patch: Patch::Merge(json!({ "metadata": {
                "annotations": { ANNOTATION_DIGEST: digest(&self.object) },
                "managedFields": entries,
            } })),
            precondition: Precondition::as_read(live),
            subresource: None,
        }
    }

    pub(super) fn marked(&self, run: &RunId) -> Value {
        let mut object = self.object.to_value();
        let digest = digest(&self.object);
        if let Some(metadata) = object
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
        {
            let annotations = metadata
                .entry("annotations")
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(ANNOTATION_RECOVERY.to_owned(), json!(run.as_str()));
                annotations.insert(ANNOTATION_DIGEST.to_owned(), json!(digest));
            }
        }
        object
    }

    /// What the update has changed belongs to whom it belonged at the source; only the provenance is Refloat's.
    pub(super) fn give_updated_back(&self, live: &Value) -> Effect {
        let mut patch = json!({ "metadata": {
            "annotations": { ANNOTATION_DIGEST: digest(&self.object) },
        } });
        let annotations = [ANNOTATION_UPDATED, ANNOTATION_DIGEST];
        let managers: Vec<Value> = self.managers.iter().map(Json::to_value).collect();
        let entries = handed_on(live, &self.resource, &self.owner, &managers, &annotations);
        if let Some(entries) = entries {
            patch["metadata"]["managedFields"] = Value::Array(entries);
        }
        self.patch(live, patch)
    }
}
