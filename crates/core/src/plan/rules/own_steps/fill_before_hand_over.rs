//! A volume is handed over when it is filled.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "FILL_BEFORE_HAND_OVER",
    reason: "an application never sees a volume that is not filled to its end",
};
