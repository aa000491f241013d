//! A mover goes when its volume is handed over.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "REAP_AFTER_HAND_OVER",
    reason: "the claim that the mover has filled holds the volume until it is bound to the application's",
};
