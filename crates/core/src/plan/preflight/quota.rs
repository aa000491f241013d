//! Do the ResourceQuotas of the namespaces leave enough? Those at the target and those that come back.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Json;

use super::finding::{Raised, Weight};
use super::quantity::{shown, thousandths};
use super::scene::{Scene, elements};
use super::workloads::{Amounts, Times, Workload, add, of_pod, workloads};
use crate::inventory::{Thing, ThingId};

/// Kinds that a quota counts by a name of its own.
const COUNTED: &[(&str, &str)] = &[
    ("ConfigMap", "configmaps"),
    ("Secret", "secrets"),
    ("Service", "services"),
    ("ReplicationController", "replicationcontrollers"),
    ("ResourceQuota", "resourcequotas"),
];
const ONE: i128 = 1000;

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    let mut quotas: BTreeMap<ThingId, (&Thing, bool)> = BTreeMap::new();
    for (id, thing) in scene.written().filter(|(id, _)| id.is("", "ResourceQuota")) {
        quotas.insert(id.clone(), (thing, false));
    }
    for thing in scene.all_there("", "ResourceQuota") {
        quotas.insert(thing.id(), (thing, true));
    }
    if quotas.is_empty() {
        return;
    }
    let workloads = workloads(scene);
    for (id, (quota, there)) in quotas {
        // A quota with a scope counts some pods only; which ones is the server's to say.
        let scoped = !quota.list("/spec/scopes").is_empty()
            || quota
                .object
                .pointer("/spec/scopeSelector")
                .is_some_and(Json::is_object);
        if scoped {
            continue;
        }
        let namespace = id.namespace.clone().unwrap_or_default();
        let needed = needed(scene, &namespace, &workloads);
        compare(&id, quota, there, &needed, raised);
        unstated(scene, &id, quota, &workloads, raised);
    }
}

fn hard(quota: &Thing) -> BTreeMap<&str, i128> {
    read(quota, "/spec/hard")
}

fn read<'a>(quota: &'a Thing, pointer: &str) -> BTreeMap<&'a str, i128> {
    let all = quota.object.pointer(pointer).and_then(Json::as_object);
    all.into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name, thousandths(amount.as_str()?)?)))
        .collect()
}

fn compare(id: &ThingId, quota: &Thing, there: bool, needed: &Amounts, raised: &mut Raised) {
    let used = if there {
        read(quota, "/status/used")
    } else {
        BTreeMap::new()
    };
    let short: Vec<String> = hard(quota)
        .into_iter()
        .filter_map(|(name, hard)| {
            let needs = *needed.get(name)?;
            let left = hard
                .saturating_sub(used.get(name).copied().unwrap_or(0))
                .max(0);
            (needs > left).then(|| format!("{name}: {} needed, {} left", shown(needs), shown(left)))
        })
        .collect();
    if !short.is_empty() {
        raised.about(
            Weight::Problem,
            "quota-exceeded",
            id,
            format!("it leaves too little: {}", short.join("; ")),
            "raise `spec.hard` of this ResourceQuota, or make room in the namespace",
        );
    }
}

/// What the recovery adds to a namespace, by the names that quotas use.
fn needed(scene: &Scene<'_>, namespace: &str, workloads: &[Workload<'_>]) -> Amounts {
    let mut sum = Amounts::new();
    for workload in workloads
        .iter()
        .filter(|one| one.thing.namespace() == Some(namespace))
    {
        let Times::Number(times) = workload.times else {
            continue;
        };
        for (prefix, plain) in [("requests", true), ("limits", false)] {
            for (name, amount) in of_pod(workload.spec, prefix) {
                let all = amount.saturating_mul(times);
                add(
                    &mut sum,
                    &Amounts::from([(format!("{prefix}.{name}"), all)]),
                    1,
                );
                if plain && matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                    add(&mut sum, &Amounts::from([(name, all)]), 1);
                }
            }
        }
        let pods = Amounts::from([("pods".to_owned(), ONE), ("count/pods".to_owned(), ONE)]);
        add(&mut sum, &pods, times);
    }
    for (id, thing) in scene
        .written()
        .filter(|(id, _)| id.namespace.as_deref() == Some(namespace))
    {
        let mut count = |name: String| add(&mut sum, &Amounts::from([(name, ONE)]), 1);
        // Bare pods are counted above.
        if !id.is("", "Pod") {
            let plural = &thing.resource.plural;
            count(if id.group.is_empty() {
                format!("count/{plural}")
            } else {
                format!("count/{plural}.{}", id.group)
            });
        }
        if id.group.is_empty() {
            COUNTED
                .iter()
                .filter(|(kind, _)| *kind == id.kind)
                .for_each(|(_, name)| count((*name).to_owned()));
            if thing.text("/spec/type") == Some("LoadBalancer") {
                count("services.loadbalancers".to_owned());
            }
        }
    }
    claims(scene, namespace, &mut sum);
    sum
}

fn claims(scene: &Scene<'_>, namespace: &str, sum: &mut Amounts) {
    for part in &scene.point.parts {
        let Some((of, name)) = part.id.split_once('/') else {
            continue;
        };
        let id = ThingId::namespaced("", "PersistentVolumeClaim", of, name);
        if of != namespace || scene.stays(&id) {
            continue;
        }
        let size = thousandths(&part.capacity).unwrap_or(0);
        let class = format!(
            "{}.storageclass.storage.k8s.io",
            scene.storage_class(&part.storage_class)
        );
        for (name, amount) in [
            ("persistentvolumeclaims".to_owned(), ONE),
            ("count/persistentvolumeclaims".to_owned(), ONE),
            ("requests.storage".to_owned(), size),
            (format!("{class}/requests.storage"), size),
            (format!("{class}/persistentvolumeclaims"), ONE),
        ] {
            add(sum, &Amounts::from([(name, amount)]), 1);
        }
    }
}

/// A quota of requests or limits refuses a pod that states none, unless a LimitRange states them for it.
fn unstated(
    scene: &Scene<'_>,
    id: &ThingId,
    quota: &Thing,
    workloads: &[Workload<'_>],
    raised: &mut Raised,
) {
    let wanted: BTreeSet<(&str, &str)> = hard(quota)
        .into_keys()
        .filter_map(|name| match name {
            "cpu" | "memory" => Some(("requests", name)),
            other => other.split_once('.').filter(|(key, name)| {
                matches!(*key, "requests" | "limits") && matches!(*name, "cpu" | "memory")
            }),
        })
        .collect();
    let namespace = id.namespace.as_deref().unwrap_or_default();
    for workload in workloads
        .iter()
        .filter(|one| one.thing.namespace() == Some(namespace))
    {
        if workload.times == Times::Number(0) {
            continue;
        }
        let missing: Vec<String> = wanted
            .iter()
            .filter(|(key, name)| {
                !states(workload.spec, key, name) && !defaulted(scene, namespace, key, name)
            })
            .map(|(key, name)| format!("{key}.{name}"))
            .collect();
        if !missing.is_empty() {
            raised.about(
                Weight::Problem,
                "quota-needs-requests",
                &workload.id,
                format!("{id} refuses pods that do not state {}", missing.join(", ")),
                "add a LimitRange with defaults to the namespace, or take these names out of the quota",
            );
        }
    }
}

/// Every container states it, or the pod as a whole does.
fn states(spec: &Json, key: &str, name: &str) -> bool {
    let stated = |resources: &Json| {
        let of = |key: &str| resources.get(key).and_then(|all| all.get(name)).is_some();
        of(key) || (key == "requests" && of("limits"))
    };
    let all = elements(spec, "/containers")
        .iter()
        .chain(elements(spec, "/initContainers"));
    spec.get("resources").is_some_and(stated)
        || all
            .into_iter()
            .all(|one| one.get("resources").is_some_and(stated))
}

fn defaulted(scene: &Scene<'_>, namespace: &str, key: &str, name: &str) -> bool {
    let written = scene.written().map(|(_, thing)| thing);
    let mut ranges = scene
        .all_there("", "LimitRange")
        .chain(written.filter(|thing| thing.id().is("", "LimitRange")))
        .filter(|thing| thing.namespace() == Some(namespace));
    ranges.any(|range| {
        range.list("/spec/limits").iter().any(|limit| {
            let has = |field: &str| limit.get(field).and_then(|all| all.get(name)).is_some();
            // A default limit is the default request, and so is a maximum.
            match key {
                "limits" => has("default") || has("max"),
                _ => has("defaultRequest") || has("default") || has("max"),
            }
        })
    })
}
