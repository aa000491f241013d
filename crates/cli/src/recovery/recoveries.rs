//! Which recoveries of this vault ran into this cluster, and which of them is being rolled back. Called by `plan`, `recover` and
//! `rollback`.

use std::sync::Arc;

use jiff::Timestamp;
use refloat_core::names::{ProtectionName, RunId};
use refloat_core::run::{Progress, RunKind, RunPlan};
use refloat_vault::error::VaultError;
use refloat_vault::format::PointId;
use refloat_vault::store::RunJournal;
use refloat_world::Cluster;

use super::beside::Leaving;
use super::run_stem;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::seat::{Access, UnfinishedRun, is_unreadable, vault_failure, writer_name};

/// Which recovery is meant.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Run(RunId),
    NewestOf(PointId),
    NewestOfProtection(ProtectionName),
}

/// A recovery and its journal.
pub(crate) struct Recovery {
    pub(crate) plan: Arc<RunPlan>,
    pub(crate) journal: RunJournal,
    started: Option<Timestamp>,
}

impl Recovery {
    /// It, as one that is to be taken away from this cluster.
    pub(crate) fn leaving<'a>(&'a self, cluster: &'a Cluster) -> Leaving<'a> {
        Leaving {
            plan: &self.plan,
            started: self.started,
            cluster_uid: cluster.cluster_uid(),
        }
    }
}

async fn journal(access: &Access, run: &RunId) -> Result<RunJournal, VaultError> {
    RunJournal::open(&access.vault, run, &writer_name()).await
}

/// Whether a plan is that of a recovery into this cluster: its id says so.
fn is_of_cluster(plan: &RunPlan, cluster: &Cluster) -> bool {
    let stem = plan
        .point
        .as_ref()
        .map(|point| run_stem(point, cluster.cluster_uid()));
    plan.kind == RunKind::Restore && stem.is_some_and(|stem| plan.run.as_str().starts_with(&stem))
}

/// Whether a run was made for this cluster; nothing when nothing tells. A recovery's id and that of its rollback say it, and a backup's plan.
pub(crate) fn is_here(run: &UnfinishedRun, cluster_uid: &str) -> Option<bool> {
    let recovery = match run.kind {
        RunKind::Backup => return Some(run.cluster_uid.as_deref()? == cluster_uid),
        RunKind::Restore => run.run.as_str(),
        RunKind::Rollback => recovery_of(&run.run)?,
    };
    let stem = run_stem(run.point.as_deref()?, cluster_uid);
    Some(recovery.starts_with(&stem))
}

async fn read(access: &Access, run: &RunId) -> Result<Option<Recovery>, VaultError> {
    let journal = journal(access, run).await?;
    Ok(journal.plan().cloned().map(|plan| Recovery {
        started: Progress::of(journal.records()).started(),
        plan,
        journal,
    }))
}

/// Whether a run may be one that is meant, as far as its id tells.
fn may_be(run: &RunId, wanted: &Wanted, cluster_uid: &str) -> bool {
    match wanted {
        Wanted::Run(one) => run == one,
        Wanted::NewestOf(point) => {
            let stem = run_stem(&point.to_string(), cluster_uid);
            run.as_str().starts_with(&stem)
        }
        Wanted::NewestOfProtection(_) => run.as_str().starts_with("restore-"),
    }
}

/// The recovery that is meant; the newest when several are. Of a protection those are left out whose journals cannot be read: they may be
/// anybody's.
pub(crate) async fn find(
    access: &Access,
    cluster: &Cluster,
    wanted: &Wanted,
    printer: Printer,
) -> Result<Recovery, Failure> {
    let what = match wanted {
        Wanted::Run(run) => return by_run(access, cluster, run).await,
        Wanted::NewestOf(point) => format!("point {point}"),
        Wanted::NewestOfProtection(name) => format!("protection `{name}`"),
    };
    let is_meant = |plan: &RunPlan| match wanted {
        Wanted::Run(run) => plan.run == *run,
        Wanted::NewestOf(point) => plan.point.as_deref() == Some(point.to_string().as_str()),
        Wanted::NewestOfProtection(name) => plan.protection == *name,
    };
    let mut newest: Option<Recovery> = None;
    let runs = access.vault.runs().await;
    for run in runs.map_err(|error| vault_failure(&error))? {
        if !may_be(&run, wanted, cluster.cluster_uid()) {
            continue;
        }
        let found = match (read(access, &run).await, wanted) {
            (Ok(Some(found)), _) => found,
            (Ok(None), _) => continue,
            (Err(error), Wanted::NewestOfProtection(_)) if is_unreadable(&error) => {
                printer.note(&format!("note: {run} is left out: {error}"));
                continue;
            }
            (Err(error), _) => return Err(vault_failure(&error)),
        };
        let newer = newest
            .as_ref()
            .is_none_or(|one| one.started < found.started);
        if newer && is_of_cluster(&found.plan, cluster) && is_meant(&found.plan) {
            newest = Some(found);
        }
    }
    newest.ok_or_else(|| {
        Failure::refuse(
            "recovery-missing",
            format!("no recovery of {what} into this cluster is in this vault"),
            "see that it is the right cluster and the right vault, or name the run with `--run RUN`",
        )
    })
}

async fn by_run(access: &Access, cluster: &Cluster, run: &RunId) -> Result<Recovery, Failure> {
    let found = read(access, run).await;
    let found = found.map_err(|error| vault_failure(&error))?.ok_or_else(|| {
        Failure::refuse(
            "recovery-missing",
            format!("run {run} is not in this vault"),
            "the id is in the output of `refloat recover`, and on each recovered object in the annotation `refloat.io/recovery`",
        )
    })?;
    if found.plan.kind != RunKind::Restore {
        return Err(Failure::refuse(
            "no-recovery",
            format!("run {run} is no recovery: there is nothing to take away"),
            "name a run that `refloat recover` made",
        ));
    }
    if !is_of_cluster(&found.plan, cluster) {
        return Err(Failure::refuse(
            "recovery-other-cluster",
            format!(
                "recovery {run} ran into another cluster (site {})",
                found.plan.site
            ),
            "give that cluster with `--kubeconfig FILE` or `--context NAME`",
        ));
    }
    Ok(found)
}

/// The rollback of a recovery that is not finished, or the next.
pub(crate) async fn rollback_of(
    access: &Access,
    recovery: &RunId,
) -> Result<(RunId, RunJournal), Failure> {
    let mut number = 1_u32;
    loop {
        let run = RunId::new(format!("rollback-{recovery}-{number}"))?;
        let journal = journal(access, &run).await;
        let journal = journal.map_err(|error| vault_failure(&error))?;
        if Progress::of(journal.records()).ended().is_none() {
            return Ok((run, journal));
        }
        number += 1;
    }
}

/// Refuses to recover a point while an earlier recovery of it is still being taken away.
pub(crate) async fn refuse_while_rolled_back(
    access: &Access,
    cluster: &Cluster,
    point: &PointId,
) -> Result<(), Failure> {
    let runs = access.vault.open_runs().await;
    for run in runs.map_err(|error| vault_failure(&error))? {
        if !rolls_back(&run, point, cluster.cluster_uid()) {
            continue;
        }
        let journal = journal(access, &run).await;
        let journal = journal.map_err(|error| vault_failure(&error))?;
        let progress = Progress::of(journal.records());
        if progress.started().is_some() && progress.ended().is_none() {
            return Err(rollback_unfinished(point, &run));
        }
    }
    Ok(())
}

/// Whether a run takes away a recovery of this point from this cluster: its id says so.
pub(super) fn rolls_back(run: &RunId, point: &PointId, cluster_uid: &str) -> bool {
    let begins = format!("rollback-{}", run_stem(&point.to_string(), cluster_uid));
    run.as_str().starts_with(&begins)
}

/// The recovery that a rollback takes away: `rollback-restore-0123456789ab-1-2` is the second of `restore-0123456789ab-1`.
fn recovery_of(rollback: &RunId) -> Option<&str> {
    let (recovery, number) = rollback
        .as_str()
        .strip_prefix("rollback-")?
        .rsplit_once('-')?;
    number.parse::<u32>().ok().map(|_| recovery)
}

pub(super) fn rollback_unfinished(point: &PointId, rollback: &RunId) -> Failure {
    // By its point the newest recovery would be meant, which may be another.
    let which = match recovery_of(rollback) {
        Some(recovery) => format!("--run {recovery}"),
        None => format!("--point {point}"),
    };
    Failure::refuse(
        "rollback-unfinished",
        format!("an earlier recovery of point {point} is being taken away by {rollback}"),
        format!("finish that first: `refloat rollback {which}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_that_is_not_finished_is_gone_on_with_by_the_recovery_that_it_takes_away() {
        let point: PointId = "shop/12".parse().expect("a point");
        let hint = |rollback: &str| {
            let rollback = RunId::new(rollback).expect("a run");
            rollback_unfinished(&point, &rollback).problems[0]
                .hint
                .clone()
        };
        assert_eq!(
            hint("rollback-restore-0123456789ab-cdef0123-3-1"),
            "finish that first: `refloat rollback --run restore-0123456789ab-cdef0123-3`"
        );
        assert_eq!(
            hint("rollback-by-hand"),
            "finish that first: `refloat rollback --point shop/12`"
        );
    }

    #[test]
    fn a_journal_is_only_read_when_its_run_may_be_meant() {
        let point: PointId = "shop/12".parse().expect("a point");
        let its = format!("{}1", run_stem("shop/12", "here"));
        let there = format!("{}1", run_stem("shop/12", "elsewhere"));
        let other = format!("{}1", run_stem("shop/13", "here"));
        let of_protection =
            Wanted::NewestOfProtection(ProtectionName::new("shop").expect("a name"));
        let run = |id: &str| RunId::new(id).expect("a run");
        let of_point = Wanted::NewestOf(point);
        let table = [
            (its.as_str(), true, true),
            (&there, false, true),
            (&other, false, true),
            ("backup-1", false, false),
        ];
        for (id, by_point, by_protection) in table {
            assert_eq!(may_be(&run(id), &of_point, "here"), by_point, "{id}");
            assert_eq!(
                may_be(&run(id), &of_protection, "here"),
                by_protection,
                "{id}"
            );
        }
    }

    #[test]
    fn a_run_is_of_the_cluster_that_its_id_or_its_plan_says() {
        let stem = run_stem("shop/12", "here");
        let is = |kind, run: &str| {
            let run = UnfinishedRun::example(kind, run, Some("shop/12"));
            (is_here(&run, "here"), is_here(&run, "elsewhere"))
        };
        let here = (Some(true), Some(false));
        assert_eq!(is(RunKind::Restore, &format!("{stem}1")), here);
        assert_eq!(is(RunKind::Restore, &format!("{stem}cdef0123-1")), here);
        assert_eq!(is(RunKind::Rollback, &format!("rollback-{stem}1-1")), here);
        let mut backup = UnfinishedRun::example(RunKind::Backup, "backup-1", None);
        assert_eq!(is_here(&backup, "here"), None);
        backup.cluster_uid = Some("here".to_owned());
        assert_eq!(is_here(&backup, "here"), Some(true));
        assert_eq!(is_here(&backup, "elsewhere"), Some(false));
    }
}
