//! Runs that have no end: what lists and decisions need of them. Called by the verbs that begin, end and list runs.

use jiff::{SignedDuration, Timestamp};
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_core::run::{Phase, Progress, RunKind};
use refloat_vault::store::RunJournal;

use super::access::Access;
use super::{alive, vault_failure, writer_name};
use crate::failure::Failure;

/// A run whose journal has no end: what lists and decisions need of it, not its plan and its journal, which may be as large as a cluster.
pub(crate) struct UnfinishedRun {
    pub(crate) kind: RunKind,
    pub(crate) run: RunId,
    pub(crate) protection: ProtectionName,
    pub(crate) site: SiteName,
    /// The point that is restored.
    pub(crate) point: Option<String>,
    /// After which phase it is paused.
    pub(crate) paused: Option<Phase>,
    /// Why steps of it are stuck.
    pub(crate) stuck: Vec<String>,
    pub(crate) last: Option<Timestamp>,
    pub(crate) writer: String,
    /// How long ago its engine gave its last sign, if it may live.
    pub(crate) may_live: Option<SignedDuration>,
}

impl UnfinishedRun {
    /// Its journal, refused when somebody has written to it since the run was found: it is not dead.
    pub(crate) async fn journal(&self, access: &Access) -> Result<RunJournal, Failure> {
        let journal = RunJournal::open(&access.vault, &self.run, &writer_name())
            .await
            .map_err(|error| vault_failure(&error))?;
        let last = Progress::of(journal.records()).last();
        if (last, journal.last_writer().unwrap_or("nobody")) != (self.last, self.writer.as_str()) {
            return Err(Failure::refuse(
                "run-goes-on",
                format!("run {} was written to meanwhile", self.run),
                "run this again",
            ));
        }
        Ok(journal)
    }
}

/// Every run in the vault that is not finished.
pub(crate) async fn unfinished_runs(access: &Access) -> Result<Vec<UnfinishedRun>, Failure> {
    let writer = writer_name();
    let mut found = Vec::new();
    let runs = access.vault.open_runs().await;
    for run in runs.map_err(|error| vault_failure(&error))? {
        let journal = RunJournal::open(&access.vault, &run, &writer)
            .await
            .map_err(|error| vault_failure(&error))?;
        let progress = Progress::of(journal.records());
        if progress.ended().is_some() {
            access.vault.close_run(&run).await;
        }
        if let (None, Some(plan)) = (progress.ended(), journal.plan()) {
            let seen = access.vault.run_seen(&run).await;
            let seen = seen.map_err(|error| vault_failure(&error))?;
            let last_writer = journal.last_writer().unwrap_or_default();
            found.push(UnfinishedRun {
                may_live: alive::may_live(last_writer, seen, Timestamp::now()),
                kind: plan.kind,
                run: plan.run.clone(),
                protection: plan.protection.clone(),
                site: plan.site.clone(),
                point: plan.point.clone(),
                paused: progress.paused(),
                stuck: progress
                    .stuck()
                    .map(|(_, problem)| problem.message.clone())
                    .collect(),
                last: progress.last(),
                writer: journal.last_writer().unwrap_or("nobody").to_owned(),
            });
        }
    }
    Ok(found)
}
