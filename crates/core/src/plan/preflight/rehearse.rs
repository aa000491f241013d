//! Which writes the API server is to try: those that it can try without doing them, and that say something.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::asked::is_own;
use super::super::context::write_step;
use super::super::{adopted, steps};
use super::facts::{Rehearsal, Trial};
use super::scene::{Scene, text};
use super::served::carried_definition;
use super::shapes::{Likeness, Shapes};
use crate::driver::FieldOwner;
use crate::inventory::{Resource, Thing, ThingId};
use crate::json::Json;
use crate::names::SYSTEM_NAMESPACE;
use crate::recovery::owner_of;

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

/// A write that can be tried, before it is made.
struct Triable<'a> {
    id: &'a ThingId,
    thing: &'a Thing,
    resource: Resource,
}

/// A write as the plan will have it.
struct Write<'a> {
    of: Triable<'a>,
    object: Json,
}

/// Looks at all things and makes the writes of those alone that may be tried: of a hundred thousand most are at the target already, or
/// are more than are tried.
pub(super) fn rehearsals(scene: &Scene<'_>, objects_max: usize) -> Rehearsals {
    let mut untried: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    // In the order of the plan's steps by their ids.
    let mut all = BTreeMap::new();
    for (id, thing) in &scene.context.things {
        if adopted::is_made_by_cluster(id) || scene.there(id).is_some() {
            continue;
        }
        let resource = steps::resource(scene.context, thing);
        if let Some(why) = untriable(scene, &resource) {
            *untried.entry((&id.kind, why)).or_default() += 1;
            continue;
        }
        let one = Triable {
            id,
            thing,
            resource,
        };
        all.insert(write_step(id), one);
    }
    let count = all.len();
    let writes = all.into_values().map(|of| Write {
        object: steps::written(scene.context, of.thing, &of.resource, scene.goal),
        of,
    });
    let tried = sample(writes, objects_max, |one| (&one.of.resource, &one.object));
    let pods = pods(scene).into_iter();
    let pods = sample(pods, objects_max, |pod| (&pod.resource, &pod.object));
    Rehearsals {
        left_out: count - tried.len(),
        tried: tried
            .into_iter()
            .map(|one| rehearsal(scene, one))
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
        let carried = carried_definition(scene.context, group, kind);
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

fn rehearsal(scene: &Scene<'_>, write: Write<'_>) -> Rehearsal {
    let Write { of, mut object } = write;
    let mut trial = Trial::Object;
    if let Some(namespace) = &of.id.namespace
        && !scene.namespace_exists(namespace)
    {
        trial = Trial::StandIn;
        if let Some(metadata) = object.get_mut("metadata") {
            metadata.set("namespace", Json::of_text(stand_in(scene)));
        }
    }
    Rehearsal {
        thing: of.id.clone(),
        trial,
        resource: of.resource,
        object,
        owner: owner_of(of.thing),
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

/// At most so many: first one of each shape, then one of each shape in each namespace, for rights, quotas and policies are a namespace's
/// own; then more in order. Holds no more than it may still need.
fn sample<T>(
    all: impl ExactSizeIterator<Item = T>,
    objects_max: usize,
    of: impl Fn(&T) -> (&Resource, &Json),
) -> Vec<T> {
    if all.len() <= objects_max {
        return all.collect();
    }
    let mut shapes = Shapes::default();
    let (mut first, mut second, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for one in all {
        if first.len() == objects_max {
            break;
        }
        let (resource, object) = of(&one);
        match shapes.likeness(resource, object) {
            Likeness::New => first.push(one),
            Likeness::NewThere if second.len() < objects_max => second.push(one),
            Likeness::Known if rest.len() < objects_max => rest.push(one),
            Likeness::NewThere | Likeness::Known => {}
        }
    }
    first.extend(second);
    first.extend(rest);
    first.truncate(objects_max);
    first
}
