//! Webhooks of the target that are asked about what is written and that nobody answers, and APIs that nobody serves.

use std::collections::BTreeSet;

use crate::json::Json;

use super::super::asked::{GROUP, is_asked, may_be_asked, pod_of};
use super::super::context::{Context, write_step};
use super::super::draft;
use super::super::operators::service_named;
use super::finding::{Raised, Weight};
use super::scene::{Scene, elements, text};
use crate::inventory::{Inventory, Thing, ThingId, Unread};

const KINDS: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

fn configurations(target: &Inventory) -> impl Iterator<Item = &Thing> {
    KINDS.iter().flat_map(|kind| target.of_kind(GROUP, kind))
}

fn service(hook: &Json) -> Option<(&str, &str)> {
    let service = hook.pointer("/clientConfig/service")?;
    Some((text(service, "/namespace")?, text(service, "/name")?))
}

fn must_answer(hook: &Json) -> bool {
    text(hook, "/failurePolicy") != Some("Ignore")
}

/// Services that must answer about something that is written: namespace and name. To be looked at before `check`.
pub(super) fn services(scene: &Scene<'_>) -> BTreeSet<(String, String)> {
    let written: Vec<&Thing> = scene.written().map(|(_, thing)| thing).collect();
    let is_awaited = |hook: &Json| {
        let mut all = written.iter();
        must_answer(hook) && all.any(|thing| concerns(scene, hook, thing).is_some())
    };
    configurations(scene.target)
        .flat_map(|one| one.list("/webhooks"))
        .filter_map(|hook| Some((hook, service(hook)?)))
        .filter(|(hook, _)| is_awaited(hook))
        .map(|(_, (namespace, name))| (namespace.to_owned(), name.to_owned()))
        .collect()
}

/// Of what a webhook is asked when a thing is written: of `it`, or of `its pods`.
fn concerns(scene: &Scene<'_>, hook: &Json, thing: &Thing) -> Option<&'static str> {
    let labels_of = |namespace: &str| scene.namespace_labels(namespace);
    // Most kinds are none of most webhooks' business.
    if may_be_asked(hook, &thing.id().group, &thing.resource.plural)
        && is_asked(hook, thing, labels_of)
    {
        return Some("it");
    }
    if !may_be_asked(hook, "", "pods") {
        return None;
    }
    is_asked(hook, &pod_of(thing)?, labels_of).then_some("its pods")
}

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    for configuration in configurations(scene.target) {
        for hook in configuration
            .list("/webhooks")
            .iter()
            .filter(|hook| must_answer(hook))
        {
            let Some((namespace, name)) = service(hook) else {
                continue;
            };
            let place = (namespace.to_owned(), name.to_owned());
            if scene.facts.silent_services.contains(&place) {
                silent(scene, configuration, hook, &place, raised);
            }
        }
    }
}

/// Everything that a webhook without an answer refuses. When its backend comes back, that is what must be there before.
fn silent(
    scene: &Scene<'_>,
    configuration: &Thing,
    hook: &Json,
    (namespace, name): &(String, String),
    raised: &mut Raised,
) {
    let service = ThingId::namespaced("", "Service", namespace, name);
    let before = before_it_answers(scene, &service);
    // Which objects a condition lets through is the server's to say.
    let weight = if elements(hook, "/matchConditions").is_empty() {
        Weight::Problem
    } else {
        Weight::Warning
    };
    let of = format!(
        "webhook {} of {}",
        text(hook, "/name").unwrap_or_default(),
        configuration.id()
    );
    for (id, thing) in scene.written() {
        if before
            .as_ref()
            .is_some_and(|all| !all.contains(&write_step(id)))
        {
            continue;
        }
        let Some(about) = concerns(scene, hook, thing) else {
            continue;
        };
        let (cause, hint) = match before {
            None => (
                format!(
                    "{of} is asked about {about} and its Service {namespace}/{name} has no ready address: it would be refused"
                ),
                format!(
                    "start what is behind Service {namespace}/{name}, or delete {}",
                    configuration.id()
                ),
            ),
            Some(_) => (
                format!(
                    "{of} is asked about {about}, and its Service {namespace}/{name} only answers when it is there: it would be refused"
                ),
                format!(
                    "delete {} for as long as the recovery runs",
                    configuration.id()
                ),
            ),
        };
        raised.about(weight, "webhook-not-answering", id, cause, hint);
    }
}

/// Steps without which a Service that comes back has no address: those of the workloads behind it and of all that they wait for.
fn before_it_answers(scene: &Scene<'_>, service: &ThingId) -> Option<BTreeSet<String>> {
    let thing = scene.context.things.get(service)?;
    let steps = draft(scene.context, scene.point, scene.goal).steps;
    let workloads = scene.context.behind(thing);
    let mut open: Vec<String> = workloads.iter().map(write_step).collect();
    open.push(write_step(service));
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if let Some(step) = steps.get(&id).filter(|_| found.insert(id.clone())) {
            open.extend(step.needs.iter().map(|edge| edge.on.to_string()));
        }
    }
    Some(found)
}

/// An API that nobody serves now, and whose server comes back: it holds nothing that could be in the way.
pub(super) fn is_answered_later(
    context: &Context<'_>,
    target: &Inventory,
    unread: &Unread,
) -> bool {
    let name = format!("{}.{}", unread.resource.version, unread.resource.group);
    let id = ThingId::cluster("apiregistration.k8s.io", "APIService", &name);
    let service = target.get(&id).and_then(|one| one.at("/spec/service"));
    unread.is_api() && service.is_some_and(|one| service_named(context, one).is_some())
}
