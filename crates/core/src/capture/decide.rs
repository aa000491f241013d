//! The capture step of a backup: from what the checks and preparations brought to one effect, and its outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spec::{Capture, Cut, Hold, Limits};
use crate::driver::{Class, Effect, Outcome, Problem, Verdict};

/// What is known of a capture while planning; holds come from the preparations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capturing {
    /// Volumes to cut.
    pub cuts: Vec<Cut>,
    /// Steps that may bring a hold.
    pub prepared_by: Vec<String>,
    /// Limits.
    pub limits: Limits,
}

/// Captures once; the answer is the outcome.
pub fn decide(
    capturing: &Capturing,
    prior: &BTreeMap<String, Outcome>,
    effected: Option<&Outcome>,
) -> Verdict {
    if let Some(outcome) = effected {
        return Verdict::Done(outcome.clone());
    }
    let mut holds = Vec::new();
    for step in &capturing.prepared_by {
        let Some(hold) = prior.get(step).and_then(|prior| prior.facts.get("hold")) else {
            continue;
        };
        match serde_json::from_value::<Hold>(hold.clone()) {
            Ok(hold) => holds.push(hold),
            Err(error) => {
                return Verdict::Stuck(Problem::of(
                    Class::Bug,
                    "hold-malformed",
                    format!("step `{step}` brought a hold that cannot be read: {error}"),
                    "this is a defect of Refloat: please report it with the journal of the run",
                ));
            }
        }
    }
    let left_out = crate::backup::left_out(prior.values());
    let taken = capturing.cuts.iter();
    let taken = taken.filter(|cut| !left_out.contains(&cut.part));
    Verdict::Act(vec![Effect::Capture(Box::new(Capture {
        holds,
        cuts: taken.cloned().collect(),
        limits: capturing.limits,
    }))])
}
