//! Runs: their ids, who writes their journals, and giving up one whose engine died.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::drive::{Drive, Engine, TURN_STEPS_MAX};
use refloat_core::driver::{Effect, ListRequest, ObjectRef, Precondition, Problem, Propagation};
use refloat_core::inventory::Resource;
use refloat_core::names::{LABEL_RUN, LABEL_STEP, RunId};
use refloat_core::probe;
use refloat_core::run::{Progress, Record, RunKind, Workers};
use refloat_drivers::CATALOGUE;
use refloat_vault::store::RunJournal;
use refloat_world::Cluster;
use serde_json::Value;

use super::access::Access;
use super::alive;
use super::world::Seat;
use crate::failure::Failure;
use crate::printer::{Printer, duration};
use crate::progress::Narrator;

fn random_hex() -> String {
    let mut bytes = [0; 3];
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex::encode(bytes),
        // Time alone still tells runs of one machine apart.
        Err(_) => std::process::id().to_string(),
    }
}

/// `backup-20261123-201500-1a2b3c`.
pub(crate) fn new_run_id(kind: &str, now: Timestamp) -> Result<RunId, Failure> {
    let time = now.strftime("%Y%m%d-%H%M%S");
    Ok(RunId::new(format!("{kind}-{time}-{}", random_hex()))?)
}

/// Who writes a journal: host, process and a random number.
pub(crate) fn writer_name() -> String {
    let (host, process) = (alive::host(), std::process::id());
    format!("{host} process {process} {}", random_hex())
}

/// Refuses to take a run over whose engine may live.
pub(crate) async fn refuse_if_alive(
    access: &Access,
    run: &RunId,
    journal: &RunJournal,
) -> Result<(), Failure> {
    let writer = journal.last_writer().unwrap_or_default();
    let seen = access.vault.run_seen(run).await;
    let seen = seen.map_err(|error| super::vault_failure(&error))?;
    match alive::may_live(writer, seen, Timestamp::now()) {
        None => Ok(()),
        Some(age) => Err(Failure::refuse(
            "run-alive",
            format!(
                "run {run} is being driven by {writer}, last sign {} ago",
                duration(age)
            ),
            "let it finish; if its engine is dead, run this again in two minutes",
        )),
    }
}

/// Refuses to begin a run that somebody else has begun in the meantime.
pub(crate) async fn refuse_if_begun(access: &Access, run: &RunId) -> Result<(), Failure> {
    let journal = RunJournal::open(&access.vault, run, &writer_name())
        .await
        .map_err(|error| super::vault_failure(&error))?;
    match journal.plan() {
        Some(_) => refuse_if_alive(access, run, &journal).await,
        None => Ok(()),
    }
}

/// Takes over a run whose engine is believed dead, and runs its clean-up. The first record fences the old engine: should
/// it live, its next record loses the race and it stops.
pub(crate) async fn clean_up_dead_run(
    cluster: &Cluster,
    access: &Access,
    mut journal: RunJournal,
    printer: Printer,
) -> Result<(), Failure> {
    let Some(plan) = journal.plan().cloned() else {
        return Ok(());
    };
    let at = Timestamp::now();
    let mut records = vec![Record::Resumed {
        at,
        why: "clean-up".to_owned(),
        evidence: None,
    }];
    if Progress::of(journal.records()).failing().is_none() {
        let problem = Problem::stuck("abandoned", "its engine died", "run it again");
        records.push(Record::Failing { at, problem });
    }
    journal
        .append_records(&records)
        .await
        .map_err(|error| super::vault_failure(&error))?;
    let mut progress = Progress::of(journal.records());
    let seat = Seat::new(cluster, access, &plan);
    let narrator = Narrator::new(printer, &plan);
    journal.tell(narrator.teller());
    let mut engine = Engine {
        world: &seat,
        journal: &mut journal,
        observer: &narrator,
        workers: Workers { drivers: CATALOGUE },
        turn_steps_max: TURN_STEPS_MAX,
    };
    // Before its end is written: afterwards nobody looks for them. What a backup may hold is let go whatever becomes of them.
    let removed = remove_probe_pods(cluster, &plan.run).await;
    if plan.kind != RunKind::Backup {
        removed.clone()?;
    }
    let ended = engine.drive(&plan, &mut progress).await;
    narrator.finish();
    match ended? {
        // One that is given up does not pause.
        Drive::Ended(_) | Drive::Paused(_) => removed,
        Drive::Stuck(problem) => Err(problem.into()),
    }
}

/// Removes the pods in which a run's last engine was asking something when it ended.
pub(crate) async fn remove_probe_pods(cluster: &Cluster, run: &RunId) -> Result<(), Failure> {
    let resource = Resource::namespaced("v1", "Pod", "pods");
    let request = ListRequest {
        resource: resource.clone(),
        namespace: None,
        labels: BTreeMap::from([
            (LABEL_RUN.to_owned(), run.to_string()),
            (LABEL_STEP.to_owned(), probe::STEP_LABEL.to_owned()),
        ]),
    };
    for pod in cluster.list(&request).await? {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
        let (Some(namespace), Some(name)) = (text("/metadata/namespace"), text("/metadata/name"))
        else {
            continue;
        };
        cluster
            .perform(&Effect::Delete {
                object: ObjectRef::namespaced(resource.clone(), namespace, name),
                precondition: Precondition::same_uid(&pod),
                propagation: Propagation::Background,
            })
            .await?;
    }
    Ok(())
}

/// Removes a pod if it is there.
pub(crate) async fn remove_pod(cluster: &Cluster, pod: &ObjectRef) -> Result<(), Failure> {
    if let Some(live) = cluster.object(pod).await? {
        cluster
            .perform(&Effect::Delete {
                object: pod.clone(),
                precondition: Precondition::same_uid(&live),
                propagation: Propagation::Background,
            })
            .await?;
    }
    Ok(())
}

/// What a run has in this cluster, by its label.
pub(crate) async fn our_objects(cluster: &Cluster, run: &RunId) -> Result<Vec<String>, Failure> {
    let kinds = [
        Resource::namespaced("v1", "Secret", "secrets"),
        Resource::namespaced("v1", "Pod", "pods"),
        Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        Resource::namespaced("batch/v1", "Job", "jobs"),
        Resource::namespaced(
            "snapshot.storage.k8s.io/v1",
            "VolumeSnapshot",
            "volumesnapshots",
        ),
        Resource::cluster(
            "snapshot.storage.k8s.io/v1",
            "VolumeSnapshotContent",
            "volumesnapshotcontents",
        ),
    ];
    let mut found = Vec::new();
    for resource in kinds {
        let kind = resource.kind.clone();
        let request = ListRequest {
            resource,
            namespace: None,
            labels: BTreeMap::from([(LABEL_RUN.to_owned(), run.to_string())]),
        };
        for object in cluster.list(&request).await? {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            let namespace =
                text("/metadata/namespace").map_or(String::new(), |one| format!("{one}/"));
            let name = text("/metadata/name").unwrap_or_default();
            found.push(format!("{kind} {namespace}{name}"));
        }
    }
    Ok(found)
}

/// Those of the namespaces that this cluster has.
pub(crate) async fn existing_namespaces(
    cluster: &Cluster,
    wanted: &[String],
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for namespace in wanted {
        let resource = Resource::cluster("v1", "Namespace", "namespaces");
        let object = ObjectRef::cluster(resource, namespace);
        if cluster.object(&object).await?.is_some() {
            found.push(namespace.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::refusing::{begun, journal_of, refusing_cluster, vault_in_memory};
    use super::*;
    use crate::config::Output;

    #[tokio::test]
    async fn a_run_whose_probe_pods_stay_has_no_end_but_what_a_backup_holds_is_let_go() {
        let access = vault_in_memory().await;
        let cluster = refusing_cluster().await;
        for (kind, run, has_ended) in [
            (RunKind::Restore, "restore-1", false),
            (RunKind::Rollback, "rollback-1", false),
            (RunKind::Backup, "backup-1", true),
        ] {
            let journal = begun(&access, kind, run).await;
            let printer = Printer::new(Output::Json);
            let cleaned = clean_up_dead_run(&cluster, &access, journal, printer).await;
            let failure = cleaned.expect_err("its pods stay");
            assert_eq!(failure.problems[0].code, "forbidden", "{run}");
            let journal = journal_of(&access, run).await;
            let progress = Progress::of(journal.records());
            assert!(progress.failing().is_some(), "{run}");
            assert_eq!(progress.ended().is_some(), has_ended, "{run}");
        }
    }
}
