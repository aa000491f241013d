//! What is tried is what the plan writes, and of too many always the same: held against all steps of the plan, on seeded applications.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixture::{Case, case, resource, service, thing, workload};
use super::ground::object;
use super::property::Random;
use crate::driver::FieldOwner;
use crate::inventory::{Resource, ThingId};
use crate::json::Json;
use crate::plan::{Trial, attempt, conflicts};
use crate::recovery::{Existing, Writing};
use crate::run::Work;

type Write = (ThingId, Resource, Json, FieldOwner);

/// Writes of all steps in the order of their ids, without those of what is there and of what a server of its own serves.
fn writes(case: &Case) -> Vec<Writing> {
    let (planned, _) = attempt(
        "shop/12",
        &case.point,
        &case.objects,
        &case.target,
        &case.goal,
    );
    let mut steps = planned.expect("a plan").plan.steps;
    steps.sort_by(|a, b| a.id.cmp(&b.id));
    steps
        .into_iter()
        .filter_map(|step| match step.work {
            Work::Write(writing) if !writing.adopt => Some(writing),
            _ => None,
        })
        .filter(|writing| {
            let id = writing.target().id();
            id.kind != "Cache" && conflicts::there(&case.target, &id).is_none()
        })
        .collect()
}

/// The paths of an object's fields, each written out.
fn shape(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    let free = [
        "/data",
        "/stringData",
        "/binaryData",
        "/metadata/labels",
        "/metadata/annotations",
    ];
    match value {
        Value::Object(map) if !free.contains(&path) => {
            for (key, inner) in map {
                shape(inner, &format!("{path}/{key}"), fields);
            }
        }
        Value::Array(list) => {
            for inner in list {
                let mut of_one = BTreeSet::new();
                shape(inner, path, &mut of_one);
                let together: Vec<String> = of_one.into_iter().collect();
                fields.extend((!together.is_empty()).then(|| together.join(" and ")));
            }
        }
        _ => {
            fields.insert(path.to_owned());
        }
    }
}

/// One of each shape, then one of each in each namespace, then more in order.
fn sampled(all: Vec<Writing>, objects_max: usize) -> Vec<Writing> {
    if all.len() <= objects_max {
        return all;
    }
    let mut shapes = BTreeSet::new();
    let (mut first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|writing| {
        let mut fields = BTreeSet::new();
        shape(&writing.object.to_value(), "", &mut fields);
        shapes.insert((writing.resource.clone(), fields))
    });
    let mut shapes: BTreeSet<_> = first.iter().map(near).collect();
    let (second, rest): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|writing| shapes.insert(near(writing)));
    first.extend(second);
    first.extend(rest);
    first.truncate(objects_max);
    first
}

fn near(writing: &Writing) -> (Option<String>, Resource, BTreeSet<String>) {
    let mut fields = BTreeSet::new();
    shape(&writing.object.to_value(), "", &mut fields);
    (
        writing.target().id().namespace.clone(),
        writing.resource.clone(),
        fields,
    )
}

fn expected(case: &Case, objects_max: usize) -> (Vec<Write>, usize) {
    let all = writes(case);
    let count = all.len();
    let tried = sampled(all, objects_max);
    let left_out = count - tried.len();
    let sent = |writing: Writing| {
        let id = writing.target().id();
        let mut object = writing.object.to_value();
        if let Some(namespace) = &id.namespace {
            let namespace = ThingId::cluster("", "Namespace", namespace);
            if conflicts::there(&case.target, &namespace).is_none() {
                object["metadata"]["namespace"] = json!("default");
            }
        }
        (id, writing.resource, object.into(), writing.owner)
    };
    (tried.into_iter().map(sent).collect(), left_out)
}

fn actual(case: &Case, objects_max: usize) -> (Vec<Write>, usize) {
    let rehearsals = case.rehearsals(objects_max);
    let objects = rehearsals.tried.into_iter();
    let objects = objects.filter(|one| one.trial != Trial::Pod);
    let sent = objects.map(|one| (one.thing, one.resource, one.object, one.owner));
    (sent.collect(), rehearsals.left_out)
}

/// A body with any of these fields.
fn body(random: &mut Random, number: usize) -> Value {
    let mut body = json!({ "data": { format!("k{number}"): "v" } });
    let fields = [
        ("immutable", json!(true)),
        ("status", json!({ "seen": number })),
        ("type", json!("kubernetes.io/service-account-token")),
        (
            "odd",
            json!([{ "a": 1 }, { "b/c": { "d": {} } }, { "b": { "c/d": null } }]),
        ),
        ("empty", json!({})),
    ];
    for (key, value) in fields {
        if random.below(3) == 0 {
            body[key] = value;
        }
    }
    body
}

fn application(seed: u64) -> Case {
    let mut random = Random(seed);
    let mut case = case();
    let modes = [
        Existing::Fail,
        Existing::Skip,
        Existing::Update,
        Existing::Replace,
    ];
    case.goal.existing = modes[random.below(modes.len())];
    if random.below(2) == 0 {
        case.target.insert(thing("Namespace", "shop", &json!({})));
    }
    if random.below(2) == 0 {
        let mut newer = resource("Ingress");
        newer.version = "v2".to_owned();
        case.target.served.retain(|one| one.kind != "Ingress");
        case.target.served.push(newer);
    }
    if random.below(2) == 0 {
        let patch = json!({ "target": { "kind": "ConfigMap" }, "type": "merge", "patch": { "patched": 1 } });
        case.goal.mappings.patches = vec![serde_json::from_value(patch).unwrap()];
    }
    for number in 0..40 {
        let name = format!("n{number:02}");
        let mut one = match random.below(5) {
            0 => service(&name),
            1 => workload("Deployment", &name, &json!({ "containers": [] })),
            2 => thing("Secret", &name, &body(&mut random, number)),
            _ => thing("ConfigMap", &name, &body(&mut random, number)),
        };
        let operation = ["Apply", "Update"][random.below(2)];
        one.edit(|it| {
            it["metadata"]["managedFields"] = json!([{
                "manager": format!("m{}", number % 3), "operation": operation, "apiVersion": "v1",
                "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": { "f:data": {} },
            }]);
        });
        if random.below(4) == 0 {
            case.target.insert(one.clone());
        }
        case.objects.insert(one);
    }
    case
}

#[test]
fn what_is_tried_is_what_the_plan_writes_and_of_too_many_always_the_same() {
    for seed in 0..60 {
        let case = application(seed);
        for objects_max in [0, 1, 7, 20, 1_000] {
            let told = format!("seed {seed}, at most {objects_max}");
            assert_eq!(
                actual(&case, objects_max),
                expected(&case, objects_max),
                "{told}"
            );
        }
    }
}

#[test]
fn of_too_many_some_of_each_namespace_are_tried() {
    let mut case = case();
    for namespace in ["many", "one"] {
        case.point.namespaces.push(namespace.to_owned());
        case.objects
            .insert(thing("Namespace", namespace, &json!({})));
    }
    let settings = (0..30).map(|number| format!("many/{number:02}"));
    for name in settings.chain(["one/last".to_owned()]) {
        case.objects
            .insert(object("ConfigMap", &name, json!({ "data": { "a": "b" } })));
    }
    let (tried, left_out) = actual(&case, 25);
    assert!(left_out > 0, "there are too many");
    let mut ids = tried.iter().map(|(id, ..)| id);
    assert!(
        ids.any(|id| id.name == "last"),
        "what its namespace refuses is known"
    );
}
