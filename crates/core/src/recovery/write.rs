//! Writes one recovered object: created under the manager that owned it, told apart from what was there before, and
//! waited for until it is ready.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::driver::{
    Effect, FieldOwner, ObjectRef, Outcome, Patch, Precondition, Problem, Query, Seen, Verdict, Why,
};
use crate::inventory::{Resource, Thing};
use crate::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY, RunId};
use crate::planted::{self, Bug};
use crate::readiness::{self, Gate};

/// What to do with an object that is there already and is not this recovery's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// Stop and say so.
    #[default]
    Fail,
    /// Leave it as it is and go on.
    Skip,
}

/// One object to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Writing {
    /// Its kind, as the target serves it.
    pub resource: Resource,
    /// The cleaned object, without provenance.
    pub object: Value,
    /// Under whose name.
    pub owner: FieldOwner,
    /// What to do when it is there already.
    pub existing: Existing,
    /// Made by the cluster itself (`default` ServiceAccount, `kube-root-ca.crt`): whatever is there is taken as it is.
    pub adopt: bool,
}

/// Digest of an object's content: hex SHA-256 of its JSON with sorted keys.
pub fn digest(object: &Value) -> String {
    hex::encode(Sha256::digest(object.to_string().as_bytes()))
}

impl Writing {
    /// Where the object goes.
    pub fn target(&self) -> ObjectRef {
        let text = |pointer: &str| self.object.pointer(pointer).and_then(Value::as_str);
        ObjectRef {
            resource: self.resource.clone(),
            namespace: text("/metadata/namespace").map(str::to_owned),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
        }
    }

    /// Reads the object.
    pub fn look(&self) -> Vec<Query> {
        vec![Query::Object(self.target())]
    }

    /// Creates, adopts, updates or refuses, then waits until it is ready.
    pub fn decide(&self, run: &RunId, seen: &Seen) -> Verdict {
        let live = match seen.object(&self.target()) {
            Err(problem) => return problem.into(),
            Ok(None) if self.adopt => {
                return Verdict::Wait(Why::new(
                    "not-made-yet",
                    format!("{} is made by the cluster itself", self.target().id()),
                ));
            }
            Ok(None) => return Verdict::Act(vec![self.create(run)]),
            Ok(Some(live)) => live,
        };
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return Verdict::Wait(Why::new(
                "being-deleted",
                format!("{} is being deleted", self.target().id()),
            ));
        }
        if self.adopt {
            return self.wait_ready(live, seen);
        }
        let annotation = |key: &str| {
            live.pointer("/metadata/annotations")
                .and_then(|all| all.get(key))
                .and_then(Value::as_str)
        };
        let ours = annotation(ANNOTATION_RECOVERY) == Some(run.as_str());
        let same = annotation(ANNOTATION_DIGEST) == Some(digest(&self.object).as_str());
        match (ours, same) {
            (true, true) => self.wait_ready(live, seen),
            (true, false) => Verdict::Act(vec![self.update(run, live)]),
            (false, _) if planted::is(Bug::ForeignTakenForOurs) => self.wait_ready(live, seen),
            (false, _) => match self.existing {
                Existing::Skip => Verdict::Done(Outcome::default().with("skipped", true)),
                Existing::Fail => Verdict::Stuck(self.in_use(live)),
            },
        }
    }

    fn in_use(&self, live: &Value) -> Problem {
        let created = live
            .pointer("/metadata/creationTimestamp")
            .and_then(Value::as_str)
            .unwrap_or("an unknown time");
        Problem::stuck(
            "already-exists",
            format!(
                "{} is already there (since {created}) and was not written by this recovery",
                self.target().id()
            ),
            "remove it, or recover with `--existing skip` to keep what is there",
        )
    }

    fn marked(&self, run: &RunId) -> Value {
        let mut object = self.object.clone();
        let digest = digest(&self.object);
        if let Some(metadata) = object
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
        {
            let annotations = metadata
                .entry("annotations")
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(ANNOTATION_RECOVERY.to_owned(), json!(run.as_str()));
                annotations.insert(ANNOTATION_DIGEST.to_owned(), json!(digest));
            }
        }
        object
    }

    fn create(&self, run: &RunId) -> Effect {
        Effect::Create {
            resource: self.resource.clone(),
            object: self.marked(run),
            owner: self.owner.clone(),
        }
    }

    fn update(&self, run: &RunId, live: &Value) -> Effect {
        Effect::Patch {
            object: self.target(),
            patch: Patch::Merge(self.marked(run)),
            precondition: Precondition::as_read(live),
            subresource: None,
        }
    }

    fn wait_ready(&self, live: &Value, seen: &Seen) -> Verdict {
        let more: Vec<Query> = readiness::look(&self.resource, live)
            .into_iter()
            .filter(|query| !seen.has(query))
            .collect();
        if !more.is_empty() {
            return Verdict::Look(more);
        }
        match readiness::assess(&self.resource, live, seen) {
            Gate::Open => Verdict::Done(written(live)),
            Gate::Closed(why) => Verdict::Wait(why),
            Gate::Failed(problem) => Verdict::Stuck(problem),
        }
    }
}

fn written(live: &Value) -> Outcome {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    let mut outcome = Outcome::default();
    if let Some(uid) = text("/metadata/uid") {
        outcome = outcome.with("uid", uid);
    }
    if let Some(created) = text("/metadata/creationTimestamp") {
        outcome = outcome.with("created", created);
    }
    outcome
}

/// The manager that owns most of an object's fields, with its operation; Refloat itself when nobody is recorded.
pub fn owner_of(thing: &Thing) -> FieldOwner {
    thing
        .list("/metadata/managedFields")
        .iter()
        .filter(|entry| {
            entry
                .get("subresource")
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
        })
        .filter_map(|entry| {
            let manager = entry.get("manager")?.as_str()?.to_owned();
            let apply = entry.get("operation")?.as_str()? == "Apply";
            let size = entry.get("fieldsV1")?.to_string().len();
            let time: Option<Timestamp> = entry.get("time")?.as_str()?.parse().ok();
            Some((size, time, FieldOwner { manager, apply }))
        })
        .max_by_key(|(size, time, _)| (*size, *time))
        .map_or_else(FieldOwner::refloat, |(_, _, owner)| owner)
}
