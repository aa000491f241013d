//! What a look at the target tells beside its inventory: each check told, not told, and asked about nonsense.

mod classes;
mod named;
mod namespaces;
mod nodes;
mod quotas;
mod server;
mod storage;
mod together;

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::fixture::{Case, case, thing, workload};
use crate::driver::Problem;
use crate::inventory::{Thing, ThingId};
use crate::json::Json;
use crate::plan::{self, Findings, Preflight, Rehearsals, Rehearsed};
use crate::recovery::Existing;

/// Facts, with what the API server said to writes that it was to try.
#[derive(Default)]
pub(super) struct Facts {
    of_target: plan::Facts,
    pub(super) rehearsed: Vec<Rehearsed>,
}

impl Deref for Facts {
    type Target = plan::Facts;

    fn deref(&self) -> &plan::Facts {
        &self.of_target
    }
}

impl DerefMut for Facts {
    fn deref_mut(&mut self) -> &mut plan::Facts {
        &mut self.of_target
    }
}

pub(super) fn judged(change: impl FnOnce(&mut Case, &mut Facts)) -> Findings {
    let mut case = case();
    let mut facts = Facts::default();
    change(&mut case, &mut facts);
    case.judge(&facts)
}

impl Case {
    pub(super) fn preflight(&self) -> Preflight<'_> {
        Preflight::of(&self.point, &self.objects, &self.target, &self.goal)
    }

    pub(super) fn rehearsals(&self, objects_max: usize) -> Rehearsals {
        self.preflight().survey().rehearsals(objects_max)
    }

    pub(super) fn judge(&self, facts: &Facts) -> Findings {
        let judging = self.preflight().survey().judge(facts);
        judging.answered(&facts.rehearsed)
    }
}

fn codes(all: &[Problem]) -> Vec<&str> {
    all.iter().map(|one| one.code.as_str()).collect()
}

/// The one problem.
pub(super) fn problem(findings: &Findings, code: &str) -> String {
    assert_eq!(codes(&findings.problems), [code], "{findings:#?}");
    assert_eq!(codes(&findings.warnings), [""; 0], "{findings:#?}");
    told(&findings.problems[0])
}

/// The one warning.
pub(super) fn warning(findings: &Findings, code: &str) -> String {
    assert_eq!(codes(&findings.warnings), [code], "{findings:#?}");
    assert_eq!(codes(&findings.problems), [""; 0], "{findings:#?}");
    told(&findings.warnings[0])
}

fn told(one: &Problem) -> String {
    assert!(one.hint.len() > 10, "no fix: {one:?}");
    one.message.clone()
}

pub(super) fn nothing(findings: &Findings) {
    assert_eq!(*findings, Findings::default());
}

/// A ready node with 4 CPUs and 8Gi.
fn node(name: &str, body: &Value) -> Thing {
    let mut node = thing(
        "Node",
        name,
        &json!({ "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" },
            "nodeInfo": { "architecture": "amd64" },
        } }),
    );
    for (pointer, value) in body.as_object().into_iter().flatten() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        node.edit(|it| {
            if it.pointer(parent).is_none() {
                it[parent.trim_start_matches('/')] = json!({});
            }
            it.pointer_mut(parent).unwrap()[key] = value.clone();
        });
    }
    node
}

fn deploy(case: &mut Case, name: &str, spec: &Value) {
    case.objects.insert(workload("Deployment", name, spec));
}

fn asks(cpu: &str) -> Value {
    json!({ "containers": [{ "resources": { "requests": { "cpu": cpu } } }] })
}

fn quota(name: &str, hard: &Value, used: &Value) -> Thing {
    thing(
        "ResourceQuota",
        name,
        &json!({ "spec": { "hard": hard }, "status": { "hard": hard, "used": used } }),
    )
}

fn csi(case: &mut Case, drivers: &Value) -> Vec<Json> {
    case.target.insert(thing(
        "StorageClass",
        "slow",
        &json!({ "provisioner": "btrfs.csi.refloat.io" }),
    ));
    vec![json!({ "spec": { "drivers": drivers } }).into()]
}

pub(super) fn hook(change: &Value) -> Thing {
    let mut hook = json!({
        "name": "pods.example.com",
        "clientConfig": { "service": { "namespace": "policy", "name": "judge" } },
        "rules": [{ "apiGroups": [""], "resources": ["services"], "operations": ["CREATE"] }],
    });
    for (key, value) in change.as_object().unwrap() {
        hook[key] = value.clone();
    }
    thing(
        "ValidatingWebhookConfiguration",
        "judge",
        &json!({ "webhooks": [hook] }),
    )
}

#[test]
fn a_target_of_which_nothing_is_known_tells_nothing() {
    nothing(&judged(|_, _| ()));
}

#[test]
fn a_target_that_fits_tells_nothing() {
    nothing(&judged(|case, facts| {
        case.target.insert(node("a", &json!({})));
        case.target
            .insert(thing("CSIDriver", "btrfs.csi.refloat.io", &json!({})));
        case.target.insert(thing(
            "StorageClass",
            "slow",
            &json!({ "provisioner": "btrfs.csi.refloat.io" }),
        ));
        case.point.architectures = vec!["amd64".to_owned()];
        facts.csi_nodes = Some(vec![
            json!({ "spec": { "drivers": [{ "name": "btrfs.csi.refloat.io" }] } }).into(),
        ]);
        facts.pods = Some(Vec::new());
        facts.capacities = Some(Vec::new());
        facts.clock_ahead_milliseconds = Some(-5_000);
        deploy(case, "large", &asks("4"));
        case.objects
            .remove(&ThingId::namespaced("apps", "Deployment", "shop", "large"));
    }));
}

#[test]
fn nonsense_at_the_target_tells_nothing() {
    let nonsense = [
        json!(null),
        json!(7),
        json!([]),
        json!("x"),
        json!({ "spec": 1 }),
    ]
    .map(Json::from);
    nothing(&judged(|case, facts| {
        facts.pods = Some(nonsense.to_vec());
        facts.capacities = Some(nonsense.to_vec());
        for (number, body) in [
            json!({ "spec": null, "status": null }),
            json!({ "status": 7 }),
        ]
        .iter()
        .enumerate()
        {
            let quota = thing("ResourceQuota", &format!("q{number}"), body);
            case.target.insert(quota);
            let hook = thing(
                "ValidatingWebhookConfiguration",
                &format!("w{number}"),
                &json!({ "webhooks": [null, 3, {}] }),
            );
            case.target.insert(hook);
        }
        deploy(
            case,
            "odd",
            &json!({ "nodeSelector": null, "affinity": 3, "tolerations": {}, "containers": null, "volumes": [null, 1] }),
        );
        case.point.parts[0].capacity = "99999999999999999999Ei".to_owned();
    }));
}

#[test]
fn what_stays_as_it_is_needs_nothing() {
    nothing(&judged(|case, _| {
        case.goal.existing = Existing::Skip;
        case.target.insert(node("a", &json!({})));
        let large = workload("Deployment", "large", &asks("9"));
        case.target.insert(large.clone());
        case.objects.insert(large);
    }));
}

#[test]
fn a_point_of_before_architectures_were_noted_reads_as_before() {
    let mut point = case().point;
    let old = serde_json::to_value(&point).unwrap();
    assert_eq!(old.get("architectures"), None, "its digest is as it was");
    let read = |value| serde_json::from_value::<crate::backup::PointContent>(value).unwrap();
    assert_eq!(read(old.clone()), point);
    point.architectures = vec!["arm64".to_owned()];
    let new = serde_json::to_value(&point).unwrap();
    assert_eq!(new["architectures"], json!(["arm64"]));
    assert_eq!(read(new), point);
}
