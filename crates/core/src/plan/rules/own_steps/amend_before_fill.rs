//! A volume of a database waits until its engine has said what its files need.

use super::OwnRule;

pub(in crate::plan) const RULE: OwnRule = OwnRule {
    name: "AMEND_BEFORE_FILL",
    reason: "what the files of a database need is put beside them while they are filled: its server must not start without",
};
