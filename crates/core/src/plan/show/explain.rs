//! Everything about one step, and why one step waits for another: values for programs, texts for people.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::estimate::rounded;
use super::index::plain;
use super::{View, amount};
use crate::plan::rules;
use crate::readiness;
use crate::run::{Confidence, Edge, Step, Work};

/// So many steps that wait are named.
const DEPENDENTS_SHOWN: usize = 8;

/// One edge, told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// Id of the step that waits.
    pub step: String,
    /// Id of the step that it waits for.
    pub on: String,
    /// Rule that drew the edge.
    pub rule: String,
    /// Why there is such a rule; none for what is part of a step's make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<&'static str>,
    /// Object and field that were seen.
    pub evidence: String,
    /// How sure the rule is.
    pub confidence: Confidence,
}

/// Everything about one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedStep {
    /// Its id.
    pub step: String,
    /// What it does.
    pub title: String,
    /// Label of its phase.
    pub phase: String,
    /// Under whose name its object is written, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it counts as done.
    pub done_when: String,
    /// Longer than this, in seconds, and the recovery is stuck.
    pub limit_seconds: u32,
    /// Bytes that it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long it may take, in seconds.
    pub estimated_seconds: f64,
    /// When it may be done, in seconds from the start.
    pub estimated_end_seconds: f64,
    /// What it waits for.
    pub waits_for: Vec<Reason>,
    /// Ids of the steps that wait for it.
    pub waited_for_by: Vec<String>,
}

/// How two steps stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The first waits for the second.
    Waits,
    /// The second waits for the first.
    TheOtherWayRound,
    /// Neither waits for the other.
    Neither,
}

/// Why one step waits for another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedChain {
    /// Id of the first.
    pub from: String,
    /// Id of the second.
    pub to: String,
    /// Which waits for which.
    pub direction: Direction,
    /// The shortest chain of edges, from the one that waits.
    pub chain: Vec<Reason>,
}

impl Reason {
    fn of(step: &Step, edge: &Edge) -> Self {
        Self {
            step: step.id.clone(),
            on: edge.on.to_string(),
            rule: edge.rule.to_string(),
            because: rules::reason(&edge.rule),
            evidence: edge.evidence.to_string(),
            confidence: edge.confidence,
        }
    }

    fn by(&self) -> String {
        format!(
            "by {} ({}): {}",
            self.rule,
            sure(self.confidence),
            self.evidence
        )
    }
}

/// `certain`, `high`, `medium`.
pub(super) fn sure(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::High => "high",
        Confidence::Medium => "medium",
    }
}

impl View<'_> {
    /// Everything about one step.
    pub fn explain_one(&self, step: &Step) -> ExplainedStep {
        let place = self.index.place(&step.id);
        let owner = owner(step);
        let waiting = place.map_or(&[][..], |place| self.index.dependents(place));
        let time = |times: &[f64]| place.map_or(0.0, |place| rounded(times[place]));
        ExplainedStep {
            step: step.id.clone(),
            title: step.title.clone(),
            phase: step.phase.label().to_owned(),
            owner,
            done_when: done_when(step),
            limit_seconds: step.limit_seconds,
            bytes: super::index::bytes(step),
            estimated_seconds: time(&self.estimate.seconds),
            estimated_end_seconds: time(&self.estimate.ends),
            waits_for: step
                .needs
                .iter()
                .map(|edge| Reason::of(step, edge))
                .collect(),
            waited_for_by: waiting
                .iter()
                .map(|place| self.index.step(*place).id.clone())
                .collect(),
        }
    }

    /// Why one step waits for another: the shortest chain of edges, whichever way it goes.
    pub fn explain(&self, from: &Step, to: &Step) -> ExplainedChain {
        let explained = |direction, chain| ExplainedChain {
            from: from.id.clone(),
            to: to.id.clone(),
            direction,
            chain,
        };
        if let Some(chain) = self.path(from, to) {
            return explained(Direction::Waits, chain);
        }
        match self.path(to, from) {
            Some(chain) => explained(Direction::TheOtherWayRound, chain),
            None => explained(Direction::Neither, Vec::new()),
        }
    }

    fn path(&self, from: &Step, to: &Step) -> Option<Vec<Reason>> {
        let (start, end) = (self.index.place(&from.id)?, self.index.place(&to.id)?);
        let mut came: BTreeMap<usize, (usize, &Edge)> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            for (next, edge) in self.index.needs(place) {
                if next == start || came.contains_key(&next) {
                    continue;
                }
                came.insert(next, (place, edge));
                if next == end {
                    return Some(self.walk(&came, start, end));
                }
                queue.push_back(next);
            }
        }
        None
    }

    fn walk(
        &self,
        came: &BTreeMap<usize, (usize, &Edge)>,
        start: usize,
        end: usize,
    ) -> Vec<Reason> {
        let mut chain = Vec::new();
        let mut at = end;
        while at != start {
            let Some((place, edge)) = came.get(&at) else {
                break;
            };
            chain.push(Reason::of(self.index.step(*place), edge));
            at = *place;
        }
        chain.reverse();
        chain
    }
}

fn owner(step: &Step) -> Option<String> {
    match &step.work {
        Work::Write(writing) => {
            let how = if writing.owner.apply {
                "Apply"
            } else {
                "Update"
            };
            Some(format!("{} ({how})", writing.owner.manager))
        }
        Work::Driver { .. }
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::SystemNamespace
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Fill(_)
        | Work::Gate(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::StoreObjects
        | Work::Seal { .. } => None,
    }
}

/// What belongs to an object is linked to it before it is waited for.
fn linked_when(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "what belongs to it (1 object) names it as its owner, and ".to_owned(),
        more => format!("what belongs to it ({more} objects) names it as its owner, and "),
    }
}

/// A step's gate in words.
fn done_when(step: &Step) -> String {
    use crate::driver::Op;
    match &step.work {
        Work::Write(writing) if readiness::is_done_once(&writing.resource) => {
            "it exists: what is done once is not waited for".to_owned()
        }
        Work::Write(writing) => format!(
            "{}{}",
            linked_when(writing.owns.len()),
            readiness::ready_when(&writing.resource, writing.duty.as_deref())
        ),
        Work::Fill(_) => {
            "the mover has ended, and the digest of what it wrote is the one that the signed point names"
                .to_owned()
        }
        Work::Driver { op, claim, .. } => match op {
            Op::Restore => "the claim is bound to the filled volume".to_owned(),
            Op::Ready => format!("{} itself says that it is ready", claim.driver),
            Op::Amend => format!("{} has said what its files need", claim.driver),
            Op::Reap => "what the mover needed is gone".to_owned(),
            Op::Check | Op::Capture | Op::Expose => "its driver says so".to_owned(),
        },
        Work::Gate(gating) => format!("the gate {} is open", gating.name),
        Work::Remove(_) => "it is gone".to_owned(),
        Work::Retain(_) => "the volumes stay when their claims go".to_owned(),
        Work::Link(_) => "its owner is named in it, with the uid that it has now".to_owned(),
        Work::SystemNamespace => "Refloat's namespace is there".to_owned(),
        Work::VaultAccess => "the Secret for the movers is there".to_owned(),
        Work::VaultAccessEnd => "that Secret is gone".to_owned(),
        Work::Capture(_) | Work::Release { .. } | Work::StoreObjects | Work::Seal { .. } => {
            "it is done".to_owned()
        }
    }
}

impl ExplainedStep {
    /// The text for people; `all` names every step that waits.
    pub fn text(&self, all: bool) -> String {
        let mut lines = vec![self.step.clone(), format!("  phase: {}", self.phase)];
        if let Some(owner) = &self.owner {
            lines.push(format!("  owner: {owner}"));
        }
        lines.push(format!("  done when: {}", self.done_when));
        lines.push(format!(
            "  limit: {}, then it is stuck",
            amount::seconds(f64::from(self.limit_seconds))
        ));
        let bytes = self
            .bytes
            .map_or_else(String::new, |bytes| format!("{}, ", amount::bytes(bytes)));
        lines.push(format!(
            "  estimate: {bytes}about {}; done about {} after the start",
            amount::seconds(self.estimated_seconds),
            amount::seconds(self.estimated_end_seconds)
        ));
        if self.waits_for.is_empty() {
            lines.push("  waits for nothing".to_owned());
        }
        for reason in &self.waits_for {
            lines.push(format!("  waits for {}", plain(&reason.on)));
            lines.push(format!("      {}", reason.by()));
        }
        lines.extend(self.dependents(all));
        lines.join("\n") + "\n"
    }

    fn dependents(&self, all: bool) -> Vec<String> {
        let count = self.waited_for_by.len();
        if count == 0 {
            return vec!["  nothing waits for it".to_owned()];
        }
        let shown = if all { count } else { DEPENDENTS_SHOWN };
        let verb = if count == 1 { "waits" } else { "wait" };
        let mut lines = vec![format!(
            "  {} {verb} for it",
            amount::counted(count, "step", "steps")
        )];
        let named = self.waited_for_by.iter().take(shown);
        lines.extend(named.map(|id| format!("      {}", plain(id))));
        if count > shown {
            lines.push(format!(
                "      and {} more (`--all` names them)",
                amount::count(count - shown)
            ));
        }
        lines
    }
}

impl ExplainedChain {
    /// The text for people.
    pub fn text(&self) -> String {
        let (from, to) = (plain(&self.from), plain(&self.to));
        let mut text = match self.direction {
            Direction::Waits => String::new(),
            Direction::TheOtherWayRound => {
                format!("{from} does not wait for {to}: it is the other way round\n")
            }
            Direction::Neither => format!("{from} and {to} do not wait for each other\n"),
        };
        for reason in &self.chain {
            text.push_str(&format!(
                "{} waits for {}\n    {}\n",
                plain(&reason.step),
                plain(&reason.on),
                reason.by()
            ));
            if let Some(because) = reason.because {
                text.push_str(&format!("    because {because}\n"));
            }
        }
        text
    }
}
