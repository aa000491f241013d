//! The rules that draw edges: each a file with its name, its reason and a pure function. To know why A comes back before
//! B, read these.

mod account_before_user;
mod crd_before_cr;
mod custom_reference;
mod database_before_client;
mod databases_before_unknown_client;
mod definition_before_operator;
mod flux_depends_on;
mod gate_before_dependents;
mod guard_before_all;
mod helm_hook;
mod namespace_before_contents;
mod operator_before_its_cr;
pub(super) mod own_steps;
mod policy_before_pods;
mod reference_before_reader;
mod secret_before_owner;
mod seen_connection;
mod server_before_client;
mod service_before_workload;
mod sync_wave;
mod traffic_last;
mod typed_reference;
mod users_word;
mod volume_before_owner;
mod volume_before_pod;
mod volume_before_replication;
mod wait_before_start;
mod waves;
mod webhook_after_backend;
mod webhook_before_its_cr;
mod webhook_before_pods;

pub(super) use flux_depends_on::flux_unknown;
pub(super) use gate_before_dependents::{Placed, hold};
pub use own_steps::{OWN_RULES, OwnRule};
pub(super) use service_before_workload::comes_first;

use ecow::EcoString;

use super::context::Context;
use crate::json::kept;
use crate::run::Confidence;

pub(super) use users_word::take_away;

/// For rules that are always certain.
const CERTAIN: &[Confidence] = &[Confidence::Certain];
/// For rules that repeat what an author says.
const HIGH: &[Confidence] = &[Confidence::High];

/// A rule.
pub struct Rule {
    /// `DATABASE_BEFORE_CLIENT`.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How sure its edges are, each degree that it gives.
    pub confidence: &'static [Confidence],
    pub(super) draw: fn(&Context<'_>) -> Vec<Drawn>,
}

/// An edge that a rule draws.
pub(super) struct Drawn {
    /// The step that waits.
    pub(super) step: EcoString,
    /// The step that it waits for.
    pub(super) on: EcoString,
    /// Object and field that were seen.
    pub(super) evidence: EcoString,
    /// How sure the rule is.
    pub(super) confidence: Confidence,
}

impl Drawn {
    pub(super) fn new(
        step: impl AsRef<str>,
        on: impl AsRef<str>,
        evidence: impl AsRef<str>,
    ) -> Self {
        Self {
            step: kept::text(step.as_ref()),
            on: kept::text(on.as_ref()),
            evidence: kept::text(evidence.as_ref()),
            confidence: Confidence::Certain,
        }
    }

    /// The same, less sure.
    pub(super) fn with(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }
}

/// Why the edges of a rule are there; none for a name that no rule has.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let drawn = RULES.iter().map(|rule| (rule.name, rule.reason));
    let own = OWN_RULES.iter().map(|rule| (rule.name, rule.reason));
    let mut all = drawn.chain(own);
    all.find(|(one, _)| *one == name).map(|(_, reason)| reason)
}

/// All rules, of two that are equally sure the stronger first: of a cycle the last one's edge is left out.
pub static RULES: &[Rule] = &[
    guard_before_all::RULE,
    namespace_before_contents::RULE,
    crd_before_cr::RULE,
    definition_before_operator::RULE,
    operator_before_its_cr::RULE,
    webhook_before_its_cr::RULE,
    reference_before_reader::RULE,
    typed_reference::RULE,
    account_before_user::RULE,
    policy_before_pods::RULE,
    volume_before_pod::RULE,
    volume_before_owner::RULE,
    volume_before_replication::RULE,
    service_before_workload::RULE,
    secret_before_owner::RULE,
    custom_reference::RULE,
    webhook_after_backend::RULE,
    users_word::RULE,
    wait_before_start::RULE,
    sync_wave::RULE,
    helm_hook::RULE,
    flux_depends_on::RULE,
    seen_connection::RULE,
    webhook_before_pods::RULE,
    database_before_client::RULE,
    server_before_client::RULE,
    traffic_last::RULE,
    gate_before_dependents::AFTER,
    gate_before_dependents::RULE,
    databases_before_unknown_client::RULE,
];
