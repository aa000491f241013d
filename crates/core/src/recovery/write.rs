//! Writes one recovered object: created under the manager that owned it, told apart from what was there before, and
//! waited for until it is ready.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::driver::{
    Effect, FieldOwner, ObjectRef, Outcome, Patch, Precondition, Problem, Query, Seen, Verdict, Why,
};
use crate::inventory::Resource;
use crate::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY, FIELD_MANAGER, RunId};
use crate::planted::{self, Bug};
use crate::readiness::{self, Clock, Gate, Told, View};

use super::owners::{Owner, owners};

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
    /// Entries of `metadata.managedFields` to give back, when several managers owned fields of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<Value>,
    /// What to do when it is there already.
    pub existing: Existing,
    /// Made by the cluster itself (`default` ServiceAccount, `kube-root-ca.crt`): whatever is there is taken as it is.
    pub adopt: bool,
    /// What it told at its source.
    #[serde(default)]
    pub told: Told,
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
    pub fn decide(&self, run: &RunId, seen: &Seen, clock: Clock) -> Verdict {
        let live = match seen.object(&self.target()) {
            Err(problem) => return problem.into(),
            Ok(None) if self.adopt => {
                return Verdict::Wait(
                    Why::new(
                        "not-made-yet",
                        format!("{} is made by the cluster itself", self.target().id()),
                    )
                    .taking("kube-controller-manager runs and makes it"),
                );
            }
            Ok(None) => return Verdict::Act(vec![self.create(run)]),
            Ok(Some(live)) => live,
        };
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return verdict(live, readiness::deleting(&self.view(live, seen, clock)));
        }
        if self.adopt {
            return self.wait_ready(live, seen, clock);
        }
        let annotation = |key: &str| {
            live.pointer("/metadata/annotations")
                .and_then(|all| all.get(key))
                .and_then(Value::as_str)
        };
        let ours = annotation(ANNOTATION_RECOVERY) == Some(run.as_str());
        let written = annotation(ANNOTATION_DIGEST);
        let same = written == Some(digest(&self.object).as_str());
        match (ours, same) {
            (true, true) => self.wait_ready(live, seen, clock),
            // Created by this recovery, and its managers are not given back yet.
            (true, false) if written.is_none() && !self.managers.is_empty() => {
                Verdict::Act(vec![self.give_back_owners(live)])
            }
            (true, false) => Verdict::Act(vec![self.update(run, live)]),
            (false, _) if planted::is(Bug::ForeignTakenForOurs) => {
                self.wait_ready(live, seen, clock)
            }
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

    /// The object with its provenance. With several managers the digest comes when they are given back: until then the object
    /// is not complete.
    fn created(&self, run: &RunId) -> Value {
        let mut object = self.marked(run);
        if !self.managers.is_empty()
            && let Some(annotations) = object
                .pointer_mut("/metadata/annotations")
                .and_then(Value::as_object_mut)
        {
            annotations.remove(ANNOTATION_DIGEST);
        }
        object
    }

    /// One patch of what was created under one name: every manager has its fields again, the provenance is Refloat's, and the
    /// digest says that it is done. The server takes `managedFields` from a patch and ignores them in a POST (seen on 1.34). Who has
    /// written since the creation keeps what it wrote: only the creator's entry is replaced.
    fn give_back_owners(&self, live: &Value) -> Effect {
        let creator = Owner {
            manager: &self.owner.manager,
            operation: if self.owner.apply { "Apply" } else { "Update" },
            subresource: "",
        };
        let since: Vec<(Owner<'_>, &Value)> = owners(live)
            .filter(|(owner, _)| *owner != creator && owner.manager != FIELD_MANAGER)
            .collect();
        let before = self
            .managers
            .iter()
            .filter_map(|entry| Some((Owner::of(entry)?, entry)))
            .filter(|(owner, _)| since.iter().all(|(other, _)| other != owner));
        let mut entries: Vec<Value> = before
            .chain(since.iter().copied())
            .map(|(_, entry)| entry.clone())
            .collect();
        entries.push(json!({
            "manager": FIELD_MANAGER,
            "operation": "Update",
            "apiVersion": self.resource.api_version(),
            "fieldsType": "FieldsV1",
            "fieldsV1": { "f:metadata": { "f:annotations": {
                format!("f:{ANNOTATION_RECOVERY}"): {},
                format!("f:{ANNOTATION_DIGEST}"): {},
            } } },
        }));
        Effect::Patch {
            object: self.target(),
            patch: Patch::Merge(json!({ "metadata": {
                "annotations": { ANNOTATION_DIGEST: digest(&self.object) },
                "managedFields": entries,
            } })),
            precondition: Precondition::as_read(live),
            subresource: None,
        }
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
            object: self.created(run),
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

    fn view<'a>(&'a self, live: &'a Value, seen: &'a Seen, clock: Clock) -> View<'a> {
        View {
            resource: &self.resource,
            live,
            told: &self.told,
            seen,
            clock,
        }
    }

    fn wait_ready(&self, live: &Value, seen: &Seen, clock: Clock) -> Verdict {
        if readiness::is_done_once(&self.resource) {
            return Verdict::Done(written(live));
        }
        let view = self.view(live, seen, clock);
        let more = readiness::look(&view);
        if more.is_empty() {
            verdict(live, readiness::assess(&view))
        } else {
            Verdict::Look(more)
        }
    }
}

fn verdict(live: &Value, gate: Gate) -> Verdict {
    match gate {
        Gate::Open => Verdict::Done(written(live)),
        Gate::Assumed(why) => Verdict::Done(
            written(live)
                .with("assumed", why.code)
                .with("assumedBecause", why.message),
        ),
        Gate::Closed(why) => Verdict::Wait(why),
        Gate::Failed(problem) => Verdict::Stuck(problem),
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
