//! From a host name to the things behind it: a Service of the protection, the workload that it selects, the custom resource
//! whose operator makes it.
//!
//! Reads no texts. Called by `links`.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Is;
use super::servers::{looks_like, served};
use crate::inventory::{Thing, ThingId};
use crate::json::Json;
use crate::plan::connections::Workload;
use crate::plan::context::{Context, write_step};

/// A Service that stands for another name is followed so far.
const ALIASES_MAX: usize = 4;

/// A Service and what answers behind it.
#[derive(Default)]
pub(super) struct Named {
    /// `shop/db`.
    pub(super) service: String,
    pub(super) targets: Vec<Target>,
}

#[derive(Clone)]
pub(super) struct Target {
    pub(super) thing: ThingId,
    pub(super) is: Is,
    pub(super) step: String,
}

type Place<'a> = (&'a str, &'a str);

pub(super) struct Resolver<'c, 'a> {
    context: &'c Context<'a>,
    /// Services of the protection, those that an operator makes included, by namespace and name.
    services: BTreeMap<Place<'a>, &'a Thing>,
    /// Custom resources by namespace and the name of a Service that their operator makes.
    expected: BTreeMap<(&'a str, String), &'a Thing>,
    known: BTreeMap<(String, String), Option<Rc<Named>>>,
    /// All that runs pods, carried or not, by namespace and name; made when it is first asked for.
    running: OnceCell<BTreeMap<Place<'a>, Vec<&'a Thing>>>,
}

impl<'c, 'a> Resolver<'c, 'a> {
    pub(super) fn new(context: &'c Context<'a>) -> Self {
        let services = context
            .objects
            .of_kind("", "Service")
            .filter_map(|service| Some(((service.namespace()?, service.name()), service)))
            .filter(|((namespace, _), _)| context.is_protected(namespace))
            .collect();
        let mut expected = BTreeMap::new();
        for (id, thing) in &context.things {
            let (Some(served), Some(namespace)) = (served(id), thing.namespace()) else {
                continue;
            };
            for pattern in served.services {
                let name = pattern.replace("{}", thing.name());
                expected.entry((namespace, name)).or_insert(*thing);
            }
        }
        Self {
            context,
            services,
            expected,
            known: BTreeMap::new(),
            running: OnceCell::new(),
        }
    }

    /// What a host name means to a pod of a namespace; `None` when it is no Service of the protection.
    pub(super) fn resolve(&mut self, near: &str, host: &str) -> Option<Rc<Named>> {
        let key = (near.to_owned(), host.to_owned());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let named = self.look_up(near, host, ALIASES_MAX).map(Rc::new);
        self.known.insert(key, named.clone());
        named
    }

    /// The same, what is behind it alone.
    pub(super) fn behind_name(&mut self, near: &str, host: &str) -> Vec<Target> {
        let named = self.resolve(near, host);
        named.map_or_else(Vec::new, |named| named.targets.clone())
    }

    /// What a workload is by its pods: a carried one, or one that the operator of something carried makes. The Service that shows most of
    /// what it is counts.
    pub(super) fn of_workload(&self, workload: &Workload) -> Vec<Target> {
        let place = (workload.namespace.as_str(), workload.name.as_str());
        let all = self.running.get_or_init(|| self.running()).get(&place);
        let all = all.into_iter().flatten().copied();
        let mut all = all.filter(|thing| workload.is_kind(thing));
        let is_carried = |thing: &&Thing| self.context.things.contains_key(&thing.id());
        if let Some(thing) = all.clone().find(is_carried) {
            let near = self.services.range((workload.namespace.as_str(), "")..);
            let near = near.take_while(|((namespace, _), _)| *namespace == workload.namespace);
            let through = near
                .filter(|(_, service)| self.context.behind(service).contains(&thing.id()))
                .map(|(_, service)| self.target(thing, Some(service)));
            let best = through.min_by_key(|target| target.is);
            return vec![best.unwrap_or_else(|| self.target(thing, None))];
        }
        let child = all.next();
        let root = child.and_then(|child| self.context.root(child));
        root.map(|root| self.target(root, None))
            .into_iter()
            .collect()
    }

    /// What a carried thing is by the pods that come from it.
    pub(super) fn of_thing(&self, thing: &Thing) -> Vec<Target> {
        if thing.pod_spec().is_none() {
            return vec![self.target(thing, None)];
        }
        self.of_workload(&Workload {
            namespace: thing.namespace().unwrap_or_default().to_owned(),
            kind: Some(thing.resource.kind.clone()),
            name: thing.name().to_owned(),
        })
    }

    fn running(&self) -> BTreeMap<Place<'a>, Vec<&'a Thing>> {
        let mut running: BTreeMap<Place<'a>, Vec<&'a Thing>> = BTreeMap::new();
        let all = self.context.objects.iter();
        for thing in all.filter(|thing| thing.pod_spec().is_some()) {
            if let Some(namespace) = thing.namespace() {
                let place = (namespace, thing.name());
                running.entry(place).or_default().push(thing);
            }
        }
        running
    }

    fn look_up(&self, near: &str, host: &str, aliases_left: usize) -> Option<Named> {
        let (namespace, name) = readings(near, host)
            .into_iter()
            .find(|(namespace, name)| self.is_there(namespace, name))?;
        let service = self.services.get(&(namespace, name)).copied();
        let mut named = Named {
            service: format!("{namespace}/{name}"),
            targets: Vec::new(),
        };
        if let Some(service) = service {
            if let Some(alias) = service.text("/spec/externalName") {
                let left = aliases_left.checked_sub(1)?;
                named.targets = self.look_up(namespace, alias, left)?.targets;
                return Some(named);
            }
            named.targets = self.behind(service);
        }
        if named.targets.is_empty()
            && let Some(custom) = self.expected.get(&(namespace, name.to_owned()))
        {
            named.targets.push(self.target(custom, service));
        }
        Some(named)
    }

    fn is_there(&self, namespace: &str, name: &str) -> bool {
        self.services.contains_key(&(namespace, name))
            || self.expected.contains_key(&(namespace, name.to_owned()))
    }

    /// The owner of the Service is the best evidence, then its selector, then whose children it selects.
    fn behind(&self, service: &'a Thing) -> Vec<Target> {
        let mut found: BTreeMap<ThingId, Target> = BTreeMap::new();
        let mut add = |thing: &Thing| {
            found
                .entry(thing.id())
                .or_insert_with(|| self.target(thing, Some(service)));
        };
        if let Some(owner) = self.context.root(service) {
            add(owner);
            return found.into_values().collect();
        }
        for workload in self.context.behind(service) {
            if let Some(thing) = self.context.things.get(&workload) {
                add(thing);
            }
        }
        let selector = service.at("/spec/selector");
        let selector = selector.and_then(Json::as_object);
        if let (Some(namespace), Some(selector)) = (service.namespace(), selector) {
            for child in self.context.children.with(namespace, selector) {
                if let Some(root) = self.context.root(child) {
                    add(root);
                }
            }
        }
        found.into_values().collect()
    }

    fn target(&self, thing: &Thing, service: Option<&Thing>) -> Target {
        let id = thing.id();
        if self.context.engine(&id).is_some() {
            return Target {
                step: self.context.works_step(&id),
                is: Is::Database,
                thing: id,
            };
        }
        let is = if let Some(served) = served(&id) {
            served.is
        } else if thing.pod_spec().is_none() || self.context.is_operator(&id) {
            Is::Server
        } else {
            service.map_or(Is::Application, |service| looks_like(thing, service))
        };
        Target {
            step: write_step(&id),
            is,
            thing: id,
        }
    }
}

/// A member of a StatefulSet: `db-0`.
fn is_ordinal(label: &str) -> bool {
    label.rsplit_once('-').is_some_and(|(_, ordinal)| {
        !ordinal.is_empty() && ordinal.bytes().all(|b| b.is_ascii_digit())
    })
}

/// False for a host name that no Service of a cluster has.
pub(in crate::plan) fn may_be_service(host: &str) -> bool {
    !readings("", host).is_empty()
}

/// Namespaces and names of the Services that a host name may mean, the likeliest first.
fn readings<'h>(near: &'h str, host: &'h str) -> Vec<(&'h str, &'h str)> {
    let mut labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let full = labels.iter().skip(1).position(|label| *label == "svc");
    if let Some(place) = full {
        labels.truncate(place + 1);
    }
    match *labels.as_slice() {
        [name] if full.is_none() => vec![(near, name)],
        [pod, name] if full.is_none() && is_ordinal(pod) => vec![(name, pod), (near, name)],
        [name, namespace] => vec![(namespace, name)],
        [pod, name, namespace] if is_ordinal(pod) => vec![(namespace, name)],
        _ => Vec::new(),
    }
}
