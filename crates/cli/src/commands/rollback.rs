//! `refloat rollback`: takes away again what a recovery created, and nothing else.

mod told;

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use refloat_core::drive::{Drive, Engine, TURN_STEPS_MAX};
use refloat_core::driver::{ObjectRef, Problem, Query};
use refloat_core::inventory::{Inventory, Unread};
use refloat_core::names::{ProtectionName, RunId};
use refloat_core::plan::{Changed, Data, RollbackGoal, RolledBack, rollback, rollback_look};
use refloat_core::run::{End, Progress, Record, RunKind, RunPlan, Workers};
use refloat_core::world::World;
use refloat_drivers::CATALOGUE;
use refloat_vault::format::PointId;
use refloat_vault::store::RunJournal;
use refloat_world::{AWAY_MAX, Cluster, InventoryScope};

use self::told::{Achieved, preview, removals};
use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, moment};
use crate::progress::Narrator;
use crate::recovery::{Recovery, Wanted, find, refuse_beneath, rollback_of};
use crate::seat::{
    Access, Seat, check_permissions, clean_up_dead_run, connect, open_vault, refuse_if_alive,
    unfinished_runs, vault_failure,
};

/// Arguments of `refloat rollback`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Remove also what somebody has changed since it was recovered
    #[arg(long)]
    changed_too: bool,
    /// Remove the data of recovered volumes too; without it the volumes stay (`Retain`) when their claims go
    #[arg(long)]
    with_data: bool,
}

impl Arguments {
    /// Options that change nothing any more when a rollback goes on.
    fn unheeded(&self) -> Vec<&'static str> {
        let settled = [
            ("--changed-too", self.changed_too),
            ("--with-data", self.with_data),
        ];
        let given = settled.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(option, _)| option).collect()
    }
}

/// Which recovery.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// This recovery: `restore-0123456789ab-1`
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// The newest recovery of this point into this cluster
    #[arg(long, value_name = "POINT")]
    point: Option<PointId>,
    /// The newest recovery of this protection into this cluster
    #[arg(long, value_name = "NAME")]
    protection: Option<ProtectionName>,
}

impl Which {
    fn wanted(&self) -> Result<Wanted, Failure> {
        let run = self.run.clone().map(Wanted::Run);
        let point = self.point.clone().map(Wanted::NewestOf);
        let protection = self.protection.clone().map(Wanted::NewestOfProtection);
        run.or(point).or(protection).ok_or_else(|| {
            Failure::refuse(
                "recovery-unnamed",
                "which recovery?",
                "give `--run RUN`, `--point POINT` or `--protection NAME`",
            )
        })
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
    let wanted = arguments.which.wanted()?;
    let recovery = find(&access, &cluster, &wanted, printer).await?;
    let (run, journal) = rollback_of(&access, &recovery.plan.run).await?;
    let name = recovery.plan.run.to_string();
    let resumed = journal.plan().is_some();
    let (plan, journal, untouched) = if resumed {
        refuse_if_alive(&access, &run, &journal).await?;
        let unheeded = arguments.unheeded();
        if !unheeded.is_empty() {
            printer.note(&format!(
                "{run} goes on by the plan that was made when it began: of {} it takes what was said then",
                unheeded.join(", ")
            ));
        }
        let (plan, journal) = go_on(&run, journal, printer).await?;
        (plan, journal, Vec::new())
    } else {
        let sites = (&access, &cluster);
        Box::pin(begin(&arguments, sites, recovery, journal, printer)).await?
    };
    let progress = drive(&cluster, &access, &plan, journal, printer).await?;
    let achieved = Achieved::of(name, &plan, &progress, resumed, untouched);
    printer.result(&achieved, || achieved.table());
    Ok(())
}

/// Plans, shows, asks, gives the recovery up if it is not finished, and writes the journal's first record.
async fn begin(
    arguments: &Arguments,
    (access, cluster): (&Access, &Cluster),
    recovery: Recovery,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<(Arc<RunPlan>, RunJournal, Vec<(String, String)>), Failure> {
    let goal = RollbackGoal {
        run: journal.run().clone(),
        site: access.site_key()?.site.clone(),
        changed: if arguments.changed_too {
            Changed::Remove
        } else {
            Changed::Refuse
        },
        data: if arguments.with_data {
            Data::Remove
        } else {
            Data::Keep
        },
    };
    let open = unfinished_runs(&access.vault, Some(RunKind::Restore)).await?;
    refuse_beneath(&open.unfinished, &recovery.leaving(cluster))?;
    let progress = Progress::of(recovery.journal.records());
    let finished = progress.ended().is_some();
    // The engine of one that is paused has ended, however lately.
    if !finished && progress.paused().is_none() {
        refuse_if_alive(access, &recovery.plan.run, &recovery.journal).await?;
    }
    let planned = planned(access, cluster, &recovery, &goal, printer).await?;
    check_permissions(cluster, RunKind::Rollback, &namespaces(&planned.plan)).await?;
    let shown = preview(&recovery, &planned, finished);
    printer.note(shown.trim_end());
    if !arguments.yes {
        ask(printer)?;
    }
    let planned = if finished {
        planned
    } else {
        // From its first record on nobody goes on with the recovery; what it may have written until then counts.
        let run = recovery.plan.run.clone();
        clean_up_dead_run(cluster, access, recovery.journal, printer).await?;
        let recovery = find(access, cluster, &Wanted::Run(run), printer).await?;
        self::planned(access, cluster, &recovery, &goal, printer).await?
    };
    let plan = Arc::new(planned.plan);
    let started = Record::Started {
        at: Timestamp::now(),
        plan: Arc::clone(&plan),
        evidence: None,
    };
    let written = journal.append_records(&[started]).await;
    written.map_err(|error| vault_failure(&error))?;
    let untouched = planned.untouched.into_iter();
    let untouched = untouched.map(|(id, why)| (id.to_string(), why)).collect();
    Ok((plan, journal, untouched))
}

/// Looks at what the recovery wrote, and plans.
async fn planned(
    access: &Access,
    cluster: &Cluster,
    recovery: &Recovery,
    goal: &RollbackGoal,
    printer: Printer,
) -> Result<RolledBack, Failure> {
    let queries: Vec<Query> = rollback_look(&recovery.plan);
    let seat = Seat::new(cluster, access, &recovery.plan);
    let seen = seat.see(&queries).await;
    let progress = Progress::of(recovery.journal.records());
    let planned = |kinds: &Inventory| {
        let planned = rollback(&recovery.plan, &progress, &seen, &kinds.served, goal)?;
        let going: Vec<&ObjectRef> = removals(&planned.plan).map(|one| &one.object).collect();
        let whole = sees_all(&going, &kinds.unread);
        Ok::<_, Failure>((planned, whole))
    };
    let all = InventoryScope::default();
    // Waiting is of use only where a namespace goes, or where the API server does not answer.
    if let Ok(kinds) = cluster.inventory(&all).await {
        let (first, whole) = planned(&kinds)?;
        if whole.is_ok() {
            return Ok(first);
        }
    }
    let told = |line: &str| printer.note(line);
    let kinds = cluster.patient_inventory(&all, AWAY_MAX, Unread::is_api, told);
    let (planned, whole) = planned(&kinds.await?)?;
    whole?;
    Ok(planned)
}

/// Whether a namespace that is to go is empty of what others have is not known while nobody answers for an API, unless that goes, too.
fn sees_all(going: &[&ObjectRef], unread: &[Unread]) -> Result<(), Problem> {
    let goes = |kind: &str, name: &str| {
        going
            .iter()
            .any(|one| one.resource.kind == kind && (name.is_empty() || one.name == name))
    };
    let stays = |one: &&Unread| {
        let name = format!("{}.{}", one.resource.version, one.resource.group);
        one.is_api() && !goes("APIService", &name)
    };
    match unread.iter().find(stays) {
        Some(away) if goes("Namespace", "") => Err(Problem::stuck(
            "inventory-incomplete",
            format!("{away}: a namespace that is to go may hold objects of it that are somebody's"),
            "repair that API, or remove the APIService if nothing serves it any more; then run the same command again",
        )),
        Some(_) | None => Ok(()),
    }
}

fn namespaces(plan: &RunPlan) -> Vec<String> {
    let mut all: Vec<String> = removals(plan)
        .filter_map(|removing| removing.object.namespace.clone())
        .collect();
    all.sort();
    all.dedup();
    all
}

fn ask(printer: Printer) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refuse(
            "not-confirmed",
            "nobody is there to confirm the removal",
            "read what would go, then give `--yes`",
        ));
    }
    printer.ask("Remove these? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::refuse(
        "not-confirmed",
        "nothing was removed",
        "answer `y` to remove",
    ))
}

/// Takes over a rollback that was not finished.
async fn go_on(
    run: &RunId,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<(Arc<RunPlan>, RunJournal), Failure> {
    let plan = journal.plan().cloned();
    let plan = plan.ok_or_else(|| Failure::bug("journal-without-plan", run))?;
    let before = Progress::of(journal.records());
    printer.note(&format!(
        "going on with rollback {run}, last written {}; its plan stays as it was made",
        before.last().map_or_else(String::new, moment)
    ));
    let resumed = Record::Resumed {
        at: Timestamp::now(),
        why: "resume".to_owned(),
        evidence: None,
    };
    let written = journal.append_records(&[resumed]).await;
    written.map_err(|error| vault_failure(&error))?;
    Ok((plan, journal))
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
    journal.tell(narrator.teller());
    let done = |step: &&refloat_core::run::Step| progress.is_done(&step.id);
    narrator.already_done(plan.steps.iter().filter(done).count());
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
        // Nobody asks a rollback to pause.
        Drive::Ended(End::Completed) | Drive::Paused(_) => Ok(progress),
        Drive::Ended(End::Failed) => Err(Failure::refuse(
            "rollback-given-up",
            format!("rollback {} was given up", plan.run),
            "start a new one with `refloat rollback`",
        )),
        Drive::Stuck(problem) => Err(problem.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use refloat_core::inventory::Resource;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn a_namespace_does_not_go_while_nobody_knows_what_is_in_it() {
        let of = |version: &str, kind: &str, name: &str| {
            ObjectRef::cluster(Resource::cluster(version, kind, "x"), name)
        };
        let namespace = of("v1", "Namespace", "shop");
        let api = |name| of("apiregistration.k8s.io/v1", "APIService", name);
        let away = [Unread::of_api("counts.example.com", "v1")];
        let (own, other) = (api("v1.counts.example.com"), api("v1.others.example.com"));
        assert!(sees_all(&[&namespace], &away).is_err());
        assert!(sees_all(&[&namespace, &other], &away).is_err());
        assert!(sees_all(&[&namespace], &[]).is_ok());
        assert!(sees_all(&[&other], &away).is_ok());
        assert!(sees_all(&[&namespace, &own], &away).is_ok(), "it goes, too");
    }

    #[test]
    fn options_that_a_rollback_that_goes_on_does_not_heed_are_named() {
        let of = |words: &[&str]| {
            let always = ["rollback", "--run", "restore-1", "--yes"];
            let command = Command::try_parse_from(always.iter().chain(words)).expect("options");
            command.arguments.unheeded()
        };
        assert!(of(&[]).is_empty());
        assert_eq!(of(&["--with-data"]), ["--with-data"]);
        let both = ["--changed-too", "--with-data"];
        assert_eq!(of(&both), both);
    }
}
