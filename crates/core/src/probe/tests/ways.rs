//! Which way a probe goes, from the first look to a pod that is gone.

mod chosen;
mod pods;
mod tries;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::driver::{
    Answer, Effect, ExecAnswer, LOOK_ROUNDS_MAX, Outcome, Problem, Query, Seen, Verdict, Why,
};
use crate::names::RunId;
use crate::probe::*;

/// A cluster in one namespace, and what its containers answer.
pub(super) struct Scene {
    pub(super) probe: Probe,
    pub(super) service: Option<Value>,
    pub(super) pods: Vec<Value>,
    pub(super) client: Option<ExecAnswer>,
    pub(super) probe_pod: Option<Value>,
    pub(super) policies: Vec<Value>,
    pub(super) ran: Option<Outcome>,
    pub(super) attempt: u32,
    pub(super) now: Timestamp,
}

impl Scene {
    pub(super) fn new(probe: Probe) -> Self {
        Self {
            probe,
            service: Some(json!({
                "metadata": { "name": "db", "namespace": "shop" },
                "spec": { "selector": { "app": "db" }, "ports": [{ "port": 80, "targetPort": "main" }] },
            })),
            pods: vec![pod("db-0", "docker.io/library/postgres:17")],
            client: None,
            probe_pod: None,
            policies: Vec::new(),
            ran: None,
            attempt: 0,
            now: Timestamp::from_second(1_800_000_000).expect("a time"),
        }
    }

    pub(super) fn with_client(probe: Probe, answer: ExecAnswer) -> Self {
        Self {
            client: Some(answer),
            ..Self::new(probe)
        }
    }

    fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::Object(object) => Answer::Object(match object.resource.kind.as_str() {
                "Service" => self.service.clone().filter(|_| object.name == "db"),
                "Pod" => self.probe_pod.clone(),
                "Namespace" => Some(json!({
                    "metadata": { "name": object.name, "labels": { "name": object.name } },
                })),
                other => panic!("{other}"),
            }),
            Query::List(list) => Answer::List(match list.resource.kind.as_str() {
                "Pod" => self.pods.clone(),
                "NetworkPolicy" => {
                    let here = |policy: &&Value| {
                        policy
                            .pointer("/metadata/namespace")
                            .and_then(Value::as_str)
                            == list.namespace.as_deref()
                    };
                    self.policies.iter().filter(here).cloned().collect()
                }
                other => panic!("{other}"),
            }),
            Query::Exec(_) => match &self.client {
                Some(answer) => Answer::Exec(answer.clone()),
                None => Answer::Refused(Problem::stuck("command-not-started", "no shell", "none")),
            },
            Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => {
                panic!("{query:?} is asked for")
            }
        }
    }

    fn act(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Create { object, .. } => {
                    assert!(self.probe_pod.is_none(), "a second probe pod");
                    let mut object = object.clone();
                    object["metadata"]["uid"] = json!("u1");
                    self.probe_pod = Some(object);
                }
                Effect::Delete { precondition, .. } => {
                    assert_eq!(precondition.uid.as_deref(), Some("u1"));
                    self.probe_pod = None;
                }
                Effect::Keep(outcome) => {
                    assert!(self.probe_pod.is_none(), "kept before the pod was gone");
                    self.ran = Some(outcome.clone());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn ends(&mut self, message: &str) {
        let pod = self.probe_pod.as_mut().expect("a probe pod");
        pod["status"] = json!({ "phase": "Succeeded", "podIP": "10.9.0.7", "containerStatuses": [
            { "name": "sidecar", "state": { "running": {} } },
            { "name": "probe", "state": { "terminated": { "message": message, "reason": "Completed" } } },
        ] });
    }

    fn answers(&mut self, answer: &ProbeAnswer) {
        self.ends(&serde_json::to_string(answer).expect("plain data"));
    }

    fn acts(&mut self) -> Vec<Effect> {
        match decided(self) {
            Verdict::Act(effects) => {
                self.act(&effects);
                effects
            }
            other => panic!("{other:?}"),
        }
    }

    fn waits(&self) -> Why {
        match decided(self) {
            Verdict::Wait(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// One whole try by a pod.
    fn hears(&mut self, answer: &ProbeAnswer) {
        assert!(matches!(self.acts().as_slice(), [Effect::Create { .. }]));
        self.answers(answer);
        assert_eq!(self.acts().len(), 2);
    }
}

pub(super) fn pod(name: &str, image: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": "db" } },
        "spec": { "containers": [{ "name": "main", "image": image, "ports": [{ "name": "main", "containerPort": 5432 }] }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "main", "state": { "running": {} } }],
        },
    })
}

/// The verdict after as many looks as one turn has.
pub(super) fn decided(scene: &Scene) -> Verdict {
    let run = RunId::new("recovery-1").expect("a name");
    let task = ProbeTask {
        run: &run,
        step: "gate web",
        attempt: scene.attempt,
        namespace: "shop",
        probe: &scene.probe,
        image: "refloat:1",
        ran: scene.ran.as_ref(),
    };
    let mut seen = Seen::default();
    let mut queries = look(&task);
    for _ in 0..=LOOK_ROUNDS_MAX {
        for query in queries {
            let answer = scene.answer(&query);
            seen.insert(query, answer);
        }
        match decide(&task, &seen, scene.now) {
            Verdict::Look(more) => queries = more,
            verdict => return verdict,
        }
    }
    panic!("it never stops looking")
}

fn tcp() -> Scene {
    Scene::new(Probe::new("db", Some(80), Ask::Tcp))
}

fn no(cause: Cause) -> ProbeAnswer {
    ProbeAnswer::no(cause, "said so", 7)
}
