//! Which workloads are operators of which definitions, and what tells so.
//!
//! Looks at rights, webhooks, conversion, OLM's list of what an operator owns, and, when all are silent, the Helm release.
//! Called by `context`.

use std::collections::BTreeMap;

use crate::json::Json;

use super::context::Context;
use crate::inventory::{Thing, ThingId, writers};
use crate::run::Confidence;

/// What makes a workload an operator of a definition.
#[derive(Debug, Clone)]
pub(super) struct Grounds {
    pub(super) evidence: String,
    pub(super) confidence: Confidence,
}

pub(super) const ADMISSION: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

pub(super) fn operators(
    context: &Context<'_>,
) -> BTreeMap<(String, String), BTreeMap<ThingId, Grounds>> {
    let mut found: BTreeMap<(String, String), BTreeMap<ThingId, Grounds>> = BTreeMap::new();
    let webhooks = webhooks(context);
    let owned = owned_by_olm(context);
    let released = released(context);
    for definition in context.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let group = definition.text("/spec/group").unwrap_or_default();
        let plural = definition.text("/spec/names/plural").unwrap_or_default();
        let mut of_this = BTreeMap::new();
        let mut add = |id: ThingId, evidence: String, confidence| {
            of_this.entry(id).or_insert(Grounds {
                evidence,
                confidence,
            });
        };
        for (namespace, account) in writers(context.objects, group, plural) {
            for thing in context.users_of(&namespace, &account) {
                let evidence = format!("its ServiceAccount may write {plural}.{group}");
                add(thing.id(), evidence, Confidence::High);
            }
        }
        for (id, evidence) in webhooks.get(group).into_iter().flatten() {
            add(id.clone(), evidence.clone(), Confidence::High);
        }
        for (service, id) in conversion(context, definition) {
            let evidence = format!(
                "{}: spec.conversion.webhook.clientConfig.service is {service}",
                definition.id()
            );
            add(id, evidence, Confidence::High);
        }
        for (id, evidence) in owned.get(definition.name()).into_iter().flatten() {
            add(id.clone(), evidence.clone(), Confidence::High);
        }
        if of_this.is_empty()
            && let Some(release) = release(definition)
        {
            for id in released.get(&release).into_iter().flatten() {
                let evidence = format!("{} is of its Helm release {}", definition.id(), release.1);
                of_this.insert(
                    id.clone(),
                    Grounds {
                        evidence,
                        confidence: Confidence::Medium,
                    },
                );
            }
        }
        if !of_this.is_empty() {
            found.insert((group.to_owned(), plural.to_owned()), of_this);
        }
    }
    found
}

/// The Service that a reference `{namespace, name}` names, if it is carried.
pub(super) fn service_named<'a>(context: &Context<'a>, reference: &Json) -> Option<&'a Thing> {
    let text = |key: &str| reference.get(key).and_then(Json::as_str);
    let id = ThingId::namespaced("", "Service", text("namespace")?, text("name")?);
    context.things.get(&id).copied()
}

/// Workloads behind the Service that converts between a definition's versions, with that Service.
pub(super) fn conversion(context: &Context<'_>, definition: &Thing) -> Vec<(ThingId, ThingId)> {
    let service = definition
        .at("/spec/conversion/webhook/clientConfig/service")
        .and_then(|reference| service_named(context, reference));
    let Some(service) = service else {
        return Vec::new();
    };
    context
        .behind(service)
        .into_iter()
        .map(|workload| (service.id(), workload))
        .collect()
}

/// Workloads that answer webhooks of one group's own kinds, by group. A webhook for everything is nobody's operator.
fn webhooks(context: &Context<'_>) -> BTreeMap<String, Vec<(ThingId, String)>> {
    let mut found: BTreeMap<String, Vec<(ThingId, String)>> = BTreeMap::new();
    for kind in ADMISSION {
        for configuration in context.of_kind("admissionregistration.k8s.io", kind) {
            for (place, hook) in configuration.list("/webhooks").iter().enumerate() {
                let service = hook
                    .pointer("/clientConfig/service")
                    .and_then(|reference| service_named(context, reference));
                let Some(service) = service else {
                    continue;
                };
                let groups = hook
                    .get("rules")
                    .and_then(Json::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|rule| rule.get("apiGroups").and_then(Json::as_array))
                    .flatten()
                    .filter_map(Json::as_str)
                    .filter(|group| group.contains('.'));
                for group in groups {
                    let of_group = found.entry(group.to_owned()).or_default();
                    for workload in context.behind(service) {
                        let evidence = format!(
                            "{}: webhooks[{place}] asks {} about {group}",
                            configuration.id(),
                            service.id()
                        );
                        of_group.push((workload, evidence));
                    }
                }
            }
        }
    }
    found
}

/// Deployments of OLM's ClusterServiceVersions, by the name of a definition that they own.
fn owned_by_olm<'a>(context: &Context<'a>) -> BTreeMap<&'a str, Vec<(ThingId, String)>> {
    let mut found: BTreeMap<&str, Vec<(ThingId, String)>> = BTreeMap::new();
    let versions = context
        .objects
        .of_kind("operators.coreos.com", "ClusterServiceVersion");
    for version in versions {
        let Some(namespace) = version.namespace() else {
            continue;
        };
        let name_of = |one: &'_ Json| one.get("name").and_then(Json::as_str).map(str::to_owned);
        let deployments: Vec<ThingId> = version
            .list("/spec/install/spec/deployments")
            .iter()
            .filter_map(name_of)
            .map(|name| ThingId::namespaced("apps", "Deployment", namespace, &name))
            .filter(|id| context.has(id))
            .collect();
        for owned in version.list("/spec/customresourcedefinitions/owned") {
            let Some(name) = owned.get("name").and_then(Json::as_str) else {
                continue;
            };
            for deployment in &deployments {
                let evidence = format!(
                    "{}: spec.customresourcedefinitions.owned names {name}",
                    version.id()
                );
                found
                    .entry(name)
                    .or_default()
                    .push((deployment.clone(), evidence));
            }
        }
    }
    found
}

/// Namespace and name of the Helm release that wrote a thing.
pub(super) fn release(thing: &Thing) -> Option<(String, String)> {
    let name = thing.annotation("meta.helm.sh/release-name")?;
    let namespace = thing
        .annotation("meta.helm.sh/release-namespace")
        .or(thing.namespace())?;
    Some((namespace.to_owned(), name.to_owned()))
}

fn released(context: &Context<'_>) -> BTreeMap<(String, String), Vec<ThingId>> {
    let mut found: BTreeMap<(String, String), Vec<ThingId>> = BTreeMap::new();
    for (thing, _) in context.workloads() {
        if !thing.id().is("apps", "Deployment") {
            continue;
        }
        if let Some(release) = release(thing) {
            found.entry(release).or_default().push(thing.id());
        }
    }
    found
}
