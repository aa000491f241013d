//! What `recover` tells at its end, or at its pause.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::Op;
use refloat_core::run::{Phase, Progress, Report, RunPlan, Work, left};
use refloat_vault::format::PointDocument;
use serde::Serialize;

use super::{Given, Options, options_of};
use crate::printer::{moment, seconds};

/// Things that are named one by one at most.
const NAMED_MAX: usize = 20;

/// What a recovery achieved.
#[derive(Debug, Serialize)]
pub(crate) struct Achieved {
    pub(crate) point: String,
    pub(crate) run: String,
    pub(crate) resumed: bool,
    /// What of the point was wanted, as options; absent when everything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<String>,
    /// What came back of a selection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovered: Vec<String>,
    /// Everything until here is back.
    recovered_to: Option<Timestamp>,
    /// Age of that moment when the recovery started, in seconds: no less was lost if the source died just then.
    rpa_seconds_at_most: Option<f64>,
    /// From the start of the recovery until its last step was done, in seconds; pauses count.
    rta_seconds: f64,
    /// How long it was paused meanwhile, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_seconds: Option<f64>,
    #[serde(flatten)]
    report: Report,
    warnings: Vec<String>,
}

/// A recovery that is paused.
#[derive(Debug, Serialize)]
pub(crate) struct Paused {
    point: String,
    run: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<String>,
    /// `databases`.
    #[serde(rename = "paused_after")]
    after: &'static str,
    steps_done: usize,
    /// How many steps of each phase are left.
    left: BTreeMap<&'static str, usize>,
    /// The command that goes on.
    continue_with: String,
    warnings: Vec<String>,
}

/// What the steps of a plan bring back: objects by identity, volumes with the name that they get.
fn recovered(plan: &RunPlan) -> Vec<String> {
    plan.steps
        .iter()
        .filter_map(|step| {
            if let Work::Write(writing) = &step.work {
                return Some(writing.target().id().to_string());
            }
            let Work::Driver { op, claim, .. } = &step.work else {
                return None;
            };
            (*op == Op::Restore).then(|| format!("{}: {}", claim.thing, step.title))
        })
        .collect()
}

impl Achieved {
    pub(crate) fn of(
        options: &Options,
        point: &PointDocument,
        plan: &RunPlan,
        progress: &Progress,
        resumed: bool,
        warnings: Vec<String>,
    ) -> Self {
        let report = Report::of(plan, progress);
        let selection = options.selection();
        let whole = selection.is_whole();
        let filled = |id: &str| plan.step(&format!("fill {id}")).is_some();
        let cut = if whole {
            point.content.earliest_cut()
        } else {
            let parts = point.content.parts.iter();
            let cuts = parts.filter(|part| filled(&part.id)).map(|part| part.cut);
            cuts.min()
        };
        let paused = progress.paused_before().as_secs_f64();
        Self {
            point: point.id.to_string(),
            run: plan.run.to_string(),
            resumed,
            selection: (!whole).then(|| selection.options()),
            recovered: if whole { Vec::new() } else { recovered(plan) },
            recovered_to: cut,
            rpa_seconds_at_most: cut
                .zip(report.started)
                .map(|(cut, started)| started.duration_since(cut).as_secs_f64()),
            rta_seconds: report.seconds,
            paused_seconds: (paused > 0.0).then_some(paused),
            report,
            warnings,
        }
    }

    /// For people.
    pub(crate) fn table(&self, point: &PointDocument) -> String {
        let mut text = match &self.selection {
            None => format!(
                "protection {} is back from point {}\n",
                point.content.protection, self.point
            ),
            Some(options) => format!(
                "of protection {} is back from point {}, by {options}:\n",
                point.content.protection, self.point
            ),
        };
        for thing in self.recovered.iter().take(NAMED_MAX) {
            text.push_str(&format!("  {thing}\n"));
        }
        if self.recovered.len() > NAMED_MAX {
            text.push_str(&format!(
                "  and {} more\n",
                self.recovered.len() - NAMED_MAX
            ));
        }
        if self.selection.is_none() {
            for member in &point.content.members {
                text.push_str(&format!(
                    "  {}: {} copy, recovered and ready\n",
                    member.name,
                    member.mode.as_str()
                ));
            }
        }
        if let (Some(cut), Some(lost)) = (self.recovered_to, self.rpa_seconds_at_most) {
            text.push_str(&format!(
                "  RPA: data until {}, at most {} before this recovery began\n",
                moment(cut),
                seconds(lost)
            ));
        }
        let paused = self.paused_seconds.map_or_else(String::new, |paused| {
            format!(", {} of it paused", seconds(paused))
        });
        text.push_str(&format!("  RTA: {}{paused}\n", seconds(self.rta_seconds)));
        self.times(&mut text);
        text
    }

    fn times(&self, text: &mut String) {
        for phase in &self.report.phases {
            text.push_str(&format!(
                "    {:<24} {:>4} steps  {:>8}\n",
                phase.phase,
                phase.steps,
                seconds(phase.seconds)
            ));
        }
        text.push_str("  critical path:\n");
        for step in &self.report.critical_path {
            text.push_str(&format!(
                "    {:>8} (gate {})  {}\n",
                seconds(step.seconds),
                seconds(step.gate_seconds),
                step.step
            ));
        }
    }
}

impl Paused {
    pub(crate) fn of(
        options: &Options,
        given: &Given,
        point: &PointDocument,
        plan: &RunPlan,
        progress: &Progress,
        (phase, warnings): (Phase, Vec<String>),
    ) -> Self {
        let selection = options.selection();
        let chosen = selection.options();
        // All that makes this run another one, the look at its source, and what a plan does not settle for good.
        let same = [
            options_of(&selection, given),
            options.evidence.look_again(),
            options.mover_image_again(),
        ];
        let same: Vec<String> = same
            .iter()
            .filter(|words| !words.is_empty())
            .map(|words| format!(" {words}"))
            .collect();
        Self {
            point: point.id.to_string(),
            run: plan.run.to_string(),
            after: phase.name(),
            steps_done: plan
                .steps
                .iter()
                .filter(|step| progress.is_done(&step.id))
                .count(),
            left: left(plan, phase)
                .into_iter()
                .map(|(phase, count)| (phase.name(), count))
                .collect(),
            continue_with: format!(
                "refloat recover --point {}{} --continue",
                point.id,
                same.concat()
            ),
            selection: (!selection.is_whole()).then_some(chosen),
            warnings,
        }
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let left: Vec<String> = self
            .left
            .iter()
            .map(|(phase, count)| format!("{phase} ({count} steps)"))
            .collect();
        format!(
            "recovery {} of point {} is paused after {}: {} steps are done\n  \
             left: {}\n  \
             no mover runs and no key of the vault is in the cluster; what you change by hand stays\n  \
             to go on: {}\n",
            self.run,
            self.point,
            self.after,
            self.steps_done,
            if left.is_empty() {
                "clean-up".to_owned()
            } else {
                left.join(", ")
            },
            self.continue_with
        )
    }
}
