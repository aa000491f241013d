//! Is there room for the pods? Certain only when a pod is larger than every node that may take it.

use crate::json::Json;

use super::finding::{Raised, Weight};
use super::placement::{is_ready, labelled, untolerated};
use super::quantity::{shown, thousandths};
use super::scene::{Scene, text};
use super::workloads::{Amounts, Times, Workload, add, of_pod, workloads};
use crate::inventory::Thing;

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    let nodes: Vec<&Thing> = scene
        .nodes()
        .into_iter()
        .filter(|node| {
            node.object
                .pointer("/status/allocatable")
                .is_some_and(Json::is_object)
        })
        .collect();
    if nodes.is_empty() {
        return;
    }
    let mut asked = Amounts::new();
    let mut usable: Vec<&Thing> = Vec::new();
    for workload in workloads(scene) {
        let (mut fitting, _) = labelled(workload.spec, &nodes);
        fitting.retain(|node| untolerated(node, workload.spec).is_none());
        let requests = of_pod(workload.spec, "requests");
        let open: Vec<&Thing> = fitting
            .iter()
            .copied()
            .filter(|node| is_open(node))
            .collect();
        let times = match workload.times {
            Times::Number(times) => times,
            Times::EachNode => i128::try_from(open.len()).unwrap_or(i128::MAX),
        };
        if times > 0 && workload.times != Times::EachNode && !fitting.is_empty() {
            too_large(&workload, &requests, &fitting, raised);
        }
        add(&mut asked, &requests, times);
        add(
            &mut asked,
            &Amounts::from([("pods".to_owned(), 1000)]),
            times,
        );
        for node in open {
            if !usable.iter().any(|other| other.name() == node.name()) {
                usable.push(node);
            }
        }
    }
    if !usable.is_empty() {
        short(scene, &asked, &usable, raised);
    }
}

fn is_open(node: &Thing) -> bool {
    is_ready(node) && node.object.pointer("/spec/unschedulable") != Some(&Json::Bool(true))
}

fn allocatable(node: &Thing, name: &str) -> i128 {
    let amount = node
        .object
        .pointer("/status/allocatable")
        .and_then(|all| all.get(name));
    amount
        .and_then(Json::as_str)
        .and_then(thousandths)
        .unwrap_or(0)
}

fn too_large(workload: &Workload<'_>, requests: &Amounts, nodes: &[&Thing], raised: &mut Raised) {
    let holds = |node: &&Thing| {
        requests
            .iter()
            .all(|(name, asks)| allocatable(node, name) >= *asks)
    };
    if nodes.iter().any(holds) {
        return;
    }
    let lacking: Vec<String> = requests
        .iter()
        .filter_map(|(name, asks)| {
            let most = nodes.iter().map(|node| allocatable(node, name)).max()?;
            (most < *asks).then(|| {
                format!(
                    "{name} {} (the largest node has {})",
                    shown(*asks),
                    shown(most)
                )
            })
        })
        .collect();
    let cause = if lacking.is_empty() {
        "a pod of it asks for more than any single node that may take it has".to_owned()
    } else {
        format!("a pod of it asks for {}", lacking.join(", "))
    };
    raised.about(
        Weight::Problem,
        "pod-fits-no-node",
        &workload.id,
        cause,
        "add a larger node, or `--preflight warn` when nodes are made on demand",
    );
}

/// What the pods that run now have taken of these nodes.
fn taken(scene: &Scene<'_>, nodes: &[&Thing]) -> Amounts {
    let mut taken = Amounts::new();
    for pod in scene.facts.pods.iter().flatten() {
        let on = text(pod, "/spec/nodeName").unwrap_or_default();
        let ended = matches!(text(pod, "/status/phase"), Some("Succeeded" | "Failed"));
        if let (false, true, Some(spec)) = (
            ended,
            nodes.iter().any(|node| node.name() == on),
            pod.get("spec"),
        ) {
            add(&mut taken, &of_pod(spec, "requests"), 1);
            add(&mut taken, &Amounts::from([("pods".to_owned(), 1000)]), 1);
        }
    }
    taken
}

fn short(scene: &Scene<'_>, asked: &Amounts, nodes: &[&Thing], raised: &mut Raised) {
    let taken = taken(scene, nodes);
    let short: Vec<String> = asked
        .iter()
        .filter_map(|(name, asks)| {
            let there = nodes.iter().fold(0_i128, |sum, node| {
                sum.saturating_add(allocatable(node, name))
            });
            let free = there
                .saturating_sub(taken.get(name).copied().unwrap_or(0))
                .max(0);
            // What no node has is told of the pod that asks for it.
            (there > 0 && *asks > free)
                .then(|| format!("{name} {} ({} free)", shown(*asks), shown(free)))
        })
        .collect();
    if !short.is_empty() {
        raised.say(
            Weight::Warning,
            "capacity-short",
            format!(
                "all pods together ask for more than the target has free: {}",
                short.join(", ")
            ),
            "add nodes, or make room: pods that find none stay pending and the recovery waits",
        );
    }
}
