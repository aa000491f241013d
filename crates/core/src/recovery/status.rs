//! Writes the status that an object had at its source, once, for an operator that takes its memory from there. Called by `write`.
//!
//! That it is written is seen in the object itself: it says what was written, or Refloat still owns a field of it.

use serde_json::{Value, json};

use super::existing::holds;
use super::owners::owners;
use super::write::Writing;
use crate::driver::{Effect, Patch, Precondition};
use crate::names::FIELD_MANAGER;

impl Writing {
    /// True when the live object says all that the status of the source says.
    pub(super) fn says_status(&self, live: &Value) -> bool {
        let said = live.get("status").unwrap_or(&Value::Null);
        self.status
            .as_ref()
            .is_some_and(|wanted| holds(said, &wanted.to_value()))
    }

    /// The patch that writes it, as long as it has not been.
    pub(super) fn restore_status(&self, live: &Value) -> Option<Effect> {
        let status = self.status.as_ref()?;
        let is_ours = owners(live)
            .any(|(owner, _)| owner.manager == FIELD_MANAGER && owner.subresource == "status");
        if is_ours || self.says_status(live) {
            return None;
        }
        Some(Effect::Patch {
            object: self.target(),
            patch: Patch::Merge(json!({ "status": status })),
            precondition: Precondition::as_read(live),
            subresource: Some("status".to_owned()),
        })
    }
}
