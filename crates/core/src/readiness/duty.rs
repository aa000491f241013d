//! What others expect of an object once it is there: its gate asks for that too. Computed by `plan`, which knows the others.

use serde::{Deserialize, Serialize};

use crate::driver::RehearsalRequest;
use crate::inventory::Resource;
use crate::json::Json;

/// What an object is there for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Duty {
    /// It is an operator of kinds that come with the recovery.
    pub operator: bool,
    /// For each webhook of a configuration an object of the recovery that it will be asked about, if there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// An object that the API server asks a webhook about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Name of the webhook in its configuration.
    pub webhook: String,
    /// Kind of the object, as the target serves it.
    pub resource: Resource,
    /// The object.
    pub object: Json,
}

impl Sample {
    /// The object's creation, to be tried only.
    pub(super) fn request(&self) -> RehearsalRequest {
        let text = |pointer: &str| self.object.pointer(pointer).and_then(Json::as_str);
        RehearsalRequest {
            resource: self.resource.clone(),
            namespace: text("/metadata/namespace").map(str::to_owned),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
            object: self.object.to_string(),
        }
    }
}
