//! An object is linked to its owner when both are there.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "LINK_AFTER_BOTH",
    reason: "an object names its owner by a uid, which is known once the owner is there",
};
