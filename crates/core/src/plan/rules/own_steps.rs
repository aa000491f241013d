//! Rules about steps of Refloat's own. They are drawn where these steps are made (`steps`, `owners`): between them there is nothing to
//! find out, so their edges are all certain.

/// A rule that is drawn with its steps.
pub struct OwnRule {
    /// `FILL_BEFORE_HAND_OVER`.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
}

pub(in crate::plan) const SYSTEM_NAMESPACE_FIRST: OwnRule = OwnRule {
    name: "SYSTEM_NAMESPACE_FIRST",
    reason: "movers and their access to the vault are in Refloat's own namespace",
};
pub(in crate::plan) const VAULT_BEFORE_MOVER: OwnRule = OwnRule {
    name: "VAULT_BEFORE_MOVER",
    reason: "a mover reads the vault, and its pod is not started before the Secret with the access is there",
};
pub(in crate::plan) const AMEND_BEFORE_FILL: OwnRule = OwnRule {
    name: "AMEND_BEFORE_FILL",
    reason: "what the files of a database need is put beside them while they are filled: its server must not start without",
};
pub(in crate::plan) const FILL_BEFORE_HAND_OVER: OwnRule = OwnRule {
    name: "FILL_BEFORE_HAND_OVER",
    reason: "an application never sees a volume that is not filled to its end",
};
pub(in crate::plan) const REAP_AFTER_HAND_OVER: OwnRule = OwnRule {
    name: "REAP_AFTER_HAND_OVER",
    reason: "the claim that the mover has filled holds the volume until it is bound to the application's",
};
pub(in crate::plan) const DATABASE_WRITTEN_BEFORE_ASKED: OwnRule = OwnRule {
    name: "DATABASE_WRITTEN_BEFORE_ASKED",
    reason: "a server that is not there cannot be asked whether it has recovered",
};
pub(in crate::plan) const LINK_AFTER_BOTH: OwnRule = OwnRule {
    name: "LINK_AFTER_BOTH",
    reason: "an object names its owner by a uid, which is known once the owner is there",
};
pub(in crate::plan) const MOVERS_GONE_FIRST: OwnRule = OwnRule {
    name: "MOVERS_GONE_FIRST",
    reason: "a mover whose access to the vault is taken away fails",
};

/// All of them.
pub static OWN_RULES: &[OwnRule] = &[
    SYSTEM_NAMESPACE_FIRST,
    VAULT_BEFORE_MOVER,
    AMEND_BEFORE_FILL,
    FILL_BEFORE_HAND_OVER,
    REAP_AFTER_HAND_OVER,
    DATABASE_WRITTEN_BEFORE_ASKED,
    LINK_AFTER_BOTH,
    MOVERS_GONE_FIRST,
];
