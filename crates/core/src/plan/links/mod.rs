//! What texts of a workload name: from host names in its values to the databases, queues, caches and applications behind
//! them; and what it was seen talking to.
//!
//! Draws no edge: rules do. A Secret's text is looked into, never repeated. Called by `context`.

mod addresses;
mod reading;
mod resolving;
mod seen;
pub(super) mod servers;
#[cfg(test)]
mod tests;
mod texts;
mod words;

use std::collections::BTreeMap;

use super::context::Context;
use crate::inventory::ThingId;
pub(super) use reading::spec_path;
use resolving::Resolver;
pub(super) use resolving::may_be_service;
use texts::Texts;

/// How a workload names another thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// An init container or a probe waits for it.
    Wait,
    /// It stands in a value.
    Text,
    /// They were seen talking.
    Seen,
    /// Addresses that they had were seen talking.
    SeenByAddress,
}

/// What a workload's text leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Is {
    /// A member, a database of an operator, or what looks like one.
    Database,
    /// A queue, a cache, a search, an operator: something that others use.
    Server,
    /// An application like any other.
    Application,
}

/// A workload names a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) how: How,
    /// What is named.
    pub(super) thing: ThingId,
    pub(super) is: Is,
    /// The step after which it works.
    pub(super) step: String,
    /// Where, and by which Service: `… env[DATABASE_URL] names Service shop/db`.
    pub(super) evidence: String,
}

/// What each workload names. The first place in which it names a thing is kept, a wait beside a value.
pub(super) fn links(context: &Context<'_>) -> BTreeMap<ThingId, Vec<Link>> {
    let mut texts = Texts::new(context);
    let mut resolver = Resolver::new(context);
    let mut all: BTreeMap<ThingId, Vec<Link>> = BTreeMap::new();
    for (thing, spec) in context.workloads() {
        let id = thing.id();
        let namespace = thing.namespace().unwrap_or_default();
        let mut found: BTreeMap<(ThingId, How), Link> = BTreeMap::new();
        for read in reading::reads(&mut texts, thing, spec) {
            for host in read.hosts.iter() {
                let Some(named) = resolver.resolve(namespace, host) else {
                    continue;
                };
                if named.targets.iter().any(|target| target.thing == id) {
                    // Its own name.
                    continue;
                }
                for target in &named.targets {
                    let key = (target.thing.clone(), read.how);
                    found.entry(key).or_insert_with(|| Link {
                        how: read.how,
                        thing: target.thing.clone(),
                        is: target.is,
                        step: target.step.clone(),
                        evidence: format!("{} names Service {}", read.place, named.service),
                    });
                }
            }
        }
        if !found.is_empty() {
            all.insert(id, found.into_values().collect());
        }
    }
    if let Some(connections) = context.connections {
        for (id, found) in seen::links(context, connections, &mut resolver) {
            let links: &mut Vec<Link> = all.entry(id).or_default();
            links.extend(found.into_values());
        }
    }
    all
}

/// That connections which were seen add no edge, if so.
pub(super) fn useless(context: &Context<'_>) -> Option<String> {
    let connections = context.connections.filter(|all| !all.is_empty())?;
    let mut all = context.links().values().flatten();
    let is_seen = |link: &Link| matches!(link.how, How::Seen | How::SeenByAddress);
    let is_of_use = |link: &Link| is_seen(link) && link.is != Is::Application;
    (!all.any(is_of_use)).then(|| {
        format!(
            "the {} connections that were seen are with no database, queue or cache of this point: they add nothing",
            connections.len()
        )
    })
}
