//! `refloat recover`: brings a point back, and goes on where an earlier engine died.

mod going;

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use refloat_core::drive::{Drive, Engine, TURN_STEPS_MAX};
use refloat_core::names::RunId;
use refloat_core::run::{End, Phase, Progress, Record, RunKind, RunPlan, Workers, until};
use refloat_drivers::CATALOGUE;
use refloat_vault::format::{PointDocument, PointId};
use refloat_vault::store::RunJournal;
use refloat_world::Cluster;

use self::going::Going;
use crate::config::Config;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Narrator;
use crate::recovery::{
    Achieved, Beginning, Options, Said, options_of, pick, prepare, refuse_beside,
    refuse_while_rolled_back, run_of, target_namespaces, variant,
};
use crate::seat::{
    Access, Seat, check_permissions, connect, open_vault, refuse_if_begun, unfinished_runs,
    vault_failure,
};

/// Arguments of `refloat recover`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Go on with the recovery that is paused, to its end
    #[arg(long = "continue", conflicts_with = "until")]
    goes_on: bool,
}

impl Arguments {
    fn said(&self) -> Said {
        match (self.goes_on, self.options.until()) {
            (true, _) => Said::Continue,
            (false, Some(phase)) => Said::Until(phase),
            (false, None) => Said::Nothing,
        }
    }
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    access.site_key()?;
    let cluster = connect(config).await?;
    let point = pick(&access, &arguments.options.pick).await?.document;
    let options = &arguments.options;
    let given = options.given()?;
    let namespaces = target_namespaces(&point, &given);
    check_permissions(&cluster, RunKind::Restore, &namespaces).await?;
    refuse_while_rolled_back(&access, &cluster, &point.id).await?;
    let variant = variant(&given, &options.selection());
    let (_, journal) = run_of(&access, &cluster, &point, &variant).await?;
    let resumed = journal.plan().is_some();
    let going = Going {
        arguments: &arguments,
        access: &access,
        cluster: &cluster,
        point: &point,
        given: &given,
        printer,
    };
    let (plan, journal, warnings) = if resumed {
        match going.on(journal, &namespaces).await? {
            Some(taken_over) => taken_over,
            None => return Ok(()),
        }
    } else if arguments.goes_on {
        return Err(nothing_to_continue(&access, &point).await?);
    } else {
        let selection = options.selection();
        let beginning = Beginning {
            protection: &point.content.protection,
            point: &point.id,
            cluster_uid: cluster.cluster_uid(),
            namespaces: &namespaces,
            variant: &variant,
            options: &options_of(&selection, &given),
            mover_image: &options.mover_image_again(),
            is_whole: selection.is_whole(),
        };
        refuse_open(&access, &beginning, printer).await?;
        begin(&arguments, &access, &cluster, journal, printer).await?
    };
    let (ended, progress) = drive(&cluster, &access, &plan, journal, printer).await?;
    if let Some(phase) = ended {
        going.show_paused(&plan, &progress, (phase, warnings));
        return Ok(());
    }
    let achieved = Achieved::of(options, &point, &plan, &progress, resumed, warnings);
    printer.result(&achieved, || achieved.table(&point));
    // It is back all the same: as a failure it would make somebody begin another one.
    if let Err(failure) = keep(&access, &achieved).await {
        let why = failure.text();
        printer.note(&format!(
            "warning: the report is only here, not in the vault: {why}"
        ));
    }
    Ok(())
}

/// A recovery that is to be driven: its plan, its journal and what is to be told.
type Driven = (Arc<RunPlan>, RunJournal, Vec<String>);

/// Why there is nothing to go on with, and what may have been meant.
async fn nothing_to_continue(access: &Access, point: &PointDocument) -> Result<Failure, Failure> {
    let mut paused = Vec::new();
    let open = unfinished_runs(&access.vault, Some(RunKind::Restore)).await?;
    for one in open.unfinished {
        if let (Some(phase), Some(of)) = (one.paused, &one.point)
            && one.protection == point.content.protection
        {
            let site = &one.site;
            paused.push(format!(
                "{} of point {of} at {site} (after {})",
                one.run,
                phase.name()
            ));
        }
    }
    Ok(Failure::refuse(
        "nothing-to-continue",
        format!(
            "no recovery of this of point {} is under way here",
            point.id
        ),
        if paused.is_empty() {
            "begin one without `--continue`".to_owned()
        } else {
            format!(
                "paused: {}; name its `--point`, and its `--only`, `--skip`, `--as` and `--map-namespace` as it was begun",
                paused.join(", ")
            )
        },
    ))
}

/// Refuses to begin beside an open recovery that is in the way. One that cannot be read may be anybody's: it is told.
async fn refuse_open(
    access: &Access,
    beginning: &Beginning<'_>,
    printer: Printer,
) -> Result<(), Failure> {
    let open = unfinished_runs(&access.vault, Some(RunKind::Restore)).await?;
    for unreadable in &open.unreadable {
        printer.note(&format!(
            "note: whether recovery {} is in the way is not known: {}",
            unreadable.run, unreadable.why
        ));
    }
    refuse_beside(&open.unfinished, beginning)
}

/// Plans, shows, asks, and writes the journal's first record.
async fn begin(
    arguments: &Arguments,
    access: &Access,
    cluster: &Cluster,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<Driven, Failure> {
    let mut prepared = match prepare(access, cluster, &arguments.options, printer).await {
        Ok(prepared) => prepared,
        // What another engine has written by now is in the way of a plan: then it is that engine that must be named.
        Err(failure) => {
            refuse_if_begun(access, journal.run()).await?;
            return Err(failure);
        }
    };
    refuse_other_run(&prepared.planned.plan.run, journal.run())?;
    if arguments.yes {
        printer.note(prepared.heading().trim_end());
    } else {
        prepared.measure(access).await;
        printer.note(&format!("{}{}", prepared.heading(), prepared.text()));
        ask(printer)?;
    }
    let warnings = prepared.planned.warnings;
    for warning in &warnings {
        printer.note(&format!("warning: {warning}"));
    }
    let plan = Arc::new(prepared.planned.plan);
    let at = Timestamp::now();
    let started = Record::Started {
        at,
        plan: Arc::clone(&plan),
        evidence: prepared.evidence,
    };
    let phase = prepared.until;
    let wish = phase.map(|_| Record::Until { at, phase });
    let records: Vec<Record> = std::iter::once(started).chain(wish).collect();
    let point = &prepared.document.id;
    write_down(access, cluster, point, &mut journal, &records).await?;
    Ok((plan, journal, warnings))
}

/// Writes the journal's first records. Whether an earlier recovery is being taken away is asked once more: planning and answering take
/// their time.
async fn write_down(
    access: &Access,
    cluster: &Cluster,
    point: &PointId,
    journal: &mut RunJournal,
    records: &[Record],
) -> Result<(), Failure> {
    refuse_while_rolled_back(access, cluster, point).await?;
    let written = journal.append_records(records).await;
    written.map_err(|error| vault_failure(&error))
}

/// Between two looks a newer point may be sealed, and this run begun and ended by another engine: then the plan is another run's than the
/// journal. While another engine is still at it, it is the same run, whose journal is not written (`run-alive`).
fn refuse_other_run(planned: &RunId, journal: &RunId) -> Result<(), Failure> {
    if planned == journal {
        return Ok(());
    }
    Err(Failure::refuse(
        "point-newer",
        "while this recovery was planned, a newer point was sealed, or another engine has begun it and come to its end",
        "run the same command again, which plans anew; `--point POINT` keeps to an older point",
    ))
}

fn ask(printer: Printer) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refuse(
            "not-confirmed",
            "nobody is there to confirm the plan",
            "read it with `refloat plan`, then give `--yes`",
        ));
    }
    printer.ask("Recover as planned? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::refuse(
        "not-confirmed",
        "nothing was changed",
        "answer `y` to recover",
    ))
}

/// Drives it to its end, or to the phase after which it pauses.
async fn drive(
    cluster: &Cluster,
    access: &Access,
    plan: &RunPlan,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<(Option<Phase>, Progress), Failure> {
    let mut progress = Progress::of(journal.records());
    let part = progress.until().and_then(|phase| until(plan, phase));
    let steps = part.as_ref().unwrap_or(plan);
    if let (Some(phase), Some(_)) = (progress.until(), &part) {
        printer.note(&format!("it pauses after {}", phase.label()));
    }
    let seat = Seat::new(cluster, access, plan);
    let narrator = Narrator::new(printer, steps);
    journal.tell(narrator.teller());
    narrator.already_done(
        steps
            .steps
            .iter()
            .filter(|step| progress.is_done(&step.id))
            .count(),
    );
    let mut engine = Engine {
        world: &seat,
        journal: &mut journal,
        observer: &narrator,
        workers: Workers { drivers: CATALOGUE },
        turn_steps_max: TURN_STEPS_MAX,
    };
    let ended = engine.drive(plan, &mut progress).await;
    narrator.finish();
    match ended? {
        Drive::Ended(End::Completed) => Ok((None, progress)),
        Drive::Paused(phase) => Ok((Some(phase), progress)),
        Drive::Ended(End::Failed) => Err(Failure::refuse(
            "recovery-given-up",
            format!("recovery {} was given up and cleaned up", plan.run),
            "start a new one with `refloat recover`",
        )),
        Drive::Stuck(problem) => Err(problem.into()),
    }
}

async fn keep(access: &Access, achieved: &Achieved) -> Result<(), Failure> {
    let bytes =
        serde_json::to_vec_pretty(achieved).map_err(|error| Failure::bug("report", &error))?;
    access
        .vault
        .write_report(&achieved.run, "report.json", bytes)
        .await
        .map_err(|error| vault_failure(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::run_stem;
    use crate::seat::refusing::{begun, empty_plan, journal_of, refusing_cluster, vault_in_memory};

    #[tokio::test]
    async fn nothing_is_begun_while_an_earlier_recovery_is_being_taken_away() {
        let access = vault_in_memory().await;
        let cluster = refusing_cluster().await;
        let run = format!("{}2", run_stem("shop/12", cluster.cluster_uid()));
        let started = [Record::Started {
            at: Timestamp::UNIX_EPOCH,
            plan: empty_plan(RunKind::Restore, &run),
            evidence: None,
        }];
        let point: PointId = "shop/12".parse().expect("a point");
        let mut journal = journal_of(&access, &run).await;
        let rollback = format!("rollback-{}1-1", run.trim_end_matches('2'));
        let mut rollback = begun(&access, RunKind::Rollback, &rollback).await;
        let refused = write_down(&access, &cluster, &point, &mut journal, &started).await;
        let failure = refused.expect_err("it is begun");
        assert_eq!(failure.problems[0].code, "rollback-unfinished");
        assert!(journal_of(&access, &run).await.plan().is_none());

        let ended = Record::Ended {
            at: Timestamp::UNIX_EPOCH,
            end: End::Completed,
        };
        rollback.append_records(&[ended]).await.expect("its end");
        let begun = write_down(&access, &cluster, &point, &mut journal, &started).await;
        assert!(begun.is_ok());
        assert!(journal_of(&access, &run).await.plan().is_some());
    }

    #[test]
    fn a_plan_is_never_written_into_the_journal_of_another_run() {
        let run = |id: &str| RunId::new(id).expect("a run");
        assert!(refuse_other_run(&run("restore-1"), &run("restore-1")).is_ok());
        let refused = refuse_other_run(&run("restore-2"), &run("restore-1"));
        let failure = refused.expect_err("it is written");
        assert_eq!(failure.problems[0].code, "point-newer");
        assert!(failure.problems[0].message.contains("come to its end"));
    }

    #[tokio::test]
    async fn another_engine_that_has_begun_meanwhile_is_named() {
        let access = vault_in_memory().await;
        let cluster = refusing_cluster().await;
        let run = format!("{}1", run_stem("shop/12", cluster.cluster_uid()));
        let point: PointId = "shop/12".parse().expect("a point");
        let mut ours = journal_of(&access, &run).await;
        let _theirs = begun(&access, RunKind::Restore, &run).await;
        let started = [Record::Started {
            at: Timestamp::UNIX_EPOCH,
            plan: empty_plan(RunKind::Restore, &run),
            evidence: None,
        }];
        let refused = write_down(&access, &cluster, &point, &mut ours, &started).await;
        let failure = refused.expect_err("two have begun it");
        assert_eq!(failure.problems[0].code, "run-alive");
        assert!(failure.problems[0].message.contains("somebody"));
    }
}
