//! `refloat recover`: brings a point back, and goes on where an earlier engine died.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use jiff::Timestamp;
use refloat_core::drive::{Drive, Engine};
use refloat_core::names::RunId;
use refloat_core::run::{End, Progress, Record, Report, RunKind, RunPlan, Workers};
use refloat_drivers::CATALOGUE;
use refloat_vault::format::PointDocument;
use refloat_vault::store::RunJournal;
use refloat_world::Cluster;
use serde::Serialize;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, moment, seconds};
use crate::progress::Narrator;
use crate::recovery::{Options, pick, prepare, run_of, skip_gates};
use crate::seat::{
    Access, Seat, check_permissions, connect, open_vault, refuse_if_alive, refuse_if_begun,
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
}

/// What a recovery achieved.
#[derive(Debug, Serialize)]
struct Achieved {
    point: String,
    run: String,
    resumed: bool,
    /// Everything until here is back.
    recovered_to: Option<Timestamp>,
    /// Age of that moment when the recovery started, in seconds: no less was lost if the source died just then.
    rpa_seconds_at_most: Option<f64>,
    /// From the start of the recovery until its last step was done, in seconds.
    rta_seconds: f64,
    #[serde(flatten)]
    report: Report,
    warnings: Vec<String>,
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
    check_permissions(&cluster, RunKind::Restore, &point.content.namespaces).await?;
    let (run, journal) = run_of(&access, &cluster, &point).await?;
    let resumed = journal.plan().is_some();
    if resumed {
        refuse_if_alive(&access, &run, &journal).await?;
    }
    let (plan, journal, warnings) = if resumed {
        go_on(&run, journal, &arguments.options, printer).await?
    } else {
        begin(&arguments, &access, &cluster, journal, printer).await?
    };
    let progress = drive(&cluster, &access, &plan, journal, printer).await?;
    let report = Report::of(&plan, &progress);
    let cut = point.content.earliest_cut();
    let achieved = Achieved {
        point: point.id.to_string(),
        run: run.to_string(),
        resumed,
        recovered_to: cut,
        rpa_seconds_at_most: cut
            .zip(report.started)
            .map(|(cut, started)| started.duration_since(cut).as_secs_f64()),
        rta_seconds: report.seconds,
        report,
        warnings,
    };
    keep(&access, &achieved).await?;
    printer.result(&achieved, || table(&achieved, &point));
    Ok(())
}

/// Plans, shows, asks, and writes the journal's first record.
async fn begin(
    arguments: &Arguments,
    access: &Access,
    cluster: &Cluster,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<(RunPlan, RunJournal, Vec<String>), Failure> {
    let prepared = match prepare(access, cluster, &arguments.options).await {
        Ok(prepared) => prepared,
        // What another engine has written by now is in the way of a plan: then it is that engine that must be named.
        Err(failure) => {
            refuse_if_begun(access, journal.run()).await?;
            return Err(failure);
        }
    };
    if arguments.yes {
        printer.note(prepared.heading().trim_end());
    } else {
        printer.note(&format!(
            "{}{}",
            prepared.heading(),
            prepared.planned.render()
        ));
        ask(printer)?;
    }
    let warnings = prepared.planned.warnings;
    for warning in &warnings {
        printer.note(&format!("warning: {warning}"));
    }
    let plan = prepared.planned.plan;
    let started = Record::Started {
        at: Timestamp::now(),
        plan: Box::new(plan.clone()),
    };
    journal
        .append_records(&[started])
        .await
        .map_err(|error| vault_failure(&error))?;
    Ok((plan, journal, warnings))
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

/// Takes over a recovery that was not finished.
async fn go_on(
    run: &RunId,
    mut journal: RunJournal,
    options: &Options,
    printer: Printer,
) -> Result<(RunPlan, RunJournal, Vec<String>), Failure> {
    let mut plan = journal
        .plan()
        .cloned()
        .ok_or_else(|| Failure::bug("journal-without-plan", run))?;
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
        mover_image.clone_into(&mut plan.mover_image);
    }
    let resumed = Record::Resumed {
        at: Timestamp::now(),
        why: "resume".to_owned(),
    };
    let (skipped, warnings) = skip_gates(&plan, &before, options.skip_gates())?;
    let records: Vec<Record> = [resumed].into_iter().chain(skipped).collect();
    journal
        .append_records(&records)
        .await
        .map_err(|error| vault_failure(&error))?;
    for warning in &warnings {
        printer.note(&format!("warning: {warning}"));
    }
    Ok((plan, journal, warnings))
}

async fn drive(
    cluster: &Cluster,
    access: &Access,
    plan: &RunPlan,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<Progress, Failure> {
    let mut progress = Progress::of(journal.records());
    let seat = Seat::new(cluster, access, plan);
    let narrator = Narrator::new(printer, plan);
    narrator.already_done(
        plan.steps
            .iter()
            .filter(|step| progress.is_done(&step.id))
            .count(),
    );
    let mut engine = Engine {
        world: &seat,
        journal: &mut journal,
        observer: &narrator,
        workers: Workers { drivers: CATALOGUE },
    };
    let ended = engine.drive(plan, &mut progress).await;
    narrator.finish();
    match ended? {
        Drive::Ended(End::Completed) => Ok(progress),
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

fn table(achieved: &Achieved, point: &PointDocument) -> String {
    let mut text = format!(
        "protection {} is back from point {}\n",
        point.content.protection, achieved.point
    );
    for member in &point.content.members {
        text.push_str(&format!(
            "  {}: {} copy, recovered and ready\n",
            member.name,
            member.mode.as_str()
        ));
    }
    if let (Some(cut), Some(lost)) = (achieved.recovered_to, achieved.rpa_seconds_at_most) {
        text.push_str(&format!(
            "  RPA: data until {}, at most {} before this recovery began\n",
            moment(cut),
            seconds(lost)
        ));
    }
    text.push_str(&format!("  RTA: {}\n", seconds(achieved.rta_seconds)));
    for phase in &achieved.report.phases {
        text.push_str(&format!(
            "    {:<24} {:>4} steps  {:>8}\n",
            phase.phase,
            phase.steps,
            seconds(phase.seconds)
        ));
    }
    text.push_str("  critical path:\n");
    for step in &achieved.report.critical_path {
        text.push_str(&format!(
            "    {:>8} (gate {})  {}\n",
            seconds(step.seconds),
            seconds(step.gate_seconds),
            step.step
        ));
    }
    text
}
