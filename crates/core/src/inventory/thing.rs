//! One object of an inventory.

use std::ops::Deref;

use serde_json::Value;

use super::{Resource, ThingId, folded};
use crate::json::Json;

/// One object as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing(ThingParts);

/// What a [`Thing`] is made of; the three agree.
#[derive(Debug, Clone, PartialEq)]
pub struct ThingParts {
    /// How to reach it.
    pub resource: Resource,
    /// Its identity, as the other two say it.
    pub id: ThingId,
    /// The object as read, nothing removed; `fieldsV1` of its managers is text: as a tree it is half of a small object.
    pub object: Json,
}

impl Deref for Thing {
    type Target = ThingParts;

    fn deref(&self) -> &ThingParts {
        &self.0
    }
}

impl Thing {
    /// Keeps an object; `None` when it has no name.
    pub fn new(resource: Resource, object: impl Into<Json>) -> Option<Self> {
        let object = object.into();
        object.pointer("/metadata/name")?.as_str()?;
        let folded = folded::fold(&object);
        Some(Self::of(resource, folded.unwrap_or(object)))
    }

    fn of(resource: Resource, object: Json) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str);
        let id = ThingId::of(
            &resource.group,
            &resource.kind,
            text("/metadata/namespace"),
            text("/metadata/name").unwrap_or_default(),
        );
        Self(ThingParts {
            resource,
            id,
            object,
        })
    }

    /// What it is made of.
    pub fn into_parts(self) -> ThingParts {
        self.0
    }

    /// The object as it was read.
    pub fn as_read(&self) -> Value {
        let mut object = self.object.to_value();
        folded::unfold(&mut object);
        object
    }

    /// The same thing with another object.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        let mut object = self.object.clone();
        object.edit(change);
        *self = self.with(object);
    }

    /// Another object of the same kind.
    #[must_use]
    pub fn with(&self, object: impl Into<Json>) -> Self {
        Self::of(self.resource.clone(), object.into())
    }

    /// Its identity.
    pub fn id(&self) -> ThingId {
        self.id.clone()
    }

    /// True when group and kind are these.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.resource.group == group && self.resource.kind == kind
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        &self.id.name
    }

    /// Namespace of the object.
    pub fn namespace(&self) -> Option<&str> {
        self.id.namespace.as_deref()
    }

    /// The value at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Json> {
        self.object.pointer(pointer)
    }

    /// The string at a JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    /// The list at a JSON pointer, empty when there is none.
    pub fn list(&self, pointer: &str) -> &[Json] {
        self.at(pointer)
            .and_then(Json::as_array)
            .unwrap_or_default()
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.at("/metadata/labels")?.get(key)?.as_str()
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Its uid, empty when it has none.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid").unwrap_or_default()
    }

    /// The pod template's spec, or the pod's own spec; `None` for what runs no pods.
    pub fn pod_spec(&self) -> Option<&Json> {
        let pointer = match (self.resource.group.as_str(), self.resource.kind.as_str()) {
            ("", "Pod") => "/spec",
            ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job")
            | ("", "ReplicationController") => "/spec/template/spec",
            _ => return None,
        };
        self.at(pointer)
    }
}
