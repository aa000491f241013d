//! What names another thing in a field made for it waits for that thing.

mod tables;

use tables::{LABELS, NAMES, REFERENCES};

use crate::json::Json;

use super::super::context::{Context, write_step};
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::{Thing, ThingId};

pub(super) const RULE: Rule = Rule {
    name: "TYPED_REFERENCE",
    reason: "what names a thing that is not there fails, or makes one of its own",
    confidence: CERTAIN,
    draw,
};

const MONITORING: &str = "monitoring.coreos.com";

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (group, kind, path, of, named) in NAMES {
        for thing in context.of_kind(group, kind) {
            for (field, value) in at(&thing.object, path) {
                if let Some(name) = value.as_str() {
                    push(context, thing, &field, Some(of), named, name, &mut drawn);
                }
            }
        }
    }
    for (group, kind, path, of, named) in REFERENCES {
        for thing in context.of_kind(group, kind) {
            for (field, value) in at(&thing.object, path) {
                if let Some(found) = Reference::of(value, of, named) {
                    found.push(context, thing, &field, &mut drawn);
                }
            }
        }
    }
    for (group, kind, key, of, named) in LABELS {
        for thing in context.of_kind(group, kind) {
            if let Some(name) = thing.label(key) {
                let field = format!("metadata.labels[{key}]");
                push(context, thing, &field, Some(of), named, name, &mut drawn);
            }
        }
    }
    pools(context, &mut drawn);
    monitors(context, &mut drawn);
    tokens(context, &mut drawn);
    drawn
}

/// A reference as many kinds have it.
pub(super) struct Reference<'v> {
    group: Option<&'v str>,
    kind: &'v str,
    name: &'v str,
    namespace: Option<&'v str>,
}

impl<'v> Reference<'v> {
    /// Reads `{apiVersion | apiGroup | group, kind, name, namespace}`; an empty `group` here means any.
    pub(super) fn of(value: &'v Json, group: &'v str, kind: &'v str) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Json::as_str);
        let says = text("kind").filter(|one| !one.is_empty());
        let version = text("apiVersion").map(|one| one.split_once('/').map_or("", |(of, _)| of));
        let own = text("apiGroup").or(text("group")).or(version);
        let meant = says.unwrap_or(kind);
        // What is left out means what this field is for.
        let preset = (!group.is_empty()).then_some(group);
        Some(Self {
            group: own.or(preset),
            kind: Some(meant).filter(|kind| !kind.is_empty())?,
            name: text("name")?,
            namespace: text("namespace"),
        })
    }

    pub(super) fn meant(&self, context: &Context<'_>, by: &Thing) -> Vec<ThingId> {
        let namespace = self.namespace.or(by.namespace());
        context.meant(self.group, self.kind, namespace, self.name)
    }

    fn push(&self, context: &Context<'_>, by: &Thing, field: &str, drawn: &mut Vec<Drawn>) {
        for id in self.meant(context, by) {
            drawn.push(edge(by, field, &id));
        }
    }
}

fn edge(thing: &Thing, field: &str, on: &ThingId) -> Drawn {
    let evidence = format!("{}: {field}", thing.id());
    Drawn::new(write_step(&thing.id()), write_step(on), evidence)
}

fn push(
    context: &Context<'_>,
    thing: &Thing,
    field: &str,
    group: Option<&str>,
    kind: &str,
    name: &str,
    drawn: &mut Vec<Drawn>,
) {
    for id in context.meant(group, kind, thing.namespace(), name) {
        drawn.push(edge(thing, field, &id));
    }
}

/// Values at a path, with the path as people write it.
fn at<'v>(value: &'v Json, path: &str) -> Vec<(String, &'v Json)> {
    let mut found = vec![(String::new(), value)];
    for step in path.split('/') {
        let mut next = Vec::new();
        for (written, value) in found {
            if step == "*" {
                let all = value.as_array().into_iter().flatten().enumerate();
                next.extend(all.map(|(place, one)| (format!("{written}[{place}]"), one)));
            } else if let Some(inner) = value.get(step) {
                let dot = if written.is_empty() { "" } else { "." };
                next.push((format!("{written}{dot}{step}"), inner));
            }
        }
        found = next;
    }
    found
}

/// A Kafka is not ready before it has a node pool.
fn pools(context: &Context<'_>, drawn: &mut Vec<Drawn>) {
    const KAFKA: &str = "kafka.strimzi.io";
    for pool in context.of_kind(KAFKA, "KafkaNodePool") {
        let (Some(namespace), Some(name)) = (pool.namespace(), pool.label("strimzi.io/cluster"))
        else {
            continue;
        };
        let kafka = ThingId::namespaced(KAFKA, "Kafka", namespace, name);
        if context.has(&kafka) {
            let evidence = format!("{}: metadata.labels[strimzi.io/cluster]", pool.id());
            drawn.push(Drawn::new(
                write_step(&kafka),
                write_step(&pool.id()),
                evidence,
            ));
        }
    }
}

/// Monitors wait for what they watch, in their own namespace or in those that they list.
fn monitors(context: &Context<'_>, drawn: &mut Vec<Drawn>) {
    for (kind, watched) in [
        ("ServiceMonitor", &context.services),
        ("PodMonitor", &context.pods),
    ] {
        for monitor in context.of_kind(MONITORING, kind) {
            let listed = monitor.list("/spec/namespaceSelector/matchNames");
            let listed = listed.iter().filter_map(Json::as_str);
            let own = monitor.namespace().filter(|_| {
                let pointer = "/spec/namespaceSelector/matchNames";
                monitor.list(pointer).is_empty()
            });
            let Some(selector) = monitor.at("/spec/selector") else {
                continue;
            };
            for namespace in listed.chain(own) {
                for thing in watched.selected(namespace, selector) {
                    drawn.push(edge(monitor, "spec.selector", &thing.id()));
                }
            }
        }
    }
}

/// The cluster deletes a token whose ServiceAccount is not there.
fn tokens(context: &Context<'_>, drawn: &mut Vec<Drawn>) {
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    for secret in context.of_kind("", "Secret") {
        if secret.text("/type") != Some("kubernetes.io/service-account-token") {
            continue;
        }
        if let Some(name) = secret.annotation(ACCOUNT) {
            let field = format!("metadata.annotations[{ACCOUNT}]");
            let kind = "ServiceAccount";
            push(context, secret, &field, Some(""), kind, name, drawn);
        }
    }
}
