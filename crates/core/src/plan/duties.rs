//! What others expect of an object once it is there: an operator leads, a webhook answers about what will be written. Called by
//! `steps`.

use std::collections::BTreeMap;

use serde_json::json;

use super::asked::{is_asked, is_own, may_be_asked, pod_of};
use super::clean::clean;
use super::context::Context;
use super::operators::ADMISSION;
use super::steps::resource;
use crate::inventory::{Thing, ThingId};
use crate::json::{Json, Tree};
use crate::readiness::{Duty, Sample};

const DEFINITION: &str = "CustomResourceDefinition";

/// The duties of all that have any.
pub(super) fn duties(context: &Context<'_>) -> BTreeMap<ThingId, Box<Duty>> {
    let mut duties = BTreeMap::new();
    let operators = context.of_kind("apps", "Deployment");
    for id in operators
        .map(Thing::id)
        .filter(|id| context.is_operator(id))
    {
        let duty = Duty {
            operator: true,
            ..Duty::default()
        };
        duties.insert(id, Box::new(duty));
    }
    let configurations: Vec<&Thing> = ADMISSION
        .iter()
        .flat_map(|kind| context.of_kind("admissionregistration.k8s.io", kind))
        .collect();
    if configurations.is_empty() {
        return duties;
    }
    let kinds = kinds(context);
    for configuration in configurations {
        let samples = samples(context, &kinds, configuration);
        if !samples.is_empty() {
            let duty = Duty {
                samples,
                ..Duty::default()
            };
            duties.insert(configuration.id(), Box::new(duty));
        }
    }
    duties
}

/// One thing of each kind that is carried and can be tried: a server of somebody else's may not know `dryRun`, and would write.
fn kinds<'a>(context: &Context<'a>) -> Vec<&'a Thing> {
    context
        .kinds()
        .filter_map(|(group, kind)| context.of_kind(group, kind).next())
        .filter(|thing| {
            let (group, plural) = (&thing.resource.group, &thing.resource.plural);
            let definition = ThingId::cluster(
                "apiextensions.k8s.io",
                DEFINITION,
                &format!("{plural}.{group}"),
            );
            is_own(group) || context.has(&definition) || context.target.get(&definition).is_some()
        })
        .collect()
}

/// For each webhook that a Service answers the first object that it is asked about.
fn samples(context: &Context<'_>, kinds: &[&Thing], configuration: &Thing) -> Vec<Sample> {
    let labels_of = |namespace: &str| {
        let id = ThingId::cluster("", "Namespace", namespace);
        context.things.get(&id)?.at("/metadata/labels")
    };
    let hooks = configuration.list("/webhooks").iter();
    hooks
        .filter(|hook| hook.at("/clientConfig/service").is_some())
        .filter_map(|hook| {
            let webhook = hook.at("/name")?.text()?;
            let all = |one: &&Thing| {
                let resource = &one.resource;
                may_be_asked(hook, &resource.group, &resource.plural)
            };
            let mut asked = kinds
                .iter()
                .copied()
                .filter(all)
                .flat_map(|one| context.of_kind(&one.resource.group, &one.resource.kind));
            let thing = asked.find(|thing| is_asked(hook, thing, labels_of));
            let of_pod = || {
                may_be_asked(hook, "", "pods").then(|| {
                    let mut pods = context
                        .workloads()
                        .filter(|(thing, _)| thing.namespace().is_some())
                        .filter_map(|(thing, spec)| Some((pod_of(thing)?, spec)));
                    pods.find(|(pod, _)| is_asked(hook, pod, labels_of))
                })?
            };
            let (resource, object) = match thing {
                Some(thing) => (resource(context, thing), written(context, thing)),
                None => of_pod().map(|(pod, spec)| (pod.resource.clone(), whole(&pod, spec)))?,
            };
            Some(Sample {
                webhook: webhook.to_owned(),
                resource,
                object,
            })
        })
        .collect()
}

/// As it will be written; of a Secret no secret.
fn written(context: &Context<'_>, thing: &Thing) -> Json {
    let patched = context.written.and_then(|written| written.get(&thing.id()));
    let mut object = patched.cloned().unwrap_or_else(|| clean(&thing.object));
    let version = resource(context, thing).api_version();
    object.set("apiVersion", Json::of_text(&version));
    if thing.id().is("", "Secret") {
        object.edit(|object| {
            object["data"] = json!({});
            object["stringData"] = json!({});
            object["type"] = json!("Opaque");
        });
    }
    object
}

/// A pod with what a workload's pods run, under the account that every namespace has.
fn whole(pod: &Thing, spec: &Json) -> Json {
    let mut object = pod.object.clone();
    let mut spec = spec.to_value();
    if let Some(fields) = spec.as_object_mut() {
        for named in ["serviceAccountName", "serviceAccount", "nodeName"] {
            fields.remove(named);
        }
    }
    object.edit(|object| object["spec"] = spec);
    object
}
