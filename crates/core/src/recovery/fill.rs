//! Moves one volume's bytes with a mover pod in the system namespace: out of a re-exposed snapshot into the vault, or out
//! of the vault into a fresh claim.
//!
//! The mover's order travels in an environment variable, its report in the pod's termination message; the keys come
//! from the Secret of the run and never pass through here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod occupied;
mod start;

use super::mover::{Edit, MoverProgress, MoverReport};
use super::signs::{
    MoverEnd, end, image, is_of, is_of_before, newest_warning, no_image, pending_reason, report,
    running,
};
use crate::backup::{vault_access_decide, vault_access_look};
use crate::driver::{
    Class, Effect, ListRequest, LogRequest, ObjectRef, Outcome, Precondition, Problem, Propagation,
    Query, Seen, Verdict, Why,
};
use crate::inventory::Resource;
use crate::names::{RunId, SYSTEM_NAMESPACE, part_object_name};
use crate::run::{RunPlan, Step};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the volume into the vault.
    Backup,
    /// From the vault into the volume.
    Restore,
}

/// One volume to move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filling {
    /// Which way.
    pub direction: Direction,
    /// `shop/data-db-0`.
    pub part: String,
    /// For a restore: `spec` of the claim that is filled. For a backup the claim was made by `Expose`.
    pub claim_spec: Option<Value>,
    /// For a restore: snapshot in the repository.
    pub snapshot: Option<String>,
    /// For a restore: the tree that the signed point names.
    pub tree: Option<String>,
    /// Bytes to move, when known: for the estimate.
    pub bytes: Option<u64>,
}

fn job_resource() -> Resource {
    Resource::namespaced("batch/v1", "Job", "jobs")
}

fn claim_resource() -> Resource {
    Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
}

impl Filling {
    /// Name of the mover's Job and of its claim.
    pub fn object_name(&self, run: &RunId) -> String {
        part_object_name(run, &self.part)
    }

    fn job(&self, run: &RunId) -> ObjectRef {
        ObjectRef::namespaced(job_resource(), SYSTEM_NAMESPACE, &self.object_name(run))
    }

    fn claim(&self, run: &RunId) -> ObjectRef {
        ObjectRef::namespaced(claim_resource(), SYSTEM_NAMESPACE, &self.object_name(run))
    }

    fn pods(&self, run: &RunId) -> ListRequest {
        ListRequest {
            resource: Resource::namespaced("v1", "Pod", "pods"),
            namespace: Some(SYSTEM_NAMESPACE.to_owned()),
            labels: BTreeMap::from([(
                "batch.kubernetes.io/job-name".to_owned(),
                self.object_name(run),
            )]),
        }
    }

    /// Reads the job, its claim and its pods, and its access to the vault.
    pub fn look(
        &self,
        plan: &RunPlan,
        _step: &Step,
        _prior: &BTreeMap<String, Outcome>,
    ) -> Vec<Query> {
        let mut queries = vec![
            Query::Object(self.job(&plan.run)),
            Query::Object(self.claim(&plan.run)),
            Query::List(self.pods(&plan.run)),
        ];
        queries.extend(vault_access_look(plan));
        queries
    }

    /// Starts the mover, watches it, takes its report. `attempt` is how often the run was resumed: a mover that failed in an
    /// earlier attempt is started anew. Clocks do not tell: the cluster's may be another than the engine's.
    pub fn decide(
        &self,
        plan: &RunPlan,
        step: &Step,
        attempt: u32,
        prior: &BTreeMap<String, Outcome>,
        seen: &Seen,
    ) -> Verdict {
        let decided = self
            .edits(prior)
            .and_then(|edits| self.try_decide(plan, step, attempt, &edits, seen));
        match decided {
            Ok(verdict) => verdict,
            Err(problem) => problem.into(),
        }
    }

    fn try_decide(
        &self,
        plan: &RunPlan,
        step: &Step,
        attempt: u32,
        edits: &[Edit],
        seen: &Seen,
    ) -> Result<Verdict, Problem> {
        let run = &plan.run;
        let claim = seen.object(&self.claim(run))?;
        let Some(job) = seen.object(&self.job(run))? else {
            let start = || self.start(plan, step, attempt, edits, claim.is_some());
            return Ok(no_access(plan, seen).unwrap_or_else(start));
        };
        // Pods of a Job that was removed stay for a while; they say nothing of this one.
        let all = seen.list(&self.pods(run))?;
        let pods: Vec<&Value> = all.iter().filter(|pod| is_of(pod, job)).collect();
        if job.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(Verdict::Wait(Why::new(
                "mover-going",
                format!("{}: the mover that failed is being removed", self.part),
            )));
        }
        if self.direction == Direction::Restore && claim.is_none() {
            // Somebody has deleted it, and what was written went with it: both are made anew.
            return Ok(self.remove(run, job));
        }
        if let Some(end) = end(job) {
            return Ok(match self.ended(report(&pods), &end, edits, claim) {
                Verdict::Stuck(problem) if !is_of_before(job, attempt) => {
                    Verdict::Stuck(self.occupied(run, claim, problem))
                }
                Verdict::Stuck(_) => self.remove(run, job),
                verdict => verdict,
            });
        }
        if let Some(verdict) = pods.iter().copied().find_map(no_image) {
            // When the run was resumed a person gave another image, or mended the registry while a kubelet still pauses.
            if is_of_before(job, attempt) || image(job) != Some(plan.mover_image.as_str()) {
                return Ok(self.remove(run, job));
            }
            return Ok(verdict);
        }
        let Some(pod) = pods.iter().copied().find_map(running) else {
            let starting = || self.starting(plan, &pods, claim, seen);
            return Ok(no_access(plan, seen).unwrap_or_else(starting));
        };
        let log = LogRequest {
            namespace: SYSTEM_NAMESPACE.to_owned(),
            pod,
            lines_max: 5,
        };
        if !seen.has(&Query::Log(log.clone())) {
            return Ok(Verdict::Look(vec![Query::Log(log)]));
        }
        let message = seen.log(&log).ok().and_then(|log| self.progress_line(log));
        Ok(Verdict::Wait(Why::new(
            "mover-running",
            message.unwrap_or_else(|| format!("{}: the mover runs", self.part)),
        )))
    }

    /// This very mover; the next turn starts another.
    fn remove(&self, run: &RunId, job: &Value) -> Verdict {
        Verdict::Act(vec![Effect::Delete {
            object: self.job(run),
            precondition: Precondition::same_uid(job),
            propagation: Propagation::Background,
        }])
    }

    /// The mover does not run yet: if its volume is not there, the storage's own words say why.
    fn starting(
        &self,
        plan: &RunPlan,
        pods: &[&Value],
        claim: Option<&Value>,
        seen: &Seen,
    ) -> Verdict {
        let reason = pending_reason(&self.part, pods);
        let bound = claim.and_then(|claim| claim.pointer("/status/phase")?.as_str());
        if bound == Some("Bound") {
            return Verdict::Wait(Why::new("mover-starting", reason));
        }
        let events = ListRequest {
            resource: Resource::namespaced("v1", "Event", "events"),
            namespace: Some(SYSTEM_NAMESPACE.to_owned()),
            labels: BTreeMap::new(),
        };
        if !seen.has(&Query::List(events.clone())) {
            return Verdict::Look(vec![Query::List(events)]);
        }
        // Without the right to read events only the reason is missing.
        let warning = seen
            .list(&events)
            .ok()
            .and_then(|all| newest_warning(all, &self.object_name(&plan.run)));
        Verdict::Wait(match warning {
            Some(warning) => Why::new(
                "volume-provisioning",
                format!("{}: no volume yet: {warning}", self.part),
            ),
            None => Why::new("mover-starting", reason),
        })
    }

    fn ended(
        &self,
        report: Option<MoverReport>,
        end: &MoverEnd,
        edits: &[Edit],
        claim: Option<&Value>,
    ) -> Verdict {
        match report {
            Some(MoverReport::Failed(problem)) => Verdict::Stuck(problem),
            Some(done @ MoverReport::Done { .. }) if !end.failed => self.done(&done, edits, claim),
            Some(MoverReport::Done { .. }) | None => Verdict::Stuck(self.no_report()),
        }
    }

    /// What the engine on this volume needs changed, by what its own step has brought.
    fn edits(&self, prior: &BTreeMap<String, Outcome>) -> Result<Vec<Edit>, Problem> {
        let of_part = |outcome: &Outcome| outcome.facts.get("edits")?.get(&self.part).cloned();
        let mut edits = Vec::new();
        for found in prior.values().filter_map(of_part) {
            let found: Vec<Edit> = serde_json::from_value(found).map_err(|error| {
                Problem::of(
                    Class::Bug,
                    "edits-malformed",
                    format!("{}: {error}", self.part),
                    "this is a defect of Refloat: please report it with the journal of the run",
                )
            })?;
            edits.extend(found);
        }
        Ok(edits)
    }

    fn not_edited(&self) -> Problem {
        Problem::stuck(
            "mover-too-old",
            format!(
                "{}: the mover's image is too old to prepare the volume for its database",
                self.part
            ),
            "give an image as new as this refloat (`--mover-image`) and start the recovery again",
        )
    }

    fn no_report(&self) -> Problem {
        Problem::stuck(
            "mover-lost",
            format!("the mover of {} ended without a report", self.part),
            format!("look at the pod's events in namespace {SYSTEM_NAMESPACE}, then try again"),
        )
    }

    fn done(&self, report: &MoverReport, edits: &[Edit], claim: Option<&Value>) -> Verdict {
        let MoverReport::Done {
            snapshot,
            tree,
            files,
            bytes,
            bytes_added,
            milliseconds,
            edits: edits_made,
        } = report
        else {
            return Verdict::Stuck(self.no_report());
        };
        if self.tree.as_ref().is_some_and(|expected| expected != tree) {
            return Verdict::Stuck(Problem::stuck(
                "part-digest",
                format!(
                    "{}: the mover restored another tree than the point names",
                    self.part
                ),
                "do not use this volume; run `refloat vault check`",
            ));
        }
        if edits.len() as u64 != *edits_made {
            return Verdict::Stuck(self.not_edited());
        }
        let mut outcome = Outcome::default()
            .with("part", self.part.as_str())
            .with("snapshot", snapshot.as_str())
            .with("tree", tree.as_str())
            .with("files", *files)
            .with("bytes", *bytes)
            .with("bytes_added", *bytes_added)
            .with("milliseconds", *milliseconds);
        if self.direction == Direction::Restore {
            let volume = claim.and_then(|claim| claim.pointer("/spec/volumeName"));
            match volume.and_then(Value::as_str) {
                Some(volume) => outcome = outcome.with("volume", volume),
                None => {
                    return Verdict::Wait(Why::new(
                        "claim-unbound",
                        format!("{}: the filled claim is not bound", self.part),
                    ));
                }
            }
        }
        Verdict::Done(outcome)
    }

    fn progress_line(&self, log: &str) -> Option<String> {
        let last = log
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<MoverProgress>(line).ok())?;
        let total = last.bytes_total.or(self.bytes);
        let rate = last.bytes_done.saturating_mul(1000) / last.milliseconds.max(1);
        let mut text = format!("{}: {}", self.part, mebibytes(last.bytes_done));
        if let Some(total) = total {
            text.push_str(&format!(" of {}", mebibytes(total)));
        }
        text.push_str(&format!(", {}/s", mebibytes(rate)));
        if let (Some(total), true) = (total, rate > 0) {
            let left = total.saturating_sub(last.bytes_done) / rate;
            text.push_str(&format!(", {left} s left"));
        }
        Some(text)
    }
}

/// A mover that does not run yet needs access to the vault. It was given before, but somebody may have taken it away since, or an engine
/// has died between its end before a pause and the pause.
fn no_access(plan: &RunPlan, seen: &Seen) -> Option<Verdict> {
    let access = vault_access_decide(plan, seen);
    (!matches!(access, Verdict::Done(_))).then_some(access)
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
