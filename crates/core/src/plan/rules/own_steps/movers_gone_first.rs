//! The access to the vault is taken away when no mover is left.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "MOVERS_GONE_FIRST",
    reason: "a mover whose access to the vault is taken away fails",
};
