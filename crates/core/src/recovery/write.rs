//! Writes one recovered object: created under the manager that owned it, told apart from what was there before, and
//! waited for until it is ready.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::driver::{
    Effect, FieldOwner, ObjectRef, Outcome, Patch, Precondition, Problem, Query, Seen, Verdict, Why,
};
use crate::inventory::Resource;
use crate::json::Json;
use crate::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY, ANNOTATION_UPDATED, RunId};
use crate::planted::{self, Bug};
use crate::readiness::{self, Clock, Duty, Gate, Told, View, told};
use crate::run::Deeds;

use super::existing::{
    Existing, Origin, difference, holds_data, holds_others, propagation, updated,
};
use super::linking::{Linking, belongings};

/// One object to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Writing {
    /// Its kind, as the target serves it.
    pub resource: Resource,
    /// The cleaned object, without provenance.
    pub object: Json,
    /// Under whose name.
    pub owner: FieldOwner,
    /// Entries of `metadata.managedFields` to give back, when several managers owned fields of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<Json>,
    /// What to do when it is there already.
    pub existing: Existing,
    /// Made by the cluster itself (`default` ServiceAccount, `kube-root-ca.crt`): awaited, and taken as it is. What the point has of an
    /// account is laid over it where that is nobody's, or where it is asked for.
    pub adopt: bool,
    /// What it told at its source.
    #[serde(default)]
    pub told: Told,
    /// What belongs to it, and is there before it: linked to it as soon as it is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owns: Vec<Linking>,
    /// Its status at the source, when it is to be written too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Json>,
    /// Its operator runs before it is written, and its kind is new at the target: what is there is what the operator has made. Of an
    /// account: its namespace is new, and what is there is what the cluster has made.
    #[serde(default, skip_serializing_if = "is_false")]
    pub operated: bool,
    /// What others expect of it, when that is more than to be ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<Box<Duty>>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_false(it: &bool) -> bool {
    !it
}

/// Digest of an object's content: hex SHA-256 of its JSON with sorted keys.
pub fn digest(object: &Json) -> String {
    hex::encode(Sha256::digest(object.to_string().as_bytes()))
}

impl Writing {
    /// Where the object goes.
    pub fn target(&self) -> ObjectRef {
        let text = |pointer: &str| self.object.pointer(pointer).and_then(Json::as_str);
        ObjectRef::of(
            self.resource.clone(),
            text("/metadata/namespace"),
            text("/metadata/name").unwrap_or_default(),
        )
    }

    /// Reads the object.
    pub fn look(&self) -> Vec<Query> {
        vec![Query::Object(self.target())]
    }

    /// Creates, adopts, updates, replaces or refuses, then waits until it is ready.
    pub fn decide(&self, run: &RunId, deeds: &Deeds, seen: &Seen, clock: Clock) -> Verdict {
        let live = match seen.object(&self.target()) {
            Err(problem) => return problem.into(),
            Ok(None) => return self.absent(run, deeds),
            Ok(Some(live)) => live,
        };
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return self.going(run, deeds, (live, seen, clock));
        }
        let ready = |origin| self.wait_ready(run, (live, &self.told), seen, clock, origin);
        if self.adopt && !self.amends(run, live) {
            return ready(Origin::Adopted);
        }
        let written = annotation(live, ANNOTATION_DIGEST);
        // Of what is not this recovery's nobody asks.
        let same = || written == Some(digest(&self.object).as_str());
        if annotation(live, ANNOTATION_RECOVERY) == Some(run.as_str()) {
            return match (same(), written) {
                (true, _) if deeds.deletes() => ready(Origin::Replaced),
                (true, _) => ready(Origin::Created),
                // Created by this recovery, and not complete yet.
                (false, None) if self.is_completed_later() => {
                    let status = self.restore_status(live);
                    Verdict::Act(vec![status.unwrap_or_else(|| self.complete(live))])
                }
                (false, _) => Verdict::Act(vec![self.mend(run, live)]),
            };
        }
        if annotation(live, ANNOTATION_UPDATED) == Some(run.as_str()) {
            return match (same(), written) {
                (true, _) => ready(Origin::Updated),
                (false, None) => Verdict::Act(vec![self.give_updated_back(live)]),
                (false, Some(_)) => Verdict::Act(vec![self.update(run, live)]),
            };
        }
        if planted::is(Bug::ForeignTakenForOurs) {
            return ready(Origin::Created);
        }
        self.foreign(run, deeds, (live, seen, clock))
    }

    /// What is being deleted is waited for until it is gone, unless this recovery made it and it has ended: a Job with a time to live
    /// is deleted in the foreground, and its pods take their time.
    fn going(
        &self,
        run: &RunId,
        deeds: &Deeds,
        (live, seen, clock): (&Value, &Seen, Clock),
    ) -> Verdict {
        let view = self.view(live, &self.told, seen, clock);
        let is_ours = annotation(live, ANNOTATION_RECOVERY) == Some(run.as_str());
        let origin = if deeds.deletes() {
            Origin::Replaced
        } else {
            Origin::Created
        };
        // One that was told to have failed goes, and is made anew.
        let ended = if is_ours && self.goes_by_itself() && !deeds.failed() {
            readiness::job_ended(&view)
        } else {
            None
        };
        verdict(
            live,
            origin,
            ended.unwrap_or_else(|| readiness::deleting(&view)),
        )
    }

    /// True for an account that the cluster has made and that lacks what the point has of it: pods pull their images with its Secrets.
    fn amends(&self, run: &RunId, live: &Value) -> bool {
        let may = match self.existing {
            Existing::Fail | Existing::Skip => self.operated,
            Existing::Update | Existing::Replace => true,
        };
        may && self.target().id().is("", "ServiceAccount")
            && (annotation(live, ANNOTATION_UPDATED) == Some(run.as_str())
                || updated(live, &self.object.to_value()) != *live)
    }

    /// What is not there is created, unless this recovery has and it came to a good end and went.
    fn absent(&self, run: &RunId, deeds: &Deeds) -> Verdict {
        if self.adopt {
            return Verdict::Wait(
                Why::new(
                    "not-made-yet",
                    format!("{} is made by the cluster itself", self.target().id()),
                )
                .taking("kube-controller-manager runs and makes it"),
            );
        }
        match deeds.created() {
            Some(uid) if self.goes_by_itself() && !deeds.failed() => Verdict::Done(
                Outcome::default()
                    .with("uid", uid)
                    .with(Origin::FACT, Origin::Created.as_str())
                    .with("gone", true),
            ),
            Some(_) | None => Verdict::Act(vec![self.create(run)]),
        }
    }

    /// A Job that is removed once it has ended. Gone between two looks, it must not run again.
    fn goes_by_itself(&self) -> bool {
        self.resource.group == "batch"
            && self.resource.kind == "Job"
            && self
                .object
                .pointer("/spec/ttlSecondsAfterFinished")
                .is_some_and(|it| !it.is_null())
    }

    /// What is there and is not ours.
    fn foreign(
        &self,
        run: &RunId,
        deeds: &Deeds,
        (live, seen, clock): (&Value, &Seen, Clock),
    ) -> Verdict {
        let is_namespace = self.target().id().is("", "Namespace");
        // What it told at the source says nothing of another object.
        let kept = |origin| self.wait_ready(run, (live, &told(live)), seen, clock, origin);
        // Nobody else's: the operator was started by this recovery. What the user had in it is in the point.
        let existing = if self.operated || self.adopt {
            Existing::Update
        } else {
            self.existing
        };
        match existing {
            // An empty namespace is no obstacle (`plan` has looked), and what is in it is met object by object.
            Existing::Fail if is_namespace => kept(Origin::Skipped),
            Existing::Fail => Verdict::Stuck(self.in_use(live)),
            Existing::Skip => kept(Origin::Skipped),
            Existing::Update | Existing::Replace if holds_data(&self.resource) => {
                Verdict::Stuck(self.holds_data())
            }
            Existing::Replace if !holds_others(&self.resource) => self.replace(deeds, live),
            Existing::Update | Existing::Replace => {
                if updated(live, &self.object.to_value()) == *live {
                    self.wait_ready(run, (live, &self.told), seen, clock, Origin::Unchanged)
                } else {
                    Verdict::Act(vec![self.update(run, live)])
                }
            }
        }
    }

    /// Deletes what is in the way: once, and just that one.
    fn replace(&self, deeds: &Deeds, live: &Value) -> Verdict {
        let delete = Effect::Delete {
            object: self.target(),
            precondition: Precondition::same_uid(live),
            propagation: propagation(&self.resource),
        };
        if deeds.intended(&delete) || !deeds.deletes() {
            return Verdict::Act(vec![delete]);
        }
        Verdict::Stuck(Problem::stuck(
            "created-again",
            format!(
                "{} was deleted to be replaced, and somebody has created it again",
                self.target().id()
            ),
            "see who makes it (an operator, a GitOps controller) and stop that, or delete it; then run the same command again",
        ))
    }

    fn create(&self, run: &RunId) -> Effect {
        Effect::Create {
            resource: self.resource.clone(),
            object: self.created(run),
            owner: self.owner.clone(),
        }
    }

    fn mend(&self, run: &RunId, live: &Value) -> Effect {
        self.patch(live, self.marked(run))
    }

    /// The content of the point, laid over what was there. The digest comes when each manager has its fields: until then it is not
    /// complete.
    fn update(&self, run: &RunId, live: &Value) -> Effect {
        let wanted = updated(live, &self.object.to_value());
        let mut patch = difference(live, &wanted).unwrap_or_else(|| json!({}));
        patch["metadata"]["annotations"][ANNOTATION_UPDATED] = json!(run.as_str());
        patch["metadata"]["annotations"][ANNOTATION_DIGEST] = Value::Null;
        self.patch(live, patch)
    }

    pub(super) fn patch(&self, live: &Value, patch: Value) -> Effect {
        Effect::Patch {
            object: self.target(),
            patch: Patch::Merge(patch),
            precondition: Precondition::as_read(live),
            subresource: None,
        }
    }

    fn view<'a>(
        &'a self,
        live: &'a Value,
        told: &'a Told,
        seen: &'a Seen,
        clock: Clock,
    ) -> View<'a> {
        View {
            resource: &self.resource,
            live,
            told,
            seen,
            clock,
            duty: self.duty.as_deref(),
        }
    }

    /// It is there: what belongs to it is linked at once, because an operator may refuse what is not its own, and then it is
    /// waited for.
    fn wait_ready(
        &self,
        run: &RunId,
        (live, told): (&Value, &Told),
        seen: &Seen,
        clock: Clock,
        origin: Origin,
    ) -> Verdict {
        let unlinked = match belongings(&self.owns, run, live, seen) {
            Ok(unlinked) => unlinked,
            Err(verdict) => return verdict,
        };
        match self.readiness((live, told), seen, clock, origin) {
            Verdict::Done(outcome) if !unlinked.is_empty() => {
                Verdict::Done(outcome.with(Linking::FACT, unlinked))
            }
            verdict => verdict,
        }
    }

    fn readiness(
        &self,
        (live, told): (&Value, &Told),
        seen: &Seen,
        clock: Clock,
        origin: Origin,
    ) -> Verdict {
        if readiness::is_done_once(&self.resource) {
            return Verdict::Done(written(live, origin));
        }
        let view = self.view(live, told, seen, clock);
        let more = readiness::look(&view);
        if !more.is_empty() {
            return Verdict::Look(more);
        }
        let gate = match readiness::assess(&view) {
            Gate::Open if self.says_status(live) => Gate::Assumed(Why::new(
                "status-restored",
                "it says so in the status that was restored, and its operator may not have looked at it yet",
            )),
            gate => gate,
        };
        verdict(live, origin, gate)
    }
}

fn annotation<'a>(live: &'a Value, key: &str) -> Option<&'a str> {
    live.pointer("/metadata/annotations")?.get(key)?.as_str()
}

fn verdict(live: &Value, origin: Origin, gate: Gate) -> Verdict {
    match gate {
        Gate::Open => Verdict::Done(written(live, origin)),
        Gate::Assumed(why) => Verdict::Done(
            written(live, origin)
                .with("assumed", why.code)
                .with("assumedBecause", why.message),
        ),
        Gate::Closed(why) => Verdict::Wait(why),
        Gate::Failed(problem) => Verdict::Stuck(problem),
    }
}

fn written(live: &Value, origin: Origin) -> Outcome {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    let mut outcome = Outcome::default().with(Origin::FACT, origin.as_str());
    if origin == Origin::Skipped {
        outcome = outcome.with("skipped", true);
    }
    if let Some(uid) = text("/metadata/uid") {
        outcome = outcome.with("uid", uid);
    }
    if let Some(created) = text("/metadata/creationTimestamp") {
        outcome = outcome.with("created", created);
    }
    outcome
}
