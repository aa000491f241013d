//! What a capture brought, as it goes into the journal and the point.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::driver::{Achieved, Outcome};

/// One volume's cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutMade {
    /// When the engine asked for it, by the engine's clock.
    pub asked: Timestamp,
    /// When the engine saw it, by the engine's clock.
    pub seen: Timestamp,
    /// True when it was cut after the proof.
    pub late: bool,
    /// What the volume's driver says of it: `cut`, `snapshot_handle`, …
    pub facts: Achieved,
}

/// One hold that was kept from before the first cut until its proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldMade {
    /// When it held.
    pub held: Timestamp,
    /// When the statement that lets go was issued.
    pub released: Timestamp,
    /// How it was proven.
    pub proof: String,
    /// Whether writers waited.
    pub freezes: bool,
    /// What the engine said on the session.
    pub facts: BTreeMap<String, Value>,
}

/// What a capture brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    /// Cuts by part.
    pub cuts: BTreeMap<String, CutMade>,
    /// Holds by member.
    pub holds: BTreeMap<String, HoldMade>,
    /// From the first freezing hold that held to the last one, in milliseconds: writers wait here for other engines.
    pub barrier_milliseconds: u64,
    /// From the last hold that held to the last release issued, in milliseconds.
    pub held_milliseconds: u64,
}

impl Captured {
    /// Of the cuts before the proof the slowest one, from being asked for to being seen, in milliseconds.
    pub fn slowest_cut_milliseconds(&self) -> u64 {
        let early = self.cuts.values().filter(|cut| !cut.late);
        let took = early.map(|cut| cut.seen.duration_since(cut.asked).as_millis());
        let slowest = took.max().unwrap_or(0);
        u64::try_from(slowest).unwrap_or(0)
    }

    /// As the outcome of a step.
    pub fn outcome(&self) -> Outcome {
        let captured = serde_json::to_value(self).expect("plain data with text keys");
        Outcome::default().with("captured", captured)
    }

    /// Back from the outcome of a step.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        serde_json::from_value(outcome.facts.get("captured")?.clone()).ok()
    }
}
