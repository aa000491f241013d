//! What will run: pod templates with how often, and what a pod of each asks for. Used by the checks of room and quota.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Json;

use super::quantity::thousandths;
use super::scene::{Scene, elements};
use crate::inventory::{Thing, ThingId};

/// Thousandths by resource: `cpu`, `memory`, `nvidia.com/gpu`.
pub(super) type Amounts = BTreeMap<String, i128>;

/// How many pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Number(i128),
    /// One on each node that fits.
    EachNode,
}

/// Something that starts pods.
#[derive(Debug)]
pub(super) struct Workload<'a> {
    pub(super) id: ThingId,
    pub(super) thing: &'a Thing,
    pub(super) spec: &'a Json,
    pub(super) times: Times,
}

/// Everything that starts pods in the recovered namespaces, also what an operator makes anew; nothing that is there already.
pub(super) fn workloads<'a>(scene: &Scene<'a>) -> Vec<Workload<'a>> {
    let counted: BTreeSet<&str> = scene
        .objects
        .iter()
        .filter(|thing| thing.pod_spec().is_some())
        .map(Thing::uid)
        .collect();
    scene
        .objects
        .iter()
        .filter_map(|thing| Some((thing, thing.pod_spec()?)))
        .filter(|(thing, _)| {
            let namespace = thing.namespace().unwrap_or_default();
            let inside = scene.point.namespaces.iter().any(|one| one == namespace);
            inside && comes_back(scene, thing, &counted) && !scene.stays(&thing.id())
        })
        .map(|(thing, spec)| Workload {
            id: thing.id(),
            thing,
            spec,
            times: times(thing),
        })
        .collect()
}

/// It is written, or its owner makes it and is not itself counted.
fn comes_back(scene: &Scene<'_>, thing: &Thing, counted: &BTreeSet<&str>) -> bool {
    if scene.context.has(&thing.id()) {
        return true;
    }
    let ended = thing.object.pointer("/status/completionTime").is_some()
        || matches!(thing.text("/status/phase"), Some("Succeeded" | "Failed"));
    let owners = thing.list("/metadata/ownerReferences");
    let by_counted = owners
        .iter()
        .filter_map(|owner| owner.get("uid")?.as_str())
        .any(|uid| counted.contains(uid));
    !ended && !owners.is_empty() && !by_counted
}

fn times(thing: &Thing) -> Times {
    let number = |pointer: &str, default: i128| {
        let found = thing.object.pointer(pointer).and_then(Json::as_i64);
        found.map_or(default, |found| i128::from(found.max(0)))
    };
    match thing.resource.kind.as_str() {
        "DaemonSet" => Times::EachNode,
        // None runs at the moment of the recovery.
        "CronJob" => Times::Number(0),
        "Job" if thing.object.pointer("/spec/suspend") == Some(&Json::Bool(true)) => {
            Times::Number(0)
        }
        "Job" => Times::Number(number("/spec/parallelism", 1)),
        "Pod" => Times::Number(1),
        _ => Times::Number(number("/spec/replicas", 1)),
    }
}

fn amounts(resources: Option<&Json>, key: &str) -> Amounts {
    resources
        .and_then(|resources| resources.get(key)?.as_object())
        .into_iter()
        .flatten()
        .filter_map(|(name, amount)| {
            let amount = match amount {
                Json::String(text) => thousandths(text)?,
                Json::Number(number) => thousandths(&number.to_string())?,
                Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
            };
            Some((name.to_owned(), amount.max(0)))
        })
        .collect()
}

/// What one container asks for; a limit without a request is the request.
fn asked(resources: Option<&Json>, key: &str) -> Amounts {
    let mut all = match key {
        "requests" => amounts(resources, "limits"),
        _ => Amounts::new(),
    };
    all.extend(amounts(resources, key));
    all
}

pub(super) fn add(sum: &mut Amounts, more: &Amounts, times: i128) {
    for (name, amount) in more {
        let total = sum.entry(name.clone()).or_default();
        *total = total.saturating_add(amount.saturating_mul(times));
    }
}

fn largest(one: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = one.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

/// What the scheduler reserves for a pod (`requests`), or what its limits add up to (`limits`): containers and sidecars together, or
/// the largest init container, whichever is more; a value for the whole pod wins; overhead is added.
pub(super) fn of_pod(spec: &Json, key: &str) -> Amounts {
    let mut running = Amounts::new();
    let mut starting = Amounts::new();
    for init in elements(spec, "/initContainers") {
        let asks = asked(init.get("resources"), key);
        if init.get("restartPolicy").and_then(Json::as_str) == Some("Always") {
            add(&mut running, &asks, 1);
            largest(&mut starting, &running);
        } else {
            let mut with_sidecars = running.clone();
            add(&mut with_sidecars, &asks, 1);
            largest(&mut starting, &with_sidecars);
        }
    }
    for container in elements(spec, "/containers") {
        add(&mut running, &asked(container.get("resources"), key), 1);
    }
    largest(&mut running, &starting);
    running.extend(asked(spec.get("resources"), key));
    let overhead = amounts(spec.pointer("/overhead").map(|_| spec), "overhead");
    add(&mut running, &overhead, 1);
    running
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(spec: &Value, key: &str) -> String {
        let spec = &Json::from(spec);
        let all = of_pod(spec, key);
        let all: Vec<String> = all
            .iter()
            .map(|(name, amount)| format!("{name}={}", super::super::quantity::shown(*amount)))
            .collect();
        all.join(" ")
    }

    #[test]
    fn a_pod_asks_for_what_the_scheduler_reserves() {
        let plain = json!({ "containers": [
            { "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } } },
            { "resources": { "limits": { "cpu": 1 } } },
            { "resources": null }, {},
        ] });
        assert_eq!(shown(&plain, "requests"), "cpu=1100m memory=64Mi");
        assert_eq!(shown(&plain, "limits"), "cpu=1");
        let init = json!({
            "initContainers": [
                { "restartPolicy": "Always", "resources": { "requests": { "cpu": "1" } } },
                { "resources": { "requests": { "cpu": "4" } } },
            ],
            "containers": [{ "resources": { "requests": { "cpu": "2" } } }],
            "overhead": { "cpu": "250m" },
        });
        assert_eq!(
            shown(&init, "requests"),
            "cpu=5250m",
            "sidecar, init, overhead"
        );
        let whole = json!({ "resources": { "requests": { "cpu": "3" } },
            "containers": [{ "resources": { "requests": { "cpu": "9" } } }] });
        assert_eq!(shown(&whole, "requests"), "cpu=3");
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        for spec in [
            json!(null),
            json!({ "containers": null }),
            json!({ "containers": [null, 7, { "resources": { "requests": [1] } }] }),
            json!({ "containers": [{ "resources": { "requests": { "cpu": true, "memory": "lots" } } }] }),
            json!({ "containers": [{ "resources": { "requests": { "cpu": "1e99" } } }] }),
            json!({ "overhead": 3 }),
        ] {
            assert_eq!(shown(&spec, "requests"), "", "{spec}");
        }
        let negative = json!({ "containers": [{ "resources": { "requests": { "cpu": "-5" } } }] });
        assert_eq!(shown(&negative, "requests"), "cpu=0");
    }
}
