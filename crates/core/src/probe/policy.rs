//! Whether network policies keep a probe pod from a server, by the rules of `networking.k8s.io/v1` (Kubernetes documentation,
//! "Network Policies"): a pod that no policy selects is open; one that some select is open to what any of them allows.
//!
//! Says what the objects say; whether the cluster's network enforces them, only a try tells.

use std::net::IpAddr;

use serde_json::Value;

use super::target::{list, text};

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'v> {
    pub(super) namespace: &'v str,
    /// `metadata.labels` of its namespace; `None` when unknown.
    pub(super) namespace_labels: Option<&'v Value>,
    pub(super) who: Who<'v>,
    /// Its address, when known.
    pub(super) address: Option<IpAddr>,
}

/// Who is at an end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'v> {
    /// A pod: its `metadata`.
    Pod(&'v Value),
    /// Somebody outside the cluster.
    Outside,
    /// Nobody knows: whatever may be meant, is meant.
    Unknown,
}

impl<'v> Who<'v> {
    fn label(self, key: &str) -> Option<&'v str> {
        match self {
            Self::Pod(metadata) => metadata.get("labels")?.get(key)?.as_str(),
            Self::Outside | Self::Unknown => None,
        }
    }
}

/// Where a connection goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port<'v> {
    pub(super) number: u16,
    /// `TCP` or `UDP`.
    pub(super) protocol: &'static str,
    /// The pod that has it, for ports by name.
    pub(super) pod: Option<&'v Value>,
}

/// Names of the policies that select the server's pod and of which none lets the client in.
pub(super) fn not_let_in(
    policies: &[Value],
    server: End<'_>,
    client: End<'_>,
    port: Port<'_>,
) -> Vec<String> {
    blocking(policies, "Ingress", server, client, port)
}

/// Names of the policies that select the client's pod and of which none lets it out to the server.
pub(super) fn not_let_out(
    policies: &[Value],
    client: End<'_>,
    server: End<'_>,
    port: Port<'_>,
) -> Vec<String> {
    blocking(policies, "Egress", client, server, port)
}

fn blocking(
    policies: &[Value],
    direction: &str,
    end: End<'_>,
    other: End<'_>,
    port: Port<'_>,
) -> Vec<String> {
    let selecting: Vec<&Value> = policies
        .iter()
        .filter(|policy| text(policy, "/metadata/namespace") == Some(end.namespace))
        .filter(|policy| is_of(policy, direction))
        .filter(|policy| {
            let selector = policy.pointer("/spec/podSelector");
            selects(selector, |key| end.who.label(key))
        })
        .collect();
    let allowed = selecting
        .iter()
        .any(|policy| allows(policy, direction, other, port));
    if allowed {
        return Vec::new();
    }
    let names = selecting
        .iter()
        .filter_map(|policy| text(policy, "/metadata/name"));
    names.map(str::to_owned).collect()
}

/// Without `policyTypes` a policy is for what comes in, and for what goes out if it has rules for that.
fn is_of(policy: &Value, direction: &str) -> bool {
    let mut types = list(policy, "/spec/policyTypes").peekable();
    if types.peek().is_some() {
        return types.any(|one| one.as_str() == Some(direction));
    }
    direction == "Ingress" || list(policy, "/spec/egress").next().is_some()
}

fn allows(policy: &Value, direction: &str, other: End<'_>, port: Port<'_>) -> bool {
    let (rules, peers) = match direction {
        "Ingress" => ("/spec/ingress", "/from"),
        _ => ("/spec/egress", "/to"),
    };
    let home = text(policy, "/metadata/namespace").unwrap_or_default();
    list(policy, rules).any(|rule| {
        let mut from = list(rule, peers).peekable();
        let mut ports = list(rule, "/ports").peekable();
        let is_peer = from.peek().is_none() || from.any(|peer| is_peer(peer, home, other));
        let is_port = ports.peek().is_none() || ports.any(|one| is_port(one, port));
        is_peer && is_port
    })
}

fn is_port(rule: &Value, port: Port<'_>) -> bool {
    if text(rule, "/protocol").unwrap_or("TCP") != port.protocol {
        return false;
    }
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    match (rule.get("port"), rule.get("endPort").and_then(number)) {
        (None, _) => true,
        (Some(first), last) if first.is_number() => number(first)
            .is_some_and(|first| (first..=last.unwrap_or(first)).contains(&port.number)),
        (Some(name), _) => port.pod.is_some_and(|pod| {
            list(pod, "/spec/containers")
                .flat_map(|container| list(container, "/ports"))
                .any(|one| {
                    one.get("name") == Some(name)
                        && one.get("containerPort").and_then(number) == Some(port.number)
                })
        }),
    }
}

fn is_peer(peer: &Value, home: &str, other: End<'_>) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        // An address that is not known may be in it: nobody is accused without evidence.
        return other.address.is_none_or(|address| {
            let inside = |cidr: Option<&str>| cidr.is_some_and(|cidr| is_inside(address, cidr));
            inside(text(block, "/cidr"))
                && !list(block, "/except").any(|except| inside(except.as_str()))
        });
    }
    if matches!(other.who, Who::Unknown) {
        return true;
    }
    let Who::Pod(_) = other.who else {
        return false;
    };
    let in_namespace = match (peer.get("namespaceSelector"), other.namespace_labels) {
        (None, _) => other.namespace == home,
        (Some(_), None) => true,
        (selector, Some(labels)) => selects(selector, |key| labels.get(key)?.as_str()),
    };
    in_namespace && selects(peer.get("podSelector"), |key| other.who.label(key))
}

/// Whether a label selector selects what has these labels. An empty one selects everything.
fn selects<'v>(selector: Option<&Value>, value: impl Fn(&str) -> Option<&'v str>) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    let equal = selector.get("matchLabels").and_then(Value::as_object);
    let equal = equal
        .into_iter()
        .flatten()
        .all(|(key, wanted)| wanted.is_string() && value(key) == wanted.as_str());
    let expressed = list(selector, "/matchExpressions").all(|expression| {
        let has = value(text(expression, "/key").unwrap_or_default());
        let mut values = list(expression, "/values").filter_map(Value::as_str);
        match text(expression, "/operator") {
            Some("In") => has.is_some_and(|has| values.any(|one| one == has)),
            Some("NotIn") => has.is_none_or(|has| values.all(|one| one != has)),
            Some("Exists") => has.is_some(),
            Some("DoesNotExist") => has.is_none(),
            Some(_) | None => false,
        }
    });
    equal && expressed
}

/// Whether an address is in a block like `10.0.0.0/8`.
fn is_inside(address: IpAddr, cidr: &str) -> bool {
    let Some((network, bits)) = cidr.split_once('/') else {
        return false;
    };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V4(_) | IpAddr::V6(_), IpAddr::V4(_) | IpAddr::V6(_)) => false,
    }
}
