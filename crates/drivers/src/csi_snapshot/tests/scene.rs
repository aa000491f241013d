//! What a cluster holds, and the driver's decision on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::{
    Answer, Claim, Driver, Effect, Op, Outcome, Problem, Query, Role, Seen, Task, Verdict,
};
use refloat_core::inventory::ThingId;
use refloat_core::names::{LABEL_RUN, RunId, part_object_name};
use serde_json::{Value, json};

use crate::csi_snapshot::CsiSnapshot;

pub(super) const DRIVER: &str = "btrfs.csi.refloat.io";
pub(super) const START: &str = "2026-01-01T00:00:00Z";

pub(super) fn run() -> RunId {
    RunId::new("run-1").unwrap()
}

/// Name of all objects of ours.
pub(super) fn own() -> String {
    part_object_name(&run(), "shop/data-db-0")
}

/// Name of the content that our snapshot makes.
pub(super) fn own_content() -> String {
    format!("snapcontent-uid of {}", own())
}

/// Objects by kind, namespace and name.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) objects: BTreeMap<(String, String, String), Value>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) inputs: BTreeMap<String, Value>,
    pub(super) prior: BTreeMap<String, Outcome>,
    pub(super) now: Timestamp,
}

impl Scene {
    pub(super) fn empty() -> Self {
        let settings = [("csi_driver", DRIVER), ("atomic", "true")];
        Self {
            objects: BTreeMap::new(),
            settings: settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            inputs: BTreeMap::new(),
            prior: BTreeMap::new(),
            now: START.parse().unwrap(),
        }
    }

    /// Adds an object; namespace `""` for those of the cluster.
    pub(super) fn with(mut self, kind: &str, place: (&str, &str), body: &Value) -> Self {
        let (namespace, name) = place;
        let mut object = json!({ "kind": kind, "metadata": {
            "name": name, "uid": format!("uid of {name}"), "resourceVersion": "9",
            "creationTimestamp": START,
        } });
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = json!(namespace);
        }
        for (key, value) in body.as_object().into_iter().flatten() {
            if key == "metadata" {
                for (key, value) in value.as_object().into_iter().flatten() {
                    object["metadata"][key] = value.clone();
                }
            } else {
                object[key] = value.clone();
            }
        }
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        self.objects.insert(key, object);
        self
    }

    /// Adds an object of ours in the system namespace.
    pub(super) fn with_own(self, kind: &str, body: &Value) -> Self {
        let namespace = if kind == "VolumeSnapshotContent" {
            ""
        } else {
            "refloat-system"
        };
        let mut body = body.clone();
        body["metadata"]["labels"] = json!({ LABEL_RUN: "run-1" });
        self.with(kind, (namespace, &own()), &body)
    }

    fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::Object(object) => {
                let key = (
                    object.resource.kind.clone(),
                    object.namespace.clone().unwrap_or_default(),
                    object.name.clone(),
                );
                Answer::Object(self.objects.get(&key).cloned())
            }
            Query::List(request) => Answer::List(
                self.objects
                    .iter()
                    .filter(|((kind, _, _), _)| *kind == request.resource.kind)
                    .map(|(_, object)| object.clone())
                    .collect(),
            ),
            Query::Exec(_) | Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => {
                panic!("it asks for {query:?}")
            }
        }
    }

    pub(super) fn decide(&self, op: Op) -> Verdict {
        let claim = Claim {
            driver: "csi-snapshot".to_owned(),
            role: Role::Volume,
            thing: ThingId::namespaced("", "PersistentVolumeClaim", "shop", "data-db-0"),
            volumes: Vec::new(),
            settings: self.settings.clone(),
            notes: Vec::new(),
        };
        let run = run();
        let task = Task {
            op,
            run: &run,
            step: "step",
            claim: &claim,
            inputs: &self.inputs,
            prior: &self.prior,
            ran: None,
        };
        let mut seen = Seen::default();
        for query in CsiSnapshot.look(&task) {
            let answer = self.answer(&query);
            seen.insert(query, answer);
        }
        loop {
            match CsiSnapshot.decide(&task, &seen, self.now) {
                Verdict::Look(queries) => {
                    for query in queries {
                        let answer = self.answer(&query);
                        assert!(!seen.has(&query), "it asks twice for {query:?}");
                        seen.insert(query, answer);
                    }
                }
                verdict => return verdict,
            }
        }
    }

    pub(super) fn effects(&self, op: Op) -> Vec<Effect> {
        match self.decide(op) {
            Verdict::Act(effects) => effects,
            other => panic!("it does not act: {other:?}"),
        }
    }

    pub(super) fn problem(&self, op: Op) -> Problem {
        match self.decide(op) {
            Verdict::Stuck(problem) => problem,
            other => panic!("not stuck: {other:?}"),
        }
    }

    /// The decision in one line: what is done, or the code of why nothing is.
    pub(super) fn told(&self, op: Op) -> String {
        match self.decide(op) {
            Verdict::Act(effects) => {
                let lines: Vec<String> = effects.iter().map(Effect::describe).collect();
                lines.join(", ").replace(&own(), "OWN")
            }
            Verdict::Wait(why) => format!("waits: {}", why.code),
            Verdict::Done(_) => "done".to_owned(),
            Verdict::Stuck(problem) => format!("stuck: {}", problem.code),
            Verdict::Look(_) => "looks".to_owned(),
        }
    }
}
