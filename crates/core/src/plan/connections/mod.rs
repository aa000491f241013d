//! Connections that were seen between workloads, as networks tell them: Hubble's flows, what Prometheus knows of Istio, CoreDNS' log of questions, and
//! nodes' tables of connections.
//!
//! Reads documents, and resolves nothing: `links` does. What was not seen may be there all the same: so this adds edges, and takes
//! away only the guess that who names no database waits for all of them.

mod conntrack;
mod coredns;
mod hubble;
mod istio;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::mapping::Mappings;

/// Different connections that are kept: far more than a protection has workloads, squared.
const CONNECTIONS_MAX: usize = 100_000;

/// Who tells of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Witness {
    /// A flow of Hubble.
    Hubble,
    /// A question to the DNS, in a flow of Hubble.
    Dns,
    /// A counter of Istio.
    Istio,
    /// A question in the log of CoreDNS.
    CoreDns,
    /// A node's table of connections.
    Conntrack,
}

/// Who began a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// A workload.
    Workload(Workload),
    /// The pod that had this address.
    Address(IpAddr),
}

/// Whom a workload talked to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A workload, by its pods.
    Workload(Workload),
    /// A host name, as it was asked for.
    Name(String),
    /// Who had this address: a Service or a pod.
    Address {
        /// The address that was called.
        address: IpAddr,
        /// Its port.
        port: u16,
        /// Where the connection was led.
        led: IpAddr,
    },
}

/// Something that runs pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// `Deployment`, where it is told.
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
}

/// A workload talked to somebody. Names are those of the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Who began it.
    pub client: Client,
    /// With whom.
    pub peer: Peer,
    /// Who tells so.
    pub witness: Witness,
}

/// Connections that were seen, each with how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    seen: BTreeMap<Connection, u64>,
    /// How many lines told of yet another one when there were too many: a node's table has every client of the whole world.
    left_out: u64,
}

impl Connections {
    /// Takes one document: a flow of Hubble (`hubble observe -o jsonpb`, one of its lines; see `api/v1/flow/flow.proto` of Cilium), or an
    /// answer of Prometheus about Istio's `istio_requests_total` or `istio_tcp_connections_opened_total`.
    ///
    /// Says how many connections it tells of.
    ///
    /// # Errors
    /// What it is instead, for people.
    pub fn add(&mut self, document: &Value) -> Result<usize, String> {
        let found = match hubble::connections(document)? {
            Some(found) => found,
            None => istio::connections(document)?.ok_or(
                "it is neither a flow of Hubble (`hubble observe -o jsonpb`) nor an answer of Prometheus",
            )?,
        };
        let told = found.len();
        for (connection, times) in found {
            self.count(connection, times)?;
        }
        Ok(told)
    }

    /// Takes one line: of CoreDNS' log of questions (plugin `log`), or of a node's table of connections (`conntrack -L`).
    ///
    /// Says whether it tells of a connection; `None` for a line that is neither: logs hold others, too. When there are too many different ones,
    /// further ones are counted and left out.
    pub fn add_line(&mut self, line: &str) -> Option<bool> {
        let found = coredns::connection(line).or_else(|| conntrack::connection(line))?;
        let told = !found.is_empty();
        for connection in found {
            if self.seen.len() < CONNECTIONS_MAX || self.seen.contains_key(&connection) {
                let count = self.seen.entry(connection).or_default();
                *count = count.saturating_add(1);
            } else {
                self.left_out += 1;
            }
        }
        Some(told)
    }

    fn count(&mut self, connection: Connection, times: u64) -> Result<(), String> {
        let count = self.seen.entry(connection).or_default();
        *count = count.saturating_add(times);
        if self.seen.len() > CONNECTIONS_MAX {
            return Err(format!(
                "there are more than {CONNECTIONS_MAX} different connections"
            ));
        }
        Ok(())
    }

    /// How many lines of logs and tables told of yet another connection when there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many different connections there are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Connection, u64)> {
        self.seen.iter().map(|(one, times)| (one, *times))
    }

    /// The same under the names of the target.
    pub(super) fn mapped(&self, mappings: &Mappings) -> Self {
        let namespace = |old: &str| -> String {
            let new = mappings.namespaces.get(old);
            new.map_or(old, String::as_str).to_owned()
        };
        let workload = |one: &Workload| Workload {
            namespace: namespace(&one.namespace),
            ..one.clone()
        };
        let seen = self.seen.iter().map(|(one, times)| {
            let peer = match &one.peer {
                Peer::Service {
                    namespace: of,
                    name,
                } => Peer::Service {
                    namespace: namespace(of),
                    name: name.clone(),
                },
                Peer::Workload(one) => Peer::Workload(workload(one)),
                Peer::Name(host) => Peer::Name(mapped_host(host, &namespace)),
                Peer::Address { .. } => one.peer.clone(),
            };
            let client = match &one.client {
                Client::Workload(one) => Client::Workload(workload(one)),
                Client::Address(_) => one.client.clone(),
            };
            let mapped = Connection {
                client,
                peer,
                witness: one.witness,
            };
            (mapped, *times)
        });
        Self {
            seen: seen.collect(),
            left_out: self.left_out,
        }
    }
}

/// A host name inside the cluster, `db.shop.svc…` or `db.shop`, with its namespace's name at the target.
fn mapped_host(host: &str, namespace: &impl Fn(&str) -> String) -> String {
    let mut labels: Vec<String> = host.split('.').map(str::to_owned).collect();
    let before_svc = labels.iter().skip(2).position(|label| label == "svc");
    let place = before_svc.map_or(1, |place| place + 1);
    if (before_svc.is_some() || labels.len() == 2)
        && let Some(label) = labels.get_mut(place)
    {
        *label = namespace(label);
    }
    labels.join(".")
}

#[cfg(test)]
mod tests;
