//! How long a recovery may take: a time for each step, the slowest chain through the edges, and what all of this rests on.
//!
//! Measured is only how long the backup took to move the same volumes; all else is a named assumption. Holds no clock.

use std::collections::BTreeMap;

use serde::Serialize;

use super::amount;
use super::index::Index;
use crate::driver::Op;
use crate::names::RunId;
use crate::run::{Phase, Progress, Report, RunPlan, Step, Work};

/// A move that added less than one part in so many of a volume's bytes to the vault found nearly all of it there. What is added
/// is compressed, so that it is less than the volume even when all is new.
const NEW_PART_MIN: u64 = 20;
/// Bytes that a volume is filled with in a second, where nothing was measured.
const ASSUMED_BYTES_PER_SECOND: u64 = 50 * 1024 * 1024;
/// Until a mover's pod runs, where nothing was measured.
const ASSUMED_MOVER_SECONDS: f64 = 5.0;
/// Until a filled volume is its claim's.
const ASSUMED_HAND_OVER_SECONDS: f64 = 5.0;
/// Until a workload is rolled out, a custom resource is ready, or a database answers.
const ASSUMED_READY_SECONDS: f64 = 10.0;
/// Until any other step is done.
const ASSUMED_STEP_SECONDS: f64 = 0.1;

/// How long the backup of a point took to move its volumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moves {
    run: Option<RunId>,
    seconds: BTreeMap<String, (u64, f64)>,
}

impl Moves {
    /// Reads them from the journal of the run that made the point. `parts`: id of each part, its bytes, and the bytes that it
    /// added to the vault, packed: a move that found nearly all in the vault already says nothing about how fast bytes move.
    pub fn measured<'a>(
        plan: &RunPlan,
        progress: &Progress,
        parts: impl IntoIterator<Item = (&'a str, u64, u64)>,
    ) -> Self {
        let parts: BTreeMap<String, (u64, u64)> = parts
            .into_iter()
            .map(|(id, bytes, added)| (format!("move {id}"), (bytes, added)))
            .collect();
        let mut moves = Self {
            run: Some(plan.run.clone()),
            seconds: BTreeMap::new(),
        };
        for time in Report::of(plan, progress).steps {
            let (Some((bytes, added)), Some(id)) =
                (parts.get(&time.step), time.step.strip_prefix("move "))
            else {
                continue;
            };
            if *bytes > 0 && *added > bytes / NEW_PART_MIN && time.seconds > 0.0 {
                moves.seconds.insert(id.to_owned(), (*bytes, time.seconds));
            }
        }
        moves
    }

    /// Of all moves that were measured.
    fn bytes_per_second(&self) -> Option<f64> {
        let bytes: u64 = self.seconds.values().map(|(bytes, _)| bytes).sum();
        let seconds: f64 = self.seconds.values().map(|(_, seconds)| seconds).sum();
        (seconds > 0.0).then(|| as_float(bytes) / seconds)
    }

    fn fill(&self, part: &str, bytes: u64) -> f64 {
        if let Some((_, seconds)) = self.seconds.get(part) {
            return *seconds;
        }
        match self.bytes_per_second() {
            Some(rate) => as_float(bytes) / rate,
            None => ASSUMED_MOVER_SECONDS + as_float(bytes) / as_float(ASSUMED_BYTES_PER_SECOND),
        }
    }

    fn basis(&self) -> String {
        let rate = |bytes: f64| {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people"
            )]
            let whole = bytes.max(0.0) as u64;
            format!("{}/s", amount::bytes(whole))
        };
        match (&self.run, self.bytes_per_second()) {
            (Some(run), Some(measured)) => format!(
                "volumes: as long as {run} took to move them, {} on average, measured",
                rate(measured)
            ),
            (Some(_), None) | (None, _) => format!(
                "volumes: {} and {} until a mover runs, assumed: the backup's moves tell nothing",
                rate(as_float(ASSUMED_BYTES_PER_SECOND)),
                amount::seconds(ASSUMED_MOVER_SECONDS)
            ),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn as_float(number: u64) -> f64 {
    number as f64
}

/// Times of all steps, in seconds from the start; each step starts when its needs are done.
#[derive(Debug)]
pub(super) struct Estimate {
    /// Of each step alone.
    pub(super) seconds: Vec<f64>,
    /// When each is done.
    pub(super) ends: Vec<f64>,
    /// Places of the steps of the slowest chain, first to last; clean-up is not waited for.
    pub(super) chain: Vec<usize>,
    /// What it rests on.
    pub(super) basis: Vec<String>,
}

/// What a program reads of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EstimateSummary {
    /// Until the last step that a person waits for.
    pub seconds: f64,
    /// Ids of the slowest chain, first to last.
    pub chain: Vec<String>,
    /// What it rests on.
    pub basis: Vec<String>,
}

impl Estimate {
    pub(super) fn of(index: &Index<'_>, steps: &[Step], moves: &Moves) -> Self {
        let seconds: Vec<f64> = steps.iter().map(|step| alone(step, moves)).collect();
        let mut ends: Vec<f64> = Vec::with_capacity(steps.len());
        let mut slowest: Vec<Option<usize>> = Vec::with_capacity(steps.len());
        for (place, own) in seconds.iter().enumerate() {
            let last = index
                .needs(place)
                .map(|(on, _)| on)
                .filter(|on| *on < place)
                .max_by(|a, b| ends[*a].total_cmp(&ends[*b]).then(b.cmp(a)));
            ends.push(last.map_or(0.0, |on| ends[on]) + own);
            slowest.push(last);
        }
        let mut at = (0..steps.len())
            .filter(|place| !steps[*place].cleanup)
            .max_by(|a, b| ends[*a].total_cmp(&ends[*b]).then(b.cmp(a)));
        let mut chain = Vec::new();
        while let Some(place) = at {
            chain.push(place);
            at = slowest[place];
        }
        chain.reverse();
        let fills = steps.iter().any(|step| matches!(step.work, Work::Fill(_)));
        let mut basis: Vec<String> = fills.then(|| moves.basis()).into_iter().collect();
        basis.push(format!(
            "assumed: {} until a workload is rolled out, a custom resource is ready or a database answers, {} to hand a volume over, {} for any other step",
            amount::seconds(ASSUMED_READY_SECONDS),
            amount::seconds(ASSUMED_HAND_OVER_SECONDS),
            amount::seconds(ASSUMED_STEP_SECONDS)
        ));
        Self {
            seconds,
            ends,
            chain,
            basis,
        }
    }

    /// Until the last step of the chain is done.
    pub(super) fn total(&self) -> f64 {
        self.chain.last().map_or(0.0, |place| self.ends[*place])
    }

    pub(super) fn summary(&self, index: &Index<'_>) -> EstimateSummary {
        let id = |place: &usize| index.step(*place).id.clone();
        EstimateSummary {
            seconds: rounded(self.total()),
            chain: self.chain.iter().map(id).collect(),
            basis: self.basis.clone(),
        }
    }
}

/// To a tenth of a second: more would only look exact.
pub(super) fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn alone(step: &Step, moves: &Moves) -> f64 {
    match &step.work {
        Work::Fill(filling) => moves.fill(&filling.part, filling.bytes.unwrap_or(0)),
        Work::Write(writing) => {
            let kind = &writing.resource;
            let pods = matches!(
                (kind.group.as_str(), kind.kind.as_str()),
                (
                    "apps",
                    "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
                ) | ("batch", "Job")
                    | ("", "Pod" | "ReplicationController")
            );
            if pods || step.phase == Phase::Databases || crate::readiness::is_custom(&kind.group) {
                ASSUMED_READY_SECONDS
            } else {
                ASSUMED_STEP_SECONDS
            }
        }
        Work::Driver { op, .. } => match op {
            Op::Restore => ASSUMED_HAND_OVER_SECONDS,
            Op::Ready => ASSUMED_READY_SECONDS,
            Op::Check | Op::Capture | Op::Expose | Op::Reap | Op::Amend => ASSUMED_STEP_SECONDS,
        },
        Work::Capture(_)
        | Work::Release { .. }
        | Work::SystemNamespace
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Gate(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::StoreObjects
        | Work::Seal { .. } => ASSUMED_STEP_SECONDS,
    }
}
