//! Whether a gate of a user's own is open: asked of the store in words of its own, not by the engine's language. Called by `order`.

use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::ObjectRef;
use refloat_core::readiness::user::{Check, Gating};
use serde_json::Value;

use crate::chaos::application::ALL_READY;
use crate::sim::{Store, WARM, WARM_SECONDS};

/// Why it is closed.
pub(super) fn closed(store: &Store, gating: &Gating, now: Timestamp) -> Option<String> {
    let live = store.get(&gating.of);
    match &gating.check {
        Check::Cel(source) if source == ALL_READY => {
            let number = |pointer: &str| live?.pointer(pointer)?.as_u64();
            let (ready, wanted) = (number("/status/readyReplicas"), number("/spec/replicas"));
            (ready.is_none() || ready != wanted)
                .then(|| format!("{ready:?} of {wanted:?} replicas are ready"))
        }
        Check::Exec(exec) if exec.command == [WARM] => {
            let warm = store
                .iter()
                .any(|(reference, pod)| is_warm(reference, pod, &gating.of, now));
            (!warm).then(|| "none of its pods is warm".to_owned())
        }
        Check::Cel(_) | Check::Exec(_) | Check::Probe(_) | Check::Skipped => {
            Some("a gate that no application has".to_owned())
        }
    }
}

/// A pod of that workload, by the label that all of its kind have here, that has run for long enough.
fn is_warm(reference: &ObjectRef, pod: &Value, of: &ObjectRef, now: Timestamp) -> bool {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let created: Option<Timestamp> =
        text("/metadata/creationTimestamp").and_then(|text| text.parse().ok());
    reference.resource.kind == "Pod"
        && reference.namespace == of.namespace
        && text("/metadata/labels/app") == Some(of.name.as_str())
        && text("/status/phase") == Some("Running")
        && created.is_some_and(|created| {
            now.duration_since(created) >= SignedDuration::from_secs(WARM_SECONDS)
        })
}
