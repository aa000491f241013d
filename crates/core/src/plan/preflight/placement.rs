//! Which nodes may run a pod: selectors, required affinity, taints. Architecture of the nodes.

use std::collections::BTreeSet;

use crate::json::Json;

use super::finding::{Raised, Weight};
use super::scene::{Scene, elements, text};
use super::workloads::{Times, Workload, workloads};
use crate::inventory::Thing;

const ARCHITECTURE: &str = "kubernetes.io/arch";

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    let nodes = scene.nodes();
    if nodes.is_empty() {
        return;
    }
    if nodes.iter().all(|node| !is_ready(node)) {
        raised.say(
            Weight::Warning,
            "nodes-not-ready",
            "no node of the target is ready",
            "see `kubectl get nodes`: nothing starts until one is",
        );
    }
    architectures(scene, &nodes, raised);
    for workload in workloads(scene) {
        if matches!(workload.times, Times::Number(1..)) {
            place(&workload, &nodes, raised);
        }
    }
}

pub(super) fn is_ready(node: &Thing) -> bool {
    node.list("/status/conditions").iter().any(|condition| {
        text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True")
    })
}

fn place(workload: &Workload<'_>, nodes: &[&Thing], raised: &mut Raised) {
    let (labelled, missing) = labelled(workload.spec, nodes);
    if labelled.is_empty() {
        raised.about(
            Weight::Problem,
            "node-label-missing",
            &workload.id,
            format!("no node of the target has {missing}"),
            "label a node (`kubectl label node NAME KEY=VALUE`), add one that has it, or `--preflight warn` when nodes are made on demand",
        );
        return;
    }
    let tolerated = labelled
        .iter()
        .any(|node| untolerated(node, workload.spec).is_none());
    if !tolerated {
        let taints: BTreeSet<String> = labelled
            .iter()
            .filter_map(|node| untolerated(node, workload.spec))
            .collect();
        let taints: Vec<String> = taints.into_iter().collect();
        raised.about(
            Weight::Problem,
            "taint-not-tolerated",
            &workload.id,
            format!(
                "every node that would fit has a taint that it does not tolerate: {}",
                taints.join(", ")
            ),
            "remove the taint from a node (`kubectl taint node NAME KEY-`), or add a node without it",
        );
    }
}

/// Nodes with the labels that a pod needs, or the words for what no node has.
pub(super) fn labelled<'a>(spec: &Json, nodes: &[&'a Thing]) -> (Vec<&'a Thing>, String) {
    let mut left: Vec<&Thing> = nodes.to_vec();
    let selector = spec.get("nodeSelector").and_then(Json::as_object);
    for (key, value) in selector.into_iter().flatten() {
        let Some(value) = value.as_str() else {
            continue;
        };
        left.retain(|node| node.label(key) == Some(value));
        if left.is_empty() {
            return (left, format!("the label {key}={value}"));
        }
    }
    let pointer =
        "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = elements(spec, pointer);
    if !terms.is_empty() {
        left.retain(|node| terms.iter().any(|term| term_fits(term, node)));
    }
    let words: Vec<String> = terms.iter().map(term_words).collect();
    (
        left,
        format!("what its affinity asks for: {}", words.join(", or ")),
    )
}

/// A term without expressions fits no node.
fn term_fits(term: &Json, node: &Thing) -> bool {
    let labels = elements(term, "/matchExpressions");
    let fields = elements(term, "/matchFields");
    let of_label = |one: &Json| fits(one, node.label(text(one, "/key").unwrap_or_default()));
    let of_field = |one: &Json| match text(one, "/key") {
        Some("metadata.name") => fits(one, Some(node.name())),
        _ => true,
    };
    labels.len() + fields.len() > 0 && labels.iter().all(of_label) && fields.iter().all(of_field)
}

fn fits(expression: &Json, has: Option<&str>) -> bool {
    let values: Vec<&str> = elements(expression, "/values")
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let compared = |wanted: fn(&i64, &i64) -> bool| {
        let limit = values.first().and_then(|value| value.parse().ok());
        let number = has.and_then(|value| value.parse().ok());
        matches!((number, limit), (Some(number), Some(limit)) if wanted(&number, &limit))
    };
    match text(expression, "/operator") {
        Some("In") => has.is_some_and(|has| values.contains(&has)),
        Some("NotIn") => has.is_none_or(|has| !values.contains(&has)),
        Some("Exists") => has.is_some(),
        Some("DoesNotExist") => has.is_none(),
        Some("Gt") => compared(i64::gt),
        Some("Lt") => compared(i64::lt),
        // Not known here: no reason to cry.
        _ => true,
    }
}

fn term_words(term: &Json) -> String {
    let all = elements(term, "/matchExpressions")
        .iter()
        .chain(elements(term, "/matchFields"));
    let words: Vec<String> = all
        .map(|one| {
            let values: Vec<&str> = elements(one, "/values")
                .iter()
                .filter_map(Json::as_str)
                .collect();
            let words = [
                text(one, "/key").unwrap_or_default(),
                text(one, "/operator").unwrap_or_default(),
                &values.join("|"),
            ];
            words.join(" ").trim().to_owned()
        })
        .collect();
    words.join(" and ")
}

/// A taint that keeps a pod away for good; those of a node's own trouble pass.
pub(super) fn untolerated(node: &Thing, spec: &Json) -> Option<String> {
    node.list("/spec/taints").iter().find_map(|taint| {
        let part = |pointer: &str| text(taint, pointer).unwrap_or_default();
        let (key, value, effect) = (part("/key"), part("/value"), part("/effect"));
        let lasts = matches!(effect, "NoSchedule" | "NoExecute")
            && !key.starts_with("node.kubernetes.io/")
            && !key.starts_with("node.cloudprovider.kubernetes.io/");
        let tolerated = elements(spec, "/tolerations").iter().any(|one| {
            let part = |pointer: &str| text(one, pointer).unwrap_or_default();
            let same_effect = part("/effect").is_empty() || part("/effect") == effect;
            let exists = part("/operator") == "Exists";
            let any = exists && part("/key").is_empty();
            same_effect && (any || (part("/key") == key && (exists || part("/value") == value)))
        });
        (lasts && !tolerated).then(|| match value {
            "" => format!("{key}:{effect}"),
            value => format!("{key}={value}:{effect}"),
        })
    })
}

fn architectures(scene: &Scene<'_>, nodes: &[&Thing], raised: &mut Raised) {
    let source: BTreeSet<&str> = scene
        .point
        .architectures
        .iter()
        .map(String::as_str)
        .collect();
    let here: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| {
            node.label(ARCHITECTURE)
                .or_else(|| node.text("/status/nodeInfo/architecture"))
        })
        .collect();
    let other: Vec<&str> = here.difference(&source).copied().collect();
    if source.is_empty() || other.is_empty() {
        return;
    }
    let joined = |all: &BTreeSet<&str>| all.iter().copied().collect::<Vec<_>>().join(", ");
    let free = |workload: &Workload<'_>| !workload.spec.to_string().contains(ARCHITECTURE);
    let source_words = joined(&source);
    for workload in workloads(scene).iter().filter(|workload| free(workload)) {
        raised.about(
            Weight::Warning,
            "architecture-differs",
            &workload.id,
            format!(
                "the source's nodes are {source_words}, the target has {}: an image without {} does not start there",
                joined(&here),
                other.join(", ")
            ),
            "make sure that the images are there for each architecture, or add nodes of the source's",
        );
    }
}
