//! Takes one object away again that a recovery created: that very one and no other, and nothing of what others have put into it.
//!
//! Which ones, and in which order, is `plan::rollback`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::existing::propagation;
use super::retaining::{Data, put_back, retain, volume_of};
use crate::driver::{
    Effect, ListRequest, ObjectRef, Outcome, Precondition, Problem, Query, Seen, Verdict, Why,
};
use crate::inventory::{Resource, ResourceNames, Thing};
use crate::json::Json;
use crate::names::{ANNOTATION_RECOVERY, RunId};
use crate::planted::{self, Bug};
use crate::readiness::{self, Clock, Gate, Told, View};

/// So long the cluster may take to collect what has lost its owner; what is there then is taken for somebody's.
const COLLECTED_WITHIN: Duration = Duration::from_mins(2);
/// So many are named.
const NAMED_MAX: usize = 5;

/// One object to remove.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Removing {
    /// Which.
    pub object: ObjectRef,
    /// Which one of that name.
    pub uid: String,
    /// The recovery that created it.
    pub recovery: RunId,
    /// Of a claim: the volume that it had when this was planned, which stays with its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps: Option<ObjectRef>,
    /// Of a claim: what becomes of the volume that it has by now. Plans of earlier versions name a volume that stays, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// What may be in it, or mount it: lists that must be empty but for what goes by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<ListRequest>,
}

/// What is in something that is to be removed.
#[derive(Debug, Default)]
struct Inside {
    /// Somebody's.
    foreign: BTreeSet<String>,
    /// Being deleted, or without its owner and soon collected.
    going: BTreeSet<String>,
}

impl Removing {
    /// Reads the object, and the volume that is to stay.
    pub fn look(&self) -> Vec<Query> {
        let objects = [Some(&self.object), self.keeps.as_ref()];
        let objects = objects.into_iter().flatten().cloned();
        objects.map(Query::Object).collect()
    }

    /// Removes it and waits until it is gone, or leaves it and says why.
    pub fn decide(&self, seen: &Seen, clock: Clock) -> Verdict {
        self.try_decide(seen, clock).unwrap_or_else(Verdict::from)
    }

    fn try_decide(&self, seen: &Seen, clock: Clock) -> Result<Verdict, Problem> {
        let Some(live) = seen.object(&self.object)? else {
            let outcome = Outcome::default().with("removed", true);
            return Ok(Verdict::Done(match &self.keeps {
                Some(volume) => outcome.with("kept", volume.name.as_str()),
                None => outcome,
            }));
        };
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
        if text("/metadata/uid") != Some(self.uid.as_str()) {
            return Ok(left("somebody has created it again"));
        }
        if text("/metadata/deletionTimestamp").is_some() {
            return Ok(self.going(live, seen, clock));
        }
        let annotations = live.pointer("/metadata/annotations");
        let mark = annotations.and_then(|all| all.get(ANNOTATION_RECOVERY)?.as_str());
        if mark != Some(self.recovery.as_str()) {
            return Ok(left("it no longer says that this recovery made it"));
        }
        if let Some(verdict) = self.held(seen, clock)? {
            return Ok(verdict);
        }
        if let Some(verdict) = self.volume_first(live, seen)? {
            return Ok(verdict);
        }
        let precondition = match self.data() {
            // One that is bound meanwhile is looked at once more.
            Some(Data::Keep) => Precondition::as_read(live),
            Some(Data::Remove) | None => Precondition::same_uid(live),
        };
        Ok(Verdict::Act(vec![Effect::Delete {
            object: self.object.clone(),
            precondition,
            propagation: propagation(&self.object.resource),
        }]))
    }

    /// What is in it, or mounts it, and does not go by itself: then it stays, or waits.
    fn held(&self, seen: &Seen, clock: Clock) -> Result<Option<Verdict>, Problem> {
        let unread: Vec<Query> = self.inside.iter().cloned().map(Query::List).collect();
        let unread: Vec<Query> = unread.into_iter().filter(|one| !seen.has(one)).collect();
        if !unread.is_empty() {
            return Ok(Some(Verdict::Look(unread)));
        }
        let mut inside = self.inside(seen)?;
        if clock.waited > COLLECTED_WITHIN {
            inside.foreign.append(&mut inside.going);
        }
        if !inside.foreign.is_empty() && !planted::is(Bug::RollbackTakesOthers) {
            let how = if self.is_claim() {
                "is mounted by"
            } else {
                "holds"
            };
            return Ok(Some(left(&format!(
                "it {how} what is not this recovery's: {}",
                names(&inside.foreign)
            ))));
        }
        if inside.going.is_empty() {
            return Ok(None);
        }
        let why = format!(
            "{}: {} {} still has to go",
            self.object.id(),
            names(&inside.going),
            if self.is_claim() {
                "that mounts it"
            } else {
                "in it"
            },
        );
        Ok(Some(Verdict::Wait(
            Why::new("contents-going", why).taking("the cluster collects it"),
        )))
    }

    /// Of a claim: its volume is told to stay, or gets the policy back by which it goes.
    fn volume_first(&self, live: &Value, seen: &Seen) -> Result<Option<Verdict>, Problem> {
        let named = volume_of(live).filter(|_| self.is_claim());
        let volume = named.or_else(|| self.keeps.clone());
        let (Some(data), Some(volume)) = (self.data(), volume) else {
            return Ok(None);
        };
        let query = Query::Object(volume.clone());
        if !seen.has(&query) {
            return Ok(Some(Verdict::Look(vec![query])));
        }
        let patch = match data {
            Data::Keep => retain(&volume, &self.uid, &self.recovery, seen)?,
            Data::Remove => put_back(&volume, &self.uid, seen)?,
        };
        Ok(patch.map(|patch| Verdict::Act(vec![patch])))
    }

    /// What becomes of the data; of a claim without a volume a plan of an earlier version does not say.
    fn data(&self) -> Option<Data> {
        self.data.or(self.keeps.as_ref().map(|_| Data::Keep))
    }

    fn is_claim(&self) -> bool {
        self.object.id().is("", "PersistentVolumeClaim")
    }

    fn going(&self, live: &Value, seen: &Seen, clock: Clock) -> Verdict {
        let view = View {
            resource: &self.object.resource,
            live,
            told: &Told::default(),
            seen,
            clock,
            duty: None,
        };
        match readiness::deleting(&view) {
            Gate::Open | Gate::Assumed(_) => {
                Verdict::Done(Outcome::default().with("removed", true))
            }
            Gate::Closed(why) => Verdict::Wait(why),
            Gate::Failed(problem) => Verdict::Stuck(problem),
        }
    }

    fn inside(&self, seen: &Seen) -> Result<Inside, Problem> {
        let mut all: Vec<Thing> = Vec::new();
        for request in &self.inside {
            match seen.list(request) {
                Ok(found) => {
                    let resource = &request.resource;
                    all.extend(
                        found
                            .iter()
                            .filter_map(|one| Thing::new(resource.clone(), one.clone())),
                    );
                }
                // What cannot be listed at all holds nothing.
                Err(problem) if is_no_list(&problem) => {}
                Err(problem) => return Err(problem),
            }
        }
        let there: BTreeSet<&str> = all.iter().map(Thing::uid).collect();
        let mut inside = Inside::default();
        for thing in &all {
            let id = thing.id();
            let owners = thing.list("/metadata/ownerReferences");
            let owned = |owner: &Json| {
                let uid = owner.get("uid").and_then(Json::as_str);
                uid.is_some_and(|uid| there.contains(uid))
            };
            if crate::plan::is_made_by_cluster(&id) || owners.iter().any(owned) {
                continue;
            }
            if self.is_claim() && !keeps_mounted(thing, &self.object.name) {
                continue;
            }
            let goes = !owners.is_empty() || thing.text("/metadata/deletionTimestamp").is_some();
            let place = if goes {
                &mut inside.going
            } else {
                &mut inside.foreign
            };
            place.insert(id.to_string());
        }
        Ok(inside)
    }
}

/// A pod that runs on and mounts this claim: deleted, the claim would only be gone once the pod is.
fn keeps_mounted(pod: &Thing, claim: &str) -> bool {
    let ends = pod.text("/metadata/deletionTimestamp").is_some()
        || matches!(pod.text("/status/phase"), Some("Succeeded" | "Failed"));
    let mut volumes = pod.list("/spec/volumes").iter();
    !ends
        && volumes.any(|volume| {
            let named = volume.get("persistentVolumeClaim");
            named.and_then(|named| named.get("claimName")?.as_str()) == Some(claim)
        })
}

fn is_no_list(problem: &Problem) -> bool {
    matches!(
        problem.code.as_str(),
        "kind-not-served" | "invalid" | "not-found"
    )
}

fn left(why: &str) -> Verdict {
    Verdict::Done(Outcome::default().with("left", why))
}

fn names(all: &BTreeSet<String>) -> String {
    let some: Vec<&str> = all.iter().take(NAMED_MAX).map(String::as_str).collect();
    match all.len().saturating_sub(NAMED_MAX) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// Kinds that say nothing about whether a namespace is used: they come and go with others, or cannot be listed.
const NOBODYS: &[(&str, &str)] = &[
    ("", "Event"),
    ("events.k8s.io", "Event"),
    ("", "Endpoints"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("coordination.k8s.io", "Lease"),
    ("apps", "ControllerRevision"),
    ("metrics.k8s.io", "PodMetrics"),
    ("", "Binding"),
    ("authorization.k8s.io", "LocalSubjectAccessReview"),
    // Computed from what is elsewhere, or other words for what is there.
    ("packages.operators.coreos.com", "PackageManifest"),
    ("authorization.openshift.io", "Role"),
    ("authorization.openshift.io", "RoleBinding"),
];

/// The lists that say what is in a namespace, which objects a definition has, or who may mount a claim; none for anything else.
pub(crate) fn contents(live: &Thing, served: &[Resource]) -> Vec<ListRequest> {
    let list = |resource: Resource, namespace: Option<String>| ListRequest {
        resource,
        namespace,
        labels: BTreeMap::new(),
    };
    let id = live.id();
    if id.is("", "Namespace") {
        let kinds = served.iter().filter(|kind| {
            kind.namespaced && !NOBODYS.contains(&(kind.group.as_str(), kind.kind.as_str()))
        });
        return kinds
            .map(|kind| list(kind.clone(), Some(id.name.clone())))
            .collect();
    }
    if id.is("", "PersistentVolumeClaim") {
        let pods = Resource::namespaced("v1", "Pod", "pods");
        return vec![list(pods, id.namespace.clone())];
    }
    if !id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return Vec::new();
    }
    let text = |pointer: &str| live.text(pointer).unwrap_or_default().to_owned();
    let version = live.list("/spec/versions").iter().find_map(|one| {
        let is_served = one.get("served").and_then(Json::as_bool) == Some(true);
        is_served
            .then(|| one.get("name")?.as_str().map(str::to_owned))
            .flatten()
    });
    let resource = Resource::from(ResourceNames {
        group: text("/spec/group"),
        version: version.unwrap_or_default(),
        kind: text("/spec/names/kind"),
        plural: text("/spec/names/plural"),
        namespaced: live.text("/spec/scope") == Some("Namespaced"),
    });
    vec![list(resource, None)]
}
