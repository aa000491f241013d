//! Runs that have no end: what lists and decisions need of them. Called by the verbs that begin, end and list runs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::Query;
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_core::plan::rollback_look;
use refloat_core::run::{Phase, Progress, RunKind, RunPlan, Work};
use refloat_vault::error::VaultError;
use refloat_vault::store::{RunJournal, Vault};

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
    /// Where it backs up, as its plan says; the ids of recoveries say it of those.
    pub(crate) cluster_uid: Option<String>,
    /// Where a recovery writes.
    pub(crate) namespaces: BTreeSet<String>,
    /// After which phase it is paused.
    pub(crate) paused: Option<Phase>,
    /// Why steps of it are stuck.
    pub(crate) stuck: Vec<String>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    pub(crate) writer: String,
    /// How long ago its engine gave its last sign, if it may live.
    pub(crate) may_live: Option<SignedDuration>,
}

impl UnfinishedRun {
    fn of(journal: &RunJournal, seen: Option<Timestamp>) -> Option<Self> {
        let progress = Progress::of(journal.records());
        let plan = journal.plan()?;
        let last_writer = journal.last_writer().unwrap_or_default();
        Some(Self {
            may_live: alive::may_live(last_writer, seen, Timestamp::now()),
            kind: plan.kind,
            run: plan.run.clone(),
            protection: plan.protection.clone(),
            site: plan.site.clone(),
            point: plan.point.clone(),
            cluster_uid: backed_up_in(plan),
            namespaces: written_in(plan),
            paused: progress.paused(),
            stuck: progress
                .stuck()
                .map(|(_, problem)| problem.message.clone())
                .collect(),
            started: progress.started(),
            last: progress.last(),
            writer: journal.last_writer().unwrap_or("nobody").to_owned(),
        })
    }

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

/// A run without an end, as far as is marked, whose journal nobody here can read.
#[derive(Debug)]
pub(crate) struct UnreadableRun {
    pub(crate) run: RunId,
    pub(crate) why: String,
}

/// Runs that have no end.
#[derive(Default)]
pub(crate) struct OpenRuns {
    pub(crate) unfinished: Vec<UnfinishedRun>,
    /// Of which nothing more is known: their journals are damaged, or written by a newer Refloat.
    pub(crate) unreadable: Vec<UnreadableRun>,
}

/// Every run in the vault that is not finished, or every one of a kind. One journal that cannot be read hides no other.
pub(crate) async fn unfinished_runs(
    vault: &Vault,
    kind: Option<RunKind>,
) -> Result<OpenRuns, Failure> {
    let writer = writer_name();
    let mut open = OpenRuns::default();
    let runs = vault.open_runs().await;
    for run in runs.map_err(|error| vault_failure(&error))? {
        if kind.is_some_and(|kind| !is_of_kind(&run, kind)) {
            continue;
        }
        let journal = match RunJournal::open(vault, &run, &writer).await {
            Ok(journal) => journal,
            Err(error) if is_unreadable(&error) => {
                let why = error.to_string();
                open.unreadable.push(UnreadableRun { run, why });
                continue;
            }
            Err(error) => return Err(vault_failure(&error)),
        };
        if Progress::of(journal.records()).ended().is_some() {
            vault.close_run(&run).await;
            continue;
        }
        let seen = vault.run_seen(&run).await;
        let seen = seen.map_err(|error| vault_failure(&error))?;
        open.unfinished.extend(UnfinishedRun::of(&journal, seen));
    }
    Ok(open)
}

/// Uid of the cluster that a backup's point is of.
fn backed_up_in(plan: &RunPlan) -> Option<String> {
    plan.steps.iter().find_map(|step| match &step.work {
        Work::Seal { draft } => draft.get("cluster_uid")?.as_str().map(str::to_owned),
        _ => None,
    })
}

/// Namespaces of the objects that a recovery makes.
pub(crate) fn written_in(plan: &RunPlan) -> BTreeSet<String> {
    if plan.kind != RunKind::Restore {
        return BTreeSet::new();
    }
    let made = rollback_look(plan).into_iter();
    made.filter_map(|query| match query {
        Query::Object(object) => object.namespace.clone(),
        _ => None,
    })
    .collect()
}

/// Its id says so.
fn is_of_kind(run: &RunId, kind: RunKind) -> bool {
    run.as_str().starts_with(match kind {
        RunKind::Backup => "backup-",
        RunKind::Restore => "restore-",
        RunKind::Rollback => "rollback-",
    })
}

/// True when the journal is what is wrong, not the store.
pub(crate) fn is_unreadable(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Untrusted { .. } | VaultError::Unreadable { .. } | VaultError::Newer { .. }
    )
}

#[cfg(test)]
impl UnfinishedRun {
    /// One of protection `shop` at site `b`, whose engine is dead.
    pub(crate) fn example(kind: RunKind, run: &str, point: Option<&str>) -> Self {
        Self {
            kind,
            run: RunId::new(run).expect("a run"),
            protection: ProtectionName::new("shop").expect("a name"),
            site: SiteName::new("b").expect("a site"),
            point: point.map(str::to_owned),
            cluster_uid: None,
            namespaces: BTreeSet::new(),
            paused: None,
            stuck: Vec::new(),
            started: None,
            last: None,
            writer: "somebody".to_owned(),
            may_live: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
    use refloat_core::run::Record;
    use serde_json::{Value, json};

    use super::*;

    async fn vault() -> Vault {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let prefix = Path::from("");
        let created = Vault::init_begin(&store, &prefix).await.expect("a store");
        let made = Vault::init_finish(store, prefix, &created, Timestamp::UNIX_EPOCH).await;
        made.expect("a vault")
    }

    fn plan(kind: RunKind, run: &str, work: &[Value]) -> RunPlan {
        let step = |(place, work): (usize, &Value)| {
            json!({
                "id": place.to_string(), "phase": "guard", "title": "", "needs": [], "work": work, "limit_seconds": 60,
            })
        };
        let steps: Vec<Value> = work.iter().enumerate().map(step).collect();
        let plan = json!({
            "kind": kind, "run": run, "protection": "shop", "site": "b", "point": null, "mover_image": "", "steps": steps,
        });
        serde_json::from_value(plan).expect("a plan of today is read for ever")
    }

    async fn begun(vault: &Vault, kind: RunKind, run: &str) {
        let run = RunId::new(run).expect("a run");
        let opened = RunJournal::open(vault, &run, "somebody").await;
        let started = Record::Started {
            at: Timestamp::UNIX_EPOCH,
            plan: Arc::new(plan(kind, run.as_str(), &[])),
            evidence: None,
        };
        let written = opened.expect("a journal").append_records(&[started]).await;
        written.expect("a record");
    }

    #[test]
    fn a_plan_tells_the_cluster_of_a_backup_and_the_namespaces_of_a_recovery() {
        let seal = json!({ "work": "seal", "draft": { "cluster_uid": "here" } });
        let backup = plan(RunKind::Backup, "backup-1", &[seal]);
        assert_eq!(backed_up_in(&backup).as_deref(), Some("here"));
        assert!(written_in(&backup).is_empty());
        let write = |namespace: &str, name: &str| {
            json!({
                "work": "write", "existing": "fail", "adopt": false, "owner": { "manager": "kubectl", "apply": false },
                "resource": { "group": "", "version": "v1", "kind": "ConfigMap", "plural": "configmaps", "namespaced": true },
                "object": { "metadata": { "namespace": namespace, "name": name } },
            })
        };
        let all = [write("shop", "a"), write("peer", "a"), write("shop", "b")];
        let recovery = plan(RunKind::Restore, "restore-1", &all);
        assert_eq!(backed_up_in(&recovery), None);
        let namespaces = written_in(&recovery);
        assert_eq!(namespaces.iter().collect::<Vec<_>>(), ["peer", "shop"]);
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_read_hides_no_other() {
        let vault = vault().await;
        begun(&vault, RunKind::Restore, "restore-1").await;
        begun(&vault, RunKind::Backup, "backup-1").await;
        let newer = RunId::new("backup-0").expect("a run");
        vault.mark_run(&newer).await.expect("a mark");
        let entry = PutPayload::from_static(b"refloat.journal/9\nwhat comes after us");
        let path = Path::from("runs/backup-0/journal/0000000001");
        vault.store().put(&path, entry).await.expect("an entry");

        let open = unfinished_runs(&vault, None).await.expect("runs");
        let names = |open: &OpenRuns| -> Vec<String> {
            open.unfinished
                .iter()
                .map(|one| one.run.to_string())
                .collect()
        };
        assert_eq!(names(&open), ["backup-1", "restore-1"]);
        assert_eq!(open.unreadable.len(), 1);
        assert_eq!(open.unreadable[0].run, newer);
        assert!(open.unreadable[0].why.contains("refloat.journal/9"));

        let recoveries = unfinished_runs(&vault, Some(RunKind::Restore)).await;
        let recoveries = recoveries.expect("runs");
        assert_eq!(names(&recoveries), ["restore-1"]);
        assert!(recoveries.unreadable.is_empty(), "a backup is none of them");
    }
}
