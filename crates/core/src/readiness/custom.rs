//! The gate of custom resources that no table knows: the rules of kstatus, without their false positive. To kstatus a resource
//! that has just been created and tells nothing is ready; here it counts what it told at the source.

use super::reading::{Condition, generation, is_stale, one_line};
use super::told::phase;
use super::{Gate, View};

/// Seconds of waiting for a status that there was at the source. Operators write one within a few seconds; those that never
/// will must not cost more than this.
const STATUS_SECONDS: u32 = 30;
/// Seconds of waiting for a condition `Ready` that was True at the source, when a status is there and has none; for a word that was
/// told there; and for a condition that was not True there either.
const READY_SECONDS: u32 = 300;

pub(super) fn judge(view: &View<'_>) -> Gate {
    if is_stale(view.live) {
        return view.unobserved();
    }
    let told = |kind: &str| {
        view.condition(kind)
            .filter(|one| !one.is_stale(generation(view.live)))
    };
    if let Some(stalled) = told("Stalled").filter(Condition::is_true) {
        return view.failed(
            "stalled",
            &format!("its operator gave up: {}", stalled.words()),
            "mend what it says, then run the same command again",
        );
    }
    if let Some(busy) = told("Reconciling").filter(Condition::is_true) {
        return view.closed(
            "reconciling",
            &format!("its operator is at work: {}", busy.words()),
            "its operator is done",
        );
    }
    for kind in ["Ready", "Available"] {
        let Some(condition) = view.condition(kind) else {
            continue;
        };
        if condition.is_stale(generation(view.live)) {
            return view.unobserved();
        }
        if condition.is_true() {
            return Gate::Open;
        }
        let gate = view.closed(
            "not-ready",
            &format!("condition {kind}: {}", condition.words()),
            &format!("condition {kind} is True"),
        );
        return if view.told.status && !view.told.ready {
            gate.or_assumed(view.clock, READY_SECONDS)
        } else {
            gate
        };
    }
    let says_something = view
        .live
        .pointer("/status")
        .is_some_and(|status| status.as_object().is_some_and(|fields| !fields.is_empty()));
    if !says_something && view.told.status {
        return view
            .closed(
                "no-status",
                "it has no status yet, as it had at the source",
                "its operator runs and takes it up",
            )
            .or_assumed(view.clock, STATUS_SECONDS);
    }
    if let Some(gate) = another_word(view) {
        return gate;
    }
    if view.told.ready {
        return view
            .closed(
                "not-ready",
                "it has no condition Ready or Available yet, as it had at the source",
                "condition Ready or Available is True",
            )
            .or_assumed(view.clock, READY_SECONDS);
    }
    Gate::Open
}

/// Without conditions a word tells: none yet, or `Creating`, until it is again what it was.
fn another_word(view: &View<'_>) -> Option<Gate> {
    let (then, now) = (view.told.phase.as_deref()?, phase(view.live));
    let says = now.map_or_else(
        || "it does not say its state yet".to_owned(),
        |now| format!("it says `{}`", one_line(now)),
    );
    (now != Some(then)).then(|| {
        view.closed(
            "not-ready",
            &says,
            &format!("it says `{}` again, as at the source", one_line(then)),
        )
        .or_assumed(view.clock, READY_SECONDS)
    })
}
