//! The rules that draw edges: each a file with its name, its reason and a pure function. To know why A comes back before
//! B, read these.

mod account_before_user;
mod crd_before_cr;
mod database_before_client;
mod gate_before_dependents;
mod guard_before_all;
mod namespace_before_contents;
mod operator_before_its_cr;
mod reference_before_reader;
mod service_before_workload;
mod traffic_last;
mod volume_before_pod;
mod webhook_after_backend;

pub(super) use gate_before_dependents::{Placed, hold};

use super::context::Context;
use crate::run::Confidence;

/// A rule.
pub struct Rule {
    /// `DATABASE_BEFORE_CLIENT`.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
    pub(super) draw: fn(&Context<'_>) -> Vec<Drawn>,
}

/// An edge that a rule draws.
pub(super) struct Drawn {
    /// The step that waits.
    pub(super) step: String,
    /// The step that it waits for.
    pub(super) on: String,
    /// Object and field that were seen.
    pub(super) evidence: String,
    /// How sure the rule is.
    pub(super) confidence: Confidence,
}

impl Drawn {
    pub(super) fn new(step: String, on: String, evidence: impl Into<String>) -> Self {
        Self {
            step,
            on,
            evidence: evidence.into(),
            confidence: Confidence::Certain,
        }
    }

    /// The same, less sure.
    pub(super) fn with(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }
}

/// All rules.
pub static RULES: &[Rule] = &[
    guard_before_all::RULE,
    namespace_before_contents::RULE,
    crd_before_cr::RULE,
    operator_before_its_cr::RULE,
    reference_before_reader::RULE,
    account_before_user::RULE,
    volume_before_pod::RULE,
    service_before_workload::RULE,
    database_before_client::RULE,
    webhook_after_backend::RULE,
    traffic_last::RULE,
    gate_before_dependents::AFTER,
    gate_before_dependents::RULE,
];
