//! Going on with a recovery that was begun: one whose engine died, or one that is paused. Called by `recover`.

use std::sync::Arc;

use jiff::Timestamp;
use refloat_core::run::{Phase, Progress, Record, RunPlan, said_last};
use refloat_vault::format::PointDocument;
use refloat_vault::store::RunJournal;
use refloat_world::Cluster;

use super::{Arguments, Driven};
use crate::failure::Failure;
use crate::printer::{Printer, moment};
use crate::recovery::{
    Given, GoOn, Options, Paused, gate_pods, go_on, judge_again, settled, skip_gates,
};
use crate::seat::{Access, refuse_if_alive, remove_pod, vault_failure};

/// A recovery that was begun.
pub(super) struct Going<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) access: &'a Access,
    pub(super) cluster: &'a Cluster,
    pub(super) point: &'a PointDocument,
    pub(super) given: &'a Given,
    pub(super) printer: Printer,
}

impl Going<'_> {
    /// Goes on with it; `None` when it is paused where it is to pause, which is shown.
    pub(super) async fn on(
        &self,
        journal: RunJournal,
        namespaces: &[String],
    ) -> Result<Option<Driven>, Failure> {
        let options = &self.arguments.options;
        let plan = planned(&journal)?;
        let run = &plan.run;
        let progress = Progress::of(journal.records());
        let far = go_on(&plan, &progress, self.arguments.said())?;
        if let GoOn::Paused(phase) = far {
            let (skipped, _) = skip_gates(&plan, &progress, options.skip_gates())?;
            refuse_skips(&skipped, phase)?;
            let unheard = unheard(options, phase);
            if let Some(warning) = &unheard {
                self.printer.note(&format!("warning: {warning}"));
            }
            let warnings = unheard.into_iter().collect();
            self.show_paused(&plan, &progress, (phase, warnings));
            return Ok(None);
        }
        // The engine of one that is paused has ended, however lately.
        if progress.paused().is_none() {
            refuse_if_alive(self.access, run, &journal).await?;
        }
        let settled = settled(options, self.given);
        if !settled.is_empty() {
            self.printer.note(&format!(
                "{run} goes on by the plan that was made when it began: of {} it takes what was said then; to plan anew, `refloat rollback --run {run}` first",
                settled.join(", ")
            ));
        }
        let content = &self.point.content;
        let before = said_last(journal.records());
        let judged = judge_again(options, content, self.cluster, namespaces, before).await?;
        let resumed = Record::Resumed {
            at: Timestamp::now(),
            why: "resume".to_owned(),
            evidence: judged.evidence,
        };
        let (plan, journal, mut warnings) =
            resume(far, journal, options, resumed, self.printer).await?;
        if let Some(warning) = &judged.warning {
            self.printer.note(&format!("warning: {warning}"));
        }
        warnings.extend(judged.warning);
        let progress = Progress::of(journal.records());
        warnings.extend(self.remove_gate_pods(&plan, &progress).await);
        Ok(Some((plan, journal, warnings)))
    }

    /// Nobody asks for a gate that is skipped: the pod that did goes. Where it cannot be removed the recovery goes on, and says so.
    async fn remove_gate_pods(&self, plan: &RunPlan, progress: &Progress) -> Vec<String> {
        let mut warnings = Vec::new();
        for pod in gate_pods(plan, progress) {
            if let Err(failure) = remove_pod(self.cluster, &pod).await {
                let why = failure.text();
                let warning = format!(
                    "whether {} is left of a skipped gate is not known: {why}",
                    pod.id()
                );
                self.printer.note(&format!("warning: {warning}"));
                warnings.push(warning);
            }
        }
        warnings
    }

    pub(super) fn show_paused(
        &self,
        plan: &RunPlan,
        progress: &Progress,
        pause: (Phase, Vec<String>),
    ) {
        let options = &self.arguments.options;
        let paused = Paused::of(options, self.given, self.point, plan, progress, pause);
        self.printer.result(&paused, || paused.table());
    }
}

/// The plan of a run that was begun.
fn planned(journal: &RunJournal) -> Result<Arc<RunPlan>, Failure> {
    let plan = journal.plan().cloned();
    plan.ok_or_else(|| Failure::bug("journal-without-plan", journal.run()))
}

/// Takes over a recovery that was not finished, or goes on with one that is paused.
async fn resume(
    far: GoOn,
    mut journal: RunJournal,
    options: &Options,
    resumed: Record,
    printer: Printer,
) -> Result<Driven, Failure> {
    let mut plan = planned(&journal)?;
    let run = plan.run.clone();
    let before = Progress::of(journal.records());
    printer.note(&format!(
        "going on with recovery {run}: {} of {} steps are done, last written {} by {}; its plan stays as it was made",
        plan.steps.iter().filter(|step| before.is_done(&step.id)).count(),
        plan.steps.len(),
        before.last().map_or_else(String::new, moment),
        journal.last_writer().unwrap_or("nobody")
    ));
    let mover_image = options.mover_image();
    if plan.mover_image != mover_image {
        printer.note(&format!(
            "movers that are still to start use the image {mover_image}"
        ));
        mover_image.clone_into(&mut Arc::make_mut(&mut plan).mover_image);
    }
    let at = Timestamp::now();
    let mut records = vec![resumed];
    match far {
        GoOn::To(phase) if phase != before.until() => records.push(Record::Until { at, phase }),
        GoOn::To(_) | GoOn::AsWanted | GoOn::Paused(_) => {}
    }
    let (skipped, warnings) = skip_gates(&plan, &before, options.skip_gates())?;
    records.extend(skipped);
    journal
        .append_records(&records)
        .await
        .map_err(|error| vault_failure(&error))?;
    for warning in &warnings {
        printer.note(&format!("warning: {warning}"));
    }
    Ok((plan, journal, warnings))
}

/// What stays paused takes no gates that are to be skipped: they would be lost.
fn refuse_skips(skipped: &[Record], paused: Phase) -> Result<(), Failure> {
    if skipped.is_empty() {
        return Ok(());
    }
    Err(Failure::refuse(
        "gate-while-paused",
        format!(
            "`--skip-gate` has no effect: the recovery is paused after {}, and stays so",
            paused.label()
        ),
        "give it with `--continue`, or with a later phase for `--until`",
    ))
}

/// What stays paused records nothing of the source: it is judged when the recovery goes on. The same command may be given again, so it is
/// told, not refused.
fn unheard(options: &Options, paused: Phase) -> Option<String> {
    options.speaks_of_source().then(|| {
        format!(
            "what is said of the source is not recorded: the recovery is paused after {}, and stays so; say it with `--continue`, or \
             with a later phase for `--until`",
            paused.label()
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn what_is_said_of_the_source_is_not_dropped_silently_while_a_recovery_stays_paused() {
        let told = |words: &[&str]| {
            let always = ["recover", "--point", "shop/1", "--mover-image", "x"];
            let command = Command::try_parse_from(always.iter().chain(words)).expect("options");
            unheard(&command.options, Phase::Databases)
        };
        assert_eq!(told(&[]), None);
        for words in [
            &["--source-dead", "fire"][..],
            &["--isolated"],
            &["--source-kubeconfig", "a"],
        ] {
            let note = told(words).expect("it is told");
            assert!(
                note.contains("not recorded: the recovery is paused"),
                "{note}"
            );
            assert!(note.contains("`--continue`"), "{note}");
        }
    }

    #[test]
    fn a_gate_to_skip_is_not_lost_while_a_recovery_stays_paused() {
        assert!(refuse_skips(&[], Phase::Databases).is_ok());
        let why = "resume".to_owned();
        let at = Timestamp::UNIX_EPOCH;
        let record = [Record::Resumed {
            at,
            why,
            evidence: None,
        }];
        let refused = refuse_skips(&record, Phase::Databases).expect_err("it would be lost");
        assert_eq!(refused.problems[0].code, "gate-while-paused");
    }
}
