//! A mover waits for the access to the vault.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "VAULT_BEFORE_MOVER",
    reason: "a mover reads the vault, and its pod is not started before the Secret with the access is there",
};
