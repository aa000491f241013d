//! Which writes the API server is to try: those that it can try without doing them, and that say something.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::asked::is_own;
use super::super::steps;
use super::facts::{Rehearsal, Trial};
use super::scene::{Scene, text};
use super::served::carried_definition;
use crate::driver::FieldOwner;
use crate::inventory::{Resource, ThingId};
use crate::json::Json;
use crate::names::SYSTEM_NAMESPACE;
use crate::recovery::Writing;
use crate::run::Work;

/// What is to be tried, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rehearsals {
    /// To be tried, in any order.
    pub tried: Vec<Rehearsal>,
    /// What is not tried, and why: a line each.
    pub notes: Vec<String>,
    /// How many alike objects are left out because there are so many.
    pub left_out: usize,
}

pub(super) fn rehearsals(scene: &Scene<'_>, objects_max: usize) -> Rehearsals {
    // What the steps cannot be made of is told by the plan.
    let mut told_elsewhere = Vec::new();
    let steps = steps::steps(&scene.context, scene.point, scene.goal, &mut told_elsewhere);
    let writings = steps.values().filter_map(|step| match &step.work {
        Work::Write(writing) if !writing.adopt => Some(writing),
        _ => None,
    });
    let mut all = Vec::new();
    let mut untried: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for writing in writings {
        let id = writing.target().id();
        if scene.there(&id).is_some() {
            continue;
        }
        match untriable(scene, &writing.resource) {
            Some(why) => *untried.entry((&writing.resource.kind, why)).or_default() += 1,
            None => all.push((id, writing)),
        }
    }
    let before = all.len();
    let tried = sample(all, objects_max, |(_, writing)| {
        (&writing.resource, &writing.object)
    });
    let pods = sample(pods(scene), objects_max, |pod| (&pod.resource, &pod.object));
    Rehearsals {
        left_out: before - tried.len(),
        tried: tried
            .into_iter()
            .map(|(id, writing)| object(scene, &id, writing))
            .chain(pods)
            .collect(),
        notes: untried
            .into_iter()
            .map(|((kind, why), count)| format!("not tried: {count} of kind {kind}: {why}"))
            .collect(),
    }
}

/// Why a kind cannot be tried. A server of somebody else's may not know `dryRun`, and would write.
fn untriable(scene: &Scene<'_>, resource: &Resource) -> Option<&'static str> {
    let (group, kind) = (&resource.group, &resource.kind);
    if scene.context.serves(group, kind).is_none() {
        let carried = carried_definition(&scene.context, group, kind);
        return Some(if carried {
            "its definition comes with the recovery"
        } else {
            "the target does not serve it"
        });
    }
    let name = format!("{}.{group}", resource.version);
    let service = ThingId::cluster("apiregistration.k8s.io", "APIService", &name);
    let own = match scene.target.get(&service) {
        Some(service) => !service
            .object
            .pointer("/spec/service")
            .is_some_and(Json::is_object),
        None => is_own(group),
    };
    (!own).then_some("a server of its own serves it, which may not know how to try without doing")
}

fn stand_in<'a>(scene: &Scene<'_>) -> &'a str {
    if scene.namespace_exists(SYSTEM_NAMESPACE) {
        SYSTEM_NAMESPACE
    } else {
        "default"
    }
}

fn object(scene: &Scene<'_>, id: &ThingId, writing: &Writing) -> Rehearsal {
    let mut object = writing.object.clone();
    let mut trial = Trial::Object;
    if let Some(namespace) = &id.namespace
        && !scene.namespace_exists(namespace)
    {
        trial = Trial::StandIn;
        object.edit(|object| object["metadata"]["namespace"] = json!(stand_in(scene)));
    }
    Rehearsal {
        thing: id.clone(),
        trial,
        resource: writing.resource.clone(),
        object,
        owner: writing.owner.clone(),
    }
}

/// A pod of each template that goes into a namespace that exists: policies for pods refuse pods, and only warn of workloads.
fn pods(scene: &Scene<'_>) -> Vec<Rehearsal> {
    let mut pods = Vec::new();
    for (id, thing) in scene.written() {
        let namespace = thing.namespace().unwrap_or_default();
        let Some(spec) = thing
            .pod_spec()
            .filter(|_| !id.is("", "Pod") && scene.namespace_exists(namespace))
        else {
            continue;
        };
        let template = match id.kind.as_str() {
            "CronJob" => "/spec/jobTemplate/spec/template/metadata",
            _ => "/spec/template/metadata",
        };
        let metadata = |key: &str| {
            thing
                .object
                .pointer(&format!("{template}/{key}"))
                .map_or(json!({}), Json::to_value)
        };
        pods.push(Rehearsal {
            thing: id.clone(),
            trial: Trial::Pod,
            resource: Resource::namespaced("v1", "Pod", "pods"),
            object: json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": format!("refloat-preflight-{}", pods.len()), "namespace": namespace,
                    "labels": metadata("labels"), "annotations": metadata("annotations"),
                },
                "spec": pod_spec(thing.list("/spec/volumeClaimTemplates"), spec),
            })
            .into(),
            owner: FieldOwner::refloat(),
        });
    }
    pods
}

/// Without what comes only with the recovery: account and classes. Volumes of claims that are made from templates are empty ones.
fn pod_spec(templates: &[Json], spec: &Json) -> Value {
    let mut spec = spec.to_value();
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    for absent in [
        "serviceAccountName",
        "serviceAccount",
        "priorityClassName",
        "priority",
        "runtimeClassName",
        "overhead",
        "nodeName",
    ] {
        fields.remove(absent);
    }
    fields.insert("automountServiceAccountToken".to_owned(), json!(false));
    let volumes = fields.get("volumes").and_then(Value::as_array);
    let mut volumes = volumes.cloned().unwrap_or_default();
    for name in templates
        .iter()
        .filter_map(|one| text(one, "/metadata/name"))
    {
        volumes.push(json!({ "name": name, "emptyDir": {} }));
    }
    fields.insert("volumes".to_owned(), json!(volumes));
    spec
}

/// At most so many: first one of each shape, then more in order.
fn sample<T>(all: Vec<T>, objects_max: usize, of: impl Fn(&T) -> (&Resource, &Json)) -> Vec<T> {
    if all.len() <= objects_max {
        return all;
    }
    let mut shapes = BTreeSet::new();
    let (mut first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| {
        let (resource, object) = of(one);
        let mut fields = BTreeSet::new();
        shape(object, "", &mut fields);
        shapes.insert((resource.clone(), fields))
    });
    first.extend(rest);
    first.truncate(objects_max);
    first
}

/// Paths of all fields but those whose keys people choose.
fn shape(value: &Json, path: &str, fields: &mut BTreeSet<String>) {
    match value {
        Json::Object(map)
            if !matches!(
                path,
                "/data"
                    | "/stringData"
                    | "/binaryData"
                    | "/metadata/labels"
                    | "/metadata/annotations"
            ) =>
        {
            for (key, inner) in map {
                shape(inner, &format!("{path}/{key}"), fields);
            }
        }
        Json::Array(list) => list.iter().for_each(|inner| shape(inner, path, fields)),
        Json::Object(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            fields.insert(path.to_owned());
        }
    }
}
