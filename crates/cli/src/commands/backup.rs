//! `refloat backup`.

mod made;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use refloat_api::{Mode as ApiMode, ProtectionSpec};
use refloat_core::backup::{self, BackupGoal, EngineOverride, Holds, Mode};
use refloat_core::drive::{Drive, Engine, TURN_STEPS_MAX};
use refloat_core::inventory::scope;
use refloat_core::names::{ProtectionName, RunId};
use refloat_core::run::{End, Progress, Record, RunKind, RunPlan, Workers};
use refloat_drivers::CATALOGUE;
use refloat_vault::format::PointId;
use refloat_vault::store::RunJournal;
use refloat_world::{AWAY_MAX, Cluster, InventoryScope};

use self::made::show;
use super::heartbeat;
use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, duration, moment};
use crate::progress::Narrator;
use crate::protection::{read_protection, wanted_gate, wanted_hook};
use crate::recovery::is_here;
use crate::seat::{
    Access, Seat, check_permissions, clean_up_dead_run, connect, new_run_id, open_vault,
    unfinished_runs, vault_failure, writer_name,
};

/// Arguments of `refloat backup`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The protection, as a file (a `Protection` of refloat.io/v1alpha1)
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["namespace", "minimum_mode", "exclude_volume", "snapshot_class"])]
    file: Option<PathBuf>,
    /// Name of the protection
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    protection: Option<ProtectionName>,
    /// A protected namespace; once for each
    #[arg(long, short, value_name = "NAME", required_unless_present = "file")]
    namespace: Vec<String>,
    /// Weakest consistency that is good enough
    #[arg(long, value_enum)]
    minimum_mode: Option<MinimumMode>,
    /// A volume whose data is left out on purpose; once for each
    #[arg(long, value_name = "NAMESPACE/CLAIM")]
    exclude_volume: Vec<String>,
    /// VolumeSnapshotClass, when a driver has no default one or several
    #[arg(long, value_name = "NAME")]
    snapshot_class: Option<String>,
    /// Container image of Refloat, for the pods that move data
    #[arg(long, env = "REFLOAT_MOVER_IMAGE", value_name = "IMAGE")]
    mover_image: String,
}

/// Values of `--minimum-mode`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum MinimumMode {
    /// Like after a power cut
    Crash,
    /// One volume, cut atomically, under an engine with crash recovery
    AtomicVolume,
    /// Held by a session across all cuts, and proven
    Held,
}

/// Name and content of the protection that is meant.
fn protection(arguments: &Arguments) -> Result<(ProtectionName, ProtectionSpec), Failure> {
    if let Some(path) = &arguments.file {
        let (name, spec) = read_protection(path)?;
        if let Some(asked) = &arguments.protection
            && *asked != name
        {
            return Err(Failure::refuse(
                "protection-name",
                format!(
                    "{} is of protection `{name}`, not `{asked}`",
                    path.display()
                ),
                "leave `--protection` away, or name the right file",
            ));
        }
        return Ok((name, spec));
    }
    let mut spec = ProtectionSpec::of(arguments.namespace.clone());
    match arguments.minimum_mode {
        Some(MinimumMode::Crash) => spec.minimum_mode = ApiMode::Crash,
        Some(MinimumMode::AtomicVolume) => spec.minimum_mode = ApiMode::AtomicVolume,
        Some(MinimumMode::Held) => spec.minimum_mode = ApiMode::Held,
        None => {}
    }
    spec.exclude.volumes.clone_from(&arguments.exclude_volume);
    spec.snapshot.class.clone_from(&arguments.snapshot_class);
    let name = arguments.protection.clone().ok_or_else(|| {
        Failure::refuse(
            "protection-name",
            "no protection was named",
            "give `--protection NAME`",
        )
    })?;
    Ok((name, spec))
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let (name, spec) = protection(&arguments)?;
    let access = open_vault(config).await?;
    let site = access.site_key()?.site.clone();
    let cluster = connect(config).await?;
    check_permissions(&cluster, RunKind::Backup, &spec.namespaces).await?;
    end_dead_runs(&cluster, &access, &name, printer).await?;
    let inventory = cluster
        .patient_inventory(
            &InventoryScope {
                namespaces: spec.namespaces.clone(),
            },
            AWAY_MAX,
            |_| true,
            |line| printer.note(line),
        )
        .await?;
    let reach = scope(&inventory, &spec.namespaces);
    let began = Timestamp::now();
    let run = new_run_id("backup", began)?;
    let goal = BackupGoal {
        required: reach.required,
        owned: reach.owned.clone(),
        ..goal(&arguments, &spec, name.clone(), site, &cluster, &run, began)?
    };
    let planned = backup::plan(&inventory, &goal, CATALOGUE)?;
    for finding in &planned.draft.findings {
        printer.note(&format!("note: {}: {}", finding.thing, finding.message));
    }
    printer.note(&format!(
        "backup {run} of protection {name}: {} volumes, {} databases or plain volumes",
        planned.draft.parts.len(),
        planned.draft.members.len()
    ));
    // What is stored is read anew.
    drop(inventory);
    let plan = Arc::new(planned.plan);
    let seat = Seat::of_backup(
        &cluster,
        &access,
        &plan,
        spec.namespaces.clone(),
        reach.owned,
    );
    let progress = drive(&seat, &plan, began, printer).await?;
    let sealed = progress
        .outcome("seal")
        .and_then(|outcome| outcome.text("point"));
    let point: PointId = sealed
        .unwrap_or_default()
        .parse()
        .map_err(|error: String| Failure::bug("point-id", &error))?;
    if let Some(warning) = heartbeat::give(&access, &point, "sealed").await {
        printer.note(&warning);
    }
    let document = access
        .vault
        .point(&point)
        .await
        .map_err(|error| vault_failure(&error))?
        .document;
    show(&document.content, &point, began, printer);
    Ok(())
}

fn goal(
    arguments: &Arguments,
    spec: &ProtectionSpec,
    protection: ProtectionName,
    site: refloat_core::names::SiteName,
    cluster: &Cluster,
    run: &RunId,
    began: Timestamp,
) -> Result<BackupGoal, Failure> {
    Ok(BackupGoal {
        protection,
        site,
        run: run.clone(),
        namespaces: spec.namespaces.clone(),
        minimum_mode: match spec.minimum_mode {
            ApiMode::Crash => Mode::Crash,
            ApiMode::AtomicVolume => Mode::AtomicVolume,
            ApiMode::Held => Mode::Held,
        },
        overrides: spec
            .engines
            .iter()
            .map(|engine| EngineOverride {
                kind: engine.kind.clone(),
                name: engine.name.clone(),
                namespace: engine.namespace.clone(),
                settings: engine.settings.clone(),
            })
            .collect(),
        holds: match spec.capture.holds {
            refloat_api::Holds::WhenNeeded => Holds::WhenNeeded,
            refloat_api::Holds::Never => Holds::Never,
        },
        hooks: spec.capture.hooks.iter().map(wanted_hook).collect(),
        gates: spec.gates.iter().map(wanted_gate).collect(),
        excluded_volumes: spec.exclude.volumes.iter().cloned().collect(),
        snapshot_class: spec.snapshot.class.clone(),
        cut_seconds_max: spec.snapshot.cut_seconds_max,
        hold_seconds_max: spec.capture.hold_seconds_max,
        move_seconds_max: spec.move_seconds_max,
        mover_image: arguments.mover_image.clone(),
        spec: serde_json::to_value(spec).map_err(|error| Failure::bug("spec", &error))?,
        began,
        cluster_uid: cluster.cluster_uid().to_owned(),
        required: Vec::new(),
        owned: Vec::new(),
    })
}

/// Earlier backups of this protection and site whose engine died are given up and cleaned up first.
async fn end_dead_runs(
    cluster: &Cluster,
    access: &Access,
    protection: &ProtectionName,
    printer: Printer,
) -> Result<(), Failure> {
    let open = unfinished_runs(&access.vault, Some(RunKind::Backup)).await?;
    for unreadable in &open.unreadable {
        printer.note(&format!(
            "note: backup {} is left alone, whosever it is: {}",
            unreadable.run, unreadable.why
        ));
    }
    for dead in open.unfinished {
        let ours = dead.kind == RunKind::Backup
            && dead.protection == *protection
            && Some(&dead.site) == access.site();
        if let (true, Some(age)) = (ours, dead.may_live) {
            return Err(Failure::refuse(
                "backup-running",
                format!(
                    "backup {} of protection {protection} is running ({}, last sign {} ago)",
                    dead.run,
                    dead.writer,
                    duration(age)
                ),
                "let it finish; if its engine is dead, run this again in two minutes",
            ));
        }
        if ours && is_here(&dead, cluster.cluster_uid()) == Some(false) {
            printer.note(&format!(
                "note: backup {} was not finished, and is left alone: it ran in another cluster",
                dead.run
            ));
        } else if ours {
            printer.note(&format!(
                "backup {} was not finished (last written {} by {}): giving it up and cleaning up",
                dead.run,
                dead.last.map_or_else(String::new, moment),
                dead.writer
            ));
            clean_up_dead_run(cluster, access, dead.journal(access).await?, printer).await?;
        }
    }
    Ok(())
}

async fn drive(
    seat: &Seat<'_>,
    plan: &Arc<RunPlan>,
    began: Timestamp,
    printer: Printer,
) -> Result<Progress, Failure> {
    let mut journal = RunJournal::open(&seat.access.vault, &plan.run, &writer_name())
        .await
        .map_err(|error| vault_failure(&error))?;
    let started = Record::Started {
        at: began,
        plan: Arc::clone(plan),
        evidence: None,
    };
    journal
        .append_records(&[started])
        .await
        .map_err(|error| vault_failure(&error))?;
    let mut progress = Progress::of(journal.records());
    let narrator = Narrator::new(printer, plan);
    journal.tell(narrator.teller());
    let mut engine = Engine {
        world: seat,
        journal: &mut journal,
        observer: &narrator,
        workers: Workers { drivers: CATALOGUE },
        turn_steps_max: TURN_STEPS_MAX,
    };
    let ended = engine.drive(plan, &mut progress).await;
    narrator.finish();
    match ended? {
        Drive::Ended(End::Completed) => Ok(progress),
        Drive::Ended(End::Failed) => Err(progress.failing().cloned().map_or_else(
            || Failure::bug("failed-without-reason", &plan.run),
            Failure::from,
        )),
        Drive::Paused(_) => Err(Failure::bug("backup-paused", &plan.run)),
        Drive::Stuck(problem) => Err(problem.into()),
    }
}
