//! What workloads were seen talking to: from connections to the things behind them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::addresses::Addresses;
use super::resolving::{Resolver, Target};
use super::{How, Link};
use crate::inventory::{Thing, ThingId};
use crate::plan::connections::{Client, Connection, Connections, Peer, Witness, Workload};
use crate::plan::context::Context;

/// Links by the workload that was seen, each of another thing.
pub(super) fn links(
    context: &Context<'_>,
    connections: &Connections,
    resolver: &mut Resolver<'_, '_>,
) -> BTreeMap<ThingId, BTreeMap<ThingId, Link>> {
    if connections.is_empty() {
        return BTreeMap::new();
    }
    let parties = Parties::of(context);
    let mut all: BTreeMap<ThingId, BTreeMap<ThingId, Link>> = BTreeMap::new();
    for (connection, times) in connections.iter() {
        for thing in parties.clients(&connection.client) {
            let id = thing.id();
            let targets = resolver.seen(thing, &connection.peer, &parties.addresses);
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
                    how: how(connection),
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

/// Who may have been seen.
struct Parties<'c, 'a> {
    workloads: BTreeMap<(&'a str, &'a str), Vec<&'a Thing>>,
    addresses: Addresses<'c, 'a>,
}

impl<'c, 'a> Parties<'c, 'a> {
    fn of(context: &'c Context<'a>) -> Self {
        let mut workloads: BTreeMap<(&str, &str), Vec<&Thing>> = BTreeMap::new();
        for (thing, _) in context.workloads() {
            let place = (thing.namespace().unwrap_or_default(), thing.name());
            workloads.entry(place).or_default().push(thing);
        }
        Self {
            workloads,
            addresses: Addresses::of(context),
        }
    }

    fn clients(&self, client: &Client) -> Vec<&'a Thing> {
        match client {
            Client::Workload(client) => {
                let place = (client.namespace.as_str(), client.name.as_str());
                let all = self.workloads.get(&place).into_iter().flatten();
                all.filter(|thing| client.is_kind(thing)).copied().collect()
            }
            Client::Address(address) => {
                let one = self.addresses.behind_pod(*address);
                one.into_iter().collect()
            }
        }
    }
}

fn how(connection: &Connection) -> How {
    match connection.client {
        Client::Workload(_) => How::Seen,
        Client::Address(_) => How::SeenByAddress,
    }
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
        Peer::Address { address, port, .. } => SocketAddr::new(*address, *port).to_string(),
    };
    match connection.witness {
        Witness::Hubble => format!("Hubble saw it connect to {peer} {often}"),
        Witness::Dns => format!("Hubble saw it ask the DNS for {peer} {often}"),
        Witness::Istio => format!("Istio saw it connect to {peer} {often}"),
        Witness::CoreDns => {
            format!("the log of CoreDNS has its pod's address ask for {peer} {often}")
        }
        Witness::Conntrack => format!("a node saw its pod's address connect to {peer} {often}"),
    }
}

impl Resolver<'_, '_> {
    /// The things behind the other end of a connection.
    fn seen(&mut self, client: &Thing, peer: &Peer, addresses: &Addresses<'_, '_>) -> Vec<Target> {
        let near = client.namespace().unwrap_or_default();
        match peer {
            Peer::Service { namespace, name } => {
                self.behind_name(near, &format!("{name}.{namespace}.svc"))
            }
            Peer::Name(host) => self.behind_name(near, host),
            Peer::Workload(workload) => self.of_workload(workload),
            Peer::Address { address, led, .. } => {
                if let Some(service) = addresses.service(*address) {
                    let namespace = service.namespace().unwrap_or_default();
                    return self.behind_name(near, &format!("{}.{namespace}.svc", service.name()));
                }
                let there = addresses.behind_pod(*address);
                let there = there.or_else(|| addresses.behind_pod(*led));
                there.map_or_else(Vec::new, |thing| self.of_thing(thing))
            }
        }
    }
}
