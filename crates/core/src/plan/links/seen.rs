//! What workloads were seen talking to: from connections to the things behind them.

use std::collections::BTreeMap;

use super::resolving::{Resolver, Target};
use super::{How, Link};
use crate::inventory::{Thing, ThingId};
use crate::plan::connections::{Connection, Connections, Peer, Witness, Workload};
use crate::plan::context::Context;

/// Links by the workload that was seen, each of another thing.
pub(super) fn links(
    context: &Context<'_>,
    connections: &Connections,
    resolver: &mut Resolver<'_, '_>,
) -> BTreeMap<ThingId, BTreeMap<ThingId, Link>> {
    let mut workloads: BTreeMap<(&str, &str), Vec<&Thing>> = BTreeMap::new();
    for (thing, _) in context.workloads() {
        let place = (thing.namespace().unwrap_or_default(), thing.name());
        workloads.entry(place).or_default().push(thing);
    }
    let mut all: BTreeMap<ThingId, BTreeMap<ThingId, Link>> = BTreeMap::new();
    for (connection, times) in connections.iter() {
        let client = &connection.client;
        let place = (client.namespace.as_str(), client.name.as_str());
        for thing in workloads.get(&place).into_iter().flatten() {
            if !client.is_kind(thing) {
                continue;
            }
            let id = thing.id();
            let targets = resolver.seen(connection);
            // Behind its own Service there are peers, if others are.
            if targets.iter().any(|target| target.thing == id) {
                continue;
            }
            for target in targets {
                if context.runs(&id, &target.thing) {
                    continue;
                }
                let evidence = evidence(connection, times);
                let found = all.entry(id.clone()).or_default();
                found.entry(target.thing.clone()).or_insert_with(|| Link {
                    how: How::Seen,
                    thing: target.thing,
                    is: target.is,
                    step: target.step,
                    evidence,
                });
            }
        }
    }
    all
}

impl Workload {
    /// True when its kind is that of the thing, or not told.
    pub(super) fn is_kind(&self, thing: &Thing) -> bool {
        let kind = self.kind.as_ref();
        kind.is_none_or(|kind| *kind == thing.resource.kind)
    }
}

fn evidence(connection: &Connection, times: u64) -> String {
    let often = match times {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let peer = match &connection.peer {
        Peer::Service { namespace, name } => format!("Service {namespace}/{name}"),
        Peer::Workload(one) => {
            let kind = one.kind.as_deref().unwrap_or("workload");
            format!("{kind} {}/{}", one.namespace, one.name)
        }
        Peer::Name(host) => host.clone(),
    };
    match connection.witness {
        Witness::Hubble => format!("Hubble saw it connect to {peer} {often}"),
        Witness::Dns => format!("Hubble saw it ask the DNS for {peer} {often}"),
        Witness::Istio => format!("Istio saw it connect to {peer} {often}"),
    }
}

impl Resolver<'_, '_> {
    /// The things behind the other end of a connection.
    fn seen(&mut self, connection: &Connection) -> Vec<Target> {
        let near = &connection.client.namespace;
        match &connection.peer {
            Peer::Service { namespace, name } => {
                self.behind_name(near, &format!("{name}.{namespace}.svc"))
            }
            Peer::Name(host) => self.behind_name(near, host),
            Peer::Workload(workload) => self.of_workload(workload),
        }
    }
}
