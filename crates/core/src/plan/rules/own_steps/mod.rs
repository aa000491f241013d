//! Rules about steps of Refloat's own. They are drawn where these steps are made (`steps`, `owners`): between them there is nothing to
//! find out, so their edges are all certain. Each is a file with its reason.

pub(in crate::plan) mod amend_before_fill;
pub(in crate::plan) mod database_written_before_asked;
pub(in crate::plan) mod fill_before_hand_over;
pub(in crate::plan) mod link_after_both;
pub(in crate::plan) mod movers_gone_first;
pub(in crate::plan) mod reap_after_hand_over;
pub(in crate::plan) mod system_namespace_first;
pub(in crate::plan) mod vault_before_mover;

/// A rule that is drawn with its steps.
pub struct OwnRule {
    /// `FILL_BEFORE_HAND_OVER`.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All of them.
pub static OWN_RULES: &[OwnRule] = &[
    system_namespace_first::RULE,
    vault_before_mover::RULE,
    amend_before_fill::RULE,
    fill_before_hand_over::RULE,
    reap_after_hand_over::RULE,
    database_written_before_asked::RULE,
    link_after_both::RULE,
    movers_gone_first::RULE,
];
