//! What is of Refloat's own waits for Refloat's own namespace.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "SYSTEM_NAMESPACE_FIRST",
    reason: "movers and their access to the vault are in Refloat's own namespace",
};
