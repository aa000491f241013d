//! Pods wait for the webhooks that change them when they are created.

use std::collections::BTreeSet;

use super::super::asked::{is_about, is_asked, pod_of};
use super::super::context::{Context, write_step};
use super::super::operators::service_named;
use super::reference_before_reader::makers;
use super::{Drawn, HIGH, Rule};
use crate::inventory::{Thing, ThingId};
use crate::json::{Json, Tree};
use crate::run::Confidence;

pub(super) const RULE: Rule = Rule {
    name: "WEBHOOK_BEFORE_PODS",
    reason: "a pod that is created before the webhook that changes it runs without its sidecar, and nobody changes it later",
    confidence: HIGH,
    draw,
};

const MUTATING: &str = "MutatingWebhookConfiguration";

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (hook, asked) in asked(context) {
        let (on, evidence) = (write_step(&hook.configuration), hook.evidence());
        drawn.extend(asked.iter().map(|id| {
            let edge = Drawn::new(write_step(id), &on, &evidence);
            edge.with(Confidence::High)
        }));
    }
    drawn
}

/// Each webhook that changes pods, with the workloads whose pods it is asked about.
fn asked<'a>(context: &Context<'a>) -> Vec<(Changing<'a>, Vec<ThingId>)> {
    let hooks = hooks(context);
    if hooks.is_empty() {
        return Vec::new();
    }
    let pods: Vec<(ThingId, Thing)> = context
        .workloads()
        .map(|(thing, _)| (thing.id(), pod_of(thing).unwrap_or_else(|| thing.clone())))
        .collect();
    let labels_of = |namespace: &str| {
        let id = ThingId::cluster("", "Namespace", namespace);
        let carried = context.things.get(&id).copied();
        let namespace = context.target.get(&id).or(carried);
        namespace.and_then(|namespace| namespace.at("/metadata/labels"))
    };
    let hooks = hooks.into_iter().map(|hook| {
        let needed = needed(context, &hook.backend);
        let asked = pods
            .iter()
            .filter(|(id, pod)| !needed.contains(id) && is_asked(hook.hook, pod, labels_of));
        let asked = asked.map(|(id, _)| id.clone()).collect();
        (hook, asked)
    });
    hooks.collect()
}

/// A webhook that changes pods, and that something carried answers.
struct Changing<'a> {
    configuration: ThingId,
    place: usize,
    hook: &'a Json,
    /// The workloads that answer it.
    backend: Vec<ThingId>,
}

impl Changing<'_> {
    fn evidence(&self) -> String {
        let (configuration, place) = (&self.configuration, self.place);
        format!("{configuration}: webhooks[{place}] is asked about its pods")
    }
}

fn hooks<'a>(context: &Context<'a>) -> Vec<Changing<'a>> {
    let mut found = Vec::new();
    for configuration in context.of_kind("admissionregistration.k8s.io", MUTATING) {
        for (place, hook) in configuration.list("/webhooks").iter().enumerate() {
            let service = hook.at("/clientConfig/service");
            let service = service.and_then(|reference| service_named(context, reference));
            let backend = service.map_or_else(Vec::new, |service| context.behind(service));
            if !backend.is_empty() && matters(hook) {
                found.push(Changing {
                    configuration: configuration.id(),
                    place,
                    hook,
                    backend,
                });
            }
        }
    }
    found
}

/// One that is asked about everything and that may be silent changes hardly any pod.
fn matters(hook: &Json) -> bool {
    let ignored = hook.at("/failurePolicy").and_then(Tree::text) == Some("Ignore");
    let rules = hook.at("/rules").map_or(&[][..], Tree::items);
    let names_pods = rules.iter().any(|rule| {
        let resources = rule.at("/resources").map_or(&[][..], Tree::items);
        resources.iter().any(|one| one.text() == Some("pods"))
    });
    !ignored || names_pods && is_about(hook, "", "pods")
}

/// The backend and what it needs in its turn, operators of that included: what waited for the webhook would wait for ever.
fn needed(context: &Context<'_>, backend: &[ThingId]) -> BTreeSet<ThingId> {
    let mut needed: BTreeSet<ThingId> = backend.iter().cloned().collect();
    let mut open = backend.to_vec();
    while let Some(id) = open.pop() {
        let Some(thing) = context.things.get(&id).copied() else {
            continue;
        };
        let named = context.links().get(&id).into_iter().flatten();
        let key = (thing.resource.group.clone(), thing.resource.plural.clone());
        let operators = context.operators.get(&key).into_iter();
        let next = named
            .map(|link| link.thing.clone())
            .chain(makers(context, thing))
            .chain(operators.flat_map(|all| all.keys().cloned()));
        open.extend(next.filter(|one| needed.insert(one.clone())));
    }
    needed
}

/// Workloads that answer such webhooks, each with a step that waits for it.
pub(super) fn answering(context: &Context<'_>) -> BTreeSet<(ThingId, String)> {
    let mut found = BTreeSet::new();
    for (hook, asked) in asked(context) {
        for backend in &hook.backend {
            let steps = asked.iter().map(|id| context.works_step(id));
            found.extend(steps.map(|step| (backend.clone(), step)));
        }
    }
    found
}
