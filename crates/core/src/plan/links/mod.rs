//! What texts of a workload name: from host names in its values to the databases, queues, caches and applications behind
//! them.
//!
//! Draws no edge: rules do. A Secret's text is looked into, never repeated. Called by `context`.

mod reading;
mod resolving;
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
use texts::Texts;

/// How a workload names another thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// An init container or a probe waits for it.
    Wait,
    /// It stands in a value.
    Text,
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
    let mut all = BTreeMap::new();
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
    all
}
