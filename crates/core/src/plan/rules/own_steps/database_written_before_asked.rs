//! A database is asked when it is written.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "DATABASE_WRITTEN_BEFORE_ASKED",
    reason: "a server that is not there cannot be asked whether it has recovered",
};
