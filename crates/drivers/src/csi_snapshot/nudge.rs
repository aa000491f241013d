//! Touching an object that a controller has put aside, so that it looks again before its own back-off ends.
//!
//! Ever more rarely: a touch changes the object's version, and a controller that lags behind it would never get its own write
//! through.

use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::{Effect, ObjectRef, Patch, Precondition, Verdict};
use serde_json::{Value, json};

use super::types::text;

/// When it was touched last.
const ANNOTATION: &str = "refloat.io/nudged";
/// The longest time between two touches: controllers resync by themselves after it.
const BETWEEN_MAX: SignedDuration = SignedDuration::from_secs(60);

/// A touch, when one is due: `first` after the time at `since`, then each after as long again as passed before.
pub(super) fn nudge(
    object: &ObjectRef,
    live: &Value,
    since: &str,
    first: SignedDuration,
    now: Timestamp,
) -> Option<Verdict> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let since = text(live, since).and_then(time)?;
    let nudged = live
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(ANNOTATION)?.as_str())
        .and_then(time);
    let (last, pause) = match nudged {
        None => (since, first),
        // The API server's clock may be another one: what it makes of the pause is bounded.
        Some(nudged) => (
            nudged,
            nudged.duration_since(since).clamp(first, BETWEEN_MAX),
        ),
    };
    (now.duration_since(last) > pause).then(|| {
        Verdict::Act(vec![Effect::Patch {
            object: object.clone(),
            patch: Patch::Merge(json!({
                "metadata": { "annotations": { ANNOTATION: now.to_string() } },
            })),
            precondition: Precondition::same_uid(live),
            subresource: None,
        }])
    })
}
