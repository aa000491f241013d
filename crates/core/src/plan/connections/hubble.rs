//! Flows of Hubble, Cilium's and others': one JSON object each, as `hubble observe -o jsonpb` and the exporter write them.
//! Source: cilium/cilium, `api/v1/flow/flow.proto` and `api/v1/observer/observer.proto`.

use serde::Deserialize;
use serde_json::Value;

use super::super::links::may_be_service;
use super::{Client, Connection, Peer, Witness, Workload};

/// What an entry may hold besides a flow (`GetFlowsResponse`, `ExportEvent`).
const OTHER_EVENTS: &[&str] = &["node_status", "lost_events", "agent_event", "debug_event"];

#[derive(Deserialize)]
struct Flow {
    verdict: Option<String>,
    /// Absent when it is not known.
    is_reply: Option<bool>,
    l4: Option<Layer4>,
    l7: Option<Layer7>,
    #[serde(default)]
    source: Endpoint,
    #[serde(default)]
    destination: Endpoint,
    destination_service: Option<Named>,
}

#[derive(Deserialize)]
struct Layer4 {
    #[serde(rename = "TCP")]
    tcp: Option<Value>,
    #[serde(rename = "SCTP")]
    sctp: Option<Value>,
}

#[derive(Deserialize)]
struct Layer7 {
    #[serde(rename = "type")]
    kind: Option<String>,
    dns: Option<Dns>,
}

#[derive(Deserialize)]
struct Dns {
    query: Option<String>,
}

#[derive(Default, Deserialize)]
struct Endpoint {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    workloads: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

impl Endpoint {
    fn workloads(&self) -> impl Iterator<Item = Workload> {
        let named = self.workloads.iter().filter(|one| !one.name.is_empty());
        let named = named.filter(|_| !self.namespace.is_empty());
        named.map(|one| Workload {
            namespace: self.namespace.clone(),
            kind: Some(one.kind.clone()).filter(|kind| !kind.is_empty()),
            name: one.name.clone(),
        })
    }
}

impl Flow {
    fn went_through(&self) -> bool {
        matches!(
            self.verdict.as_deref(),
            Some("FORWARDED" | "REDIRECTED" | "TRANSLATED" | "TRACED")
        )
    }

    fn question(&self) -> Option<&str> {
        let l7 = self.l7.as_ref()?;
        let query = l7.dns.as_ref()?.query.as_deref()?;
        (l7.kind.as_deref() == Some("REQUEST") && !query.is_empty()).then_some(query)
    }

    fn peers(&self) -> Vec<(Peer, Witness)> {
        if !self.went_through() {
            return Vec::new();
        }
        if let Some(query) = self.question() {
            let host = query.trim_end_matches('.').to_owned();
            // Those of all the world are many.
            return if may_be_service(&host) {
                vec![(Peer::Name(host), Witness::Dns)]
            } else {
                Vec::new()
            };
        }
        let is_stream = |l4: &Layer4| l4.tcp.is_some() || l4.sctp.is_some();
        // Who answers did not begin it.
        if self.is_reply != Some(false) || !self.l4.as_ref().is_some_and(is_stream) {
            return Vec::new();
        }
        let service = self.destination_service.as_ref();
        if let Some(service) = service.filter(|one| !one.name.is_empty()) {
            let peer = Peer::Service {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
            };
            return vec![(peer, Witness::Hubble)];
        }
        let all = self.destination.workloads();
        all.map(|one| (Peer::Workload(one), Witness::Hubble))
            .collect()
    }
}

/// What an entry tells, each connection once; `None` when it is no entry of Hubble's.
pub(super) fn connections(document: &Value) -> Result<Option<Vec<(Connection, u64)>>, String> {
    if OTHER_EVENTS.iter().any(|key| document.get(key).is_some()) {
        return Ok(Some(Vec::new()));
    }
    // `-o json` of older versions writes flows without their envelope.
    let bare = || document.get("verdict").is_some() && document.get("source").is_some();
    let flow = match document.get("flow") {
        Some(flow) => flow,
        None if bare() => document,
        None => return Ok(None),
    };
    let flow = Flow::deserialize(flow).map_err(|error| format!("a flow of Hubble: {error}"))?;
    let peers = flow.peers();
    let clients = flow.source.workloads();
    let all = clients.flat_map(|client| {
        let with = |(peer, witness): &(Peer, Witness)| Connection {
            client: Client::Workload(client.clone()),
            peer: peer.clone(),
            witness: *witness,
        };
        peers.iter().map(with).collect::<Vec<_>>()
    });
    Ok(Some(all.map(|one| (one, 1)).collect()))
}
