//! What of a recovery is at the target already, when it may be: what becomes of it in words, and what may not be touched all the same.
//!
//! Called by `plan`. What refuses a recovery that expects an empty target is in `preflight`.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Json;

use super::context::{Context, is_system};
use super::{Goal, NodePorts};
use crate::backup::{Part, PointContent};
use crate::driver::Problem;
use crate::inventory::{Inventory, Thing, ThingId};
use crate::lookup::Lookup;
use crate::recovery::{Existing, holds_others};

/// A thing on its way out is no obstacle, nor is one whose namespace is: a recovery waits until it is gone.
pub(super) fn is_going(thing: &Thing, target: &Inventory) -> bool {
    let namespace = || {
        let id = ThingId::cluster("", "Namespace", thing.namespace()?);
        target.get(&id)
    };
    is_marked(thing) || namespace().is_some_and(is_marked)
}

fn is_marked(thing: &Thing) -> bool {
    thing.text("/metadata/deletionTimestamp").is_some()
}

/// What is at the target and stays there until the recovery writes.
pub(super) fn there<'a>(target: &'a Inventory, id: &ThingId) -> Option<&'a Thing> {
    target.get(id).filter(|there| !is_going(there, target))
}

/// The same for who asks about each of many: all that is at the target and stays there, by identity.
pub(super) type Staying<'a> = Lookup<ThingId, &'a Thing>;

/// All that is at the target and stays there until the recovery writes.
pub(super) fn staying(target: &Inventory) -> Staying<'_> {
    let namespaces = target.of_kind("", "Namespace");
    let going: BTreeSet<&str> = namespaces
        .filter(|namespace| is_marked(namespace))
        .map(Thing::name)
        .collect();
    let is_inside = |thing: &&Thing| {
        let namespace = thing.namespace();
        namespace.is_some_and(|namespace| going.contains(namespace))
    };
    target
        .iter()
        .filter(|thing| !is_marked(thing) && !is_inside(thing))
        .map(|thing| (thing.id(), thing))
        .collect()
}

/// The claim that a part would be handed over to, when there is one already.
pub(super) fn claim_of<'a>(part: &Part, target: &'a Inventory) -> Option<&'a Thing> {
    let (namespace, name) = part.id.split_once('/')?;
    let claim = target.find("", "PersistentVolumeClaim", namespace, name);
    claim.filter(|claim| !is_going(claim, target))
}

pub(super) fn check(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
) -> (Vec<Problem>, Vec<String>) {
    let mut problems = node_ports(context, target, goal);
    if goal.existing == Existing::Fail {
        return (problems, Vec::new());
    }
    let mut notes = objects(context, point, target, goal);
    for part in &point.parts {
        let Some(claim) = claim_of(part, target) else {
            continue;
        };
        match goal.existing {
            Existing::Fail => {}
            Existing::Skip => notes.push(format!(
                "{} is at the target already and is kept with its data: what the point holds of it is not restored",
                claim.id()
            )),
            Existing::Update | Existing::Replace => problems.push(Problem::stuck(
                "volume-exists",
                format!("{} is at the target already: its data is never overwritten", claim.id()),
                "delete it yourself if its data is of no use, or keep it with its data with `--existing skip`",
            )),
        }
    }
    (problems, notes)
}

fn counted(kinds: &BTreeMap<String, usize>) -> String {
    let words: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    words.join(", ")
}

fn objects(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
) -> Vec<String> {
    let mut verbs: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    let staying = staying(target);
    for thing in context.things.values() {
        let id = thing.id();
        if !staying.has(&id) || super::is_made_by_cluster(&id) {
            continue;
        }
        let verb = match goal.existing {
            Existing::Fail => continue,
            Existing::Skip => "kept as they are",
            Existing::Replace if !holds_others(&thing.resource) => "deleted and created anew",
            Existing::Update | Existing::Replace => "updated to what the point holds",
        };
        *verbs
            .entry(verb)
            .or_default()
            .entry(id.kind.clone())
            .or_default() += 1;
    }
    let mut notes: Vec<String> = verbs
        .iter()
        .map(|(verb, kinds)| {
            let count: usize = kinds.values().sum();
            format!(
                "{count} objects are at the target already and are {verb}: {}",
                counted(kinds)
            )
        })
        .collect();
    let inside = |thing: &&Thing| {
        thing.namespace().is_some_and(|namespace| {
            point.namespaces.iter().any(|one| one == namespace) && !is_system(namespace)
        })
    };
    let others = target.iter().filter(inside).filter(|thing| {
        let id = thing.id();
        let owned = !thing.list("/metadata/ownerReferences").is_empty();
        !owned && !context.has(&id) && !super::is_made_by_cluster(&id) && !id.is("", "Event")
    });
    match others.count() {
        0 => {}
        count => notes.push(format!(
            "{count} other objects in these namespaces are not the point's and stay as they are"
        )),
    }
    notes
}

fn ports(service: &Thing) -> impl Iterator<Item = u64> + '_ {
    let ports = service.list("/spec/ports").iter();
    ports.filter_map(|port| port.get("nodePort").and_then(Json::as_u64))
}

/// Of the Services that can be seen; others are found out when the port is asked for.
fn node_ports(context: &Context<'_>, target: &Inventory, goal: &Goal) -> Vec<Problem> {
    if goal.node_ports == NodePorts::Anew {
        return Vec::new();
    }
    let mut holders: BTreeMap<u64, ThingId> = BTreeMap::new();
    for service in target.of_kind("", "Service") {
        holders.extend(ports(service).map(|port| (port, service.id())));
    }
    let mut problems = Vec::new();
    for service in context.of_kind("", "Service") {
        for port in ports(service) {
            if let Some(holder) = holders.get(&port).filter(|holder| **holder != service.id()) {
                problems.push(Problem::stuck(
                    "node-port-taken",
                    format!(
                        "{} keeps node port {port}, which {holder} has at the target",
                        service.id()
                    ),
                    "free the port, or recover without `--preserve-node-ports`",
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::inventory::Resource;

    fn thing(resource: Resource, namespace: Option<&str>, name: &str, going: &Value) -> Thing {
        let metadata = json!({ "name": name, "namespace": namespace, "deletionTimestamp": going });
        Thing::new(resource, json!({ "metadata": metadata })).unwrap()
    }

    #[test]
    fn what_stays_is_the_same_for_one_and_for_all() {
        let now = json!("2026-01-01T00:00:00Z");
        let namespace = |name, going| {
            thing(
                Resource::cluster("v1", "Namespace", "namespaces"),
                None,
                name,
                going,
            )
        };
        let secret = |namespace, name, going| {
            thing(
                Resource::namespaced("v1", "Secret", "secrets"),
                Some(namespace),
                name,
                going,
            )
        };
        let target = Inventory::of([
            namespace("shop", &Value::Null),
            namespace("old", &now),
            secret("shop", "kept", &Value::Null),
            secret("shop", "leaving", &now),
            secret("old", "goes-with-it", &Value::Null),
            secret("unseen", "without-its-namespace", &Value::Null),
        ]);
        let staying = staying(&target);
        let names = |stays: &dyn Fn(&ThingId) -> bool| -> Vec<String> {
            let all = target.iter().map(Thing::id).filter(|id| stays(id));
            all.map(|id| id.name.clone()).collect()
        };
        let one_by_one = names(&|id| there(&target, id).is_some());
        assert_eq!(one_by_one, names(&|id| staying.has(id)));
        assert_eq!(one_by_one, ["shop", "kept", "without-its-namespace"]);
    }
}
