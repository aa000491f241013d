//! Whether a site is ready, and what of it is not.
//!
//! Holds the looking and the naming of what is missing; waiting is up to the caller. Called by `up` and `status`.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::addresses::AddressPlan;
use super::place::{Place, Site, StateDirectory};
use super::supervisor::{self, Condition};
use super::unit::{Need, Unit};
use super::units::DRIVER_NAME;

/// Where the API server reaches the kubelet, for exec and logs.
pub(crate) const KUBELET_PORT: u16 = 10250;

/// What kubectl says of a kind that the API server does not list: one whose definition is new is listed a moment after it is established.
pub(crate) const NOT_LISTED: &str = "no matches for kind";

/// The units that do not run.
pub(crate) fn of_units(state: &StateDirectory, units: &[Unit]) -> Result<Vec<String>> {
    let reports = supervisor::read_status(state)?;
    Ok(units
        .iter()
        .filter_map(|unit| {
            match reports
                .get(&unit.full_name())
                .map(|report| &report.condition)
            {
                Some(Condition::Running { .. }) => None,
                Some(Condition::Waiting) => Some(format!("{} waits", unit.name)),
                Some(Condition::Ended { how }) => Some(format!("{} ended ({how})", unit.name)),
                None => Some(format!("{} is not started", unit.name)),
            }
        })
        .collect())
}

/// What of a site is not ready, as its API server and the programs with a health page tell.
pub(crate) fn of_site(
    addresses: AddressPlan,
    site: Site,
    kubectl: impl Fn(&[&str]) -> Result<String>,
) -> Vec<String> {
    let mut missing = Vec::new();
    let node = IpAddr::V4(addresses.of(Place::Site(site)));
    for (what, port, path) in [
        ("coredns", 8181, "/ready"),
        ("kube-proxy", 10256, "/healthz"),
    ] {
        if !http_status(SocketAddr::new(node, port), path).is_ok_and(|status| status == 200) {
            missing.push(format!("{what} is not ready"));
        }
    }
    // A node is Ready for a while after its kubelet has died: exec and logs go by this port.
    if !Need::Port(SocketAddr::new(node, KUBELET_PORT)).is_met() {
        missing.push("the kubelet does not answer".to_owned());
    }
    let node = format!("node/{site}");
    let csi_node = format!("csinode/{site}");
    let arguments = [
        "get",
        &node,
        &csi_node,
        "serviceaccount/default",
        "--ignore-not-found",
        "-o",
        "json",
    ];
    let objects = kubectl(&arguments).and_then(|text| {
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str::<Value>(&text)?)
    });
    match objects {
        Ok(objects) => missing.extend(of_objects(&objects)),
        Err(error) => missing.push(format!("the API server does not answer: {error:#}")),
    }
    missing
}

/// What is not ready by the objects of a node, its CSI drivers and the default service account.
pub(crate) fn of_objects(objects: &Value) -> Vec<String> {
    let empty = Vec::new();
    let items = match objects.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None if objects.is_object() => vec![objects.clone()],
        None => empty,
    };
    let of_kind = |kind: &str| items.iter().find(|item| item["kind"] == kind);
    let mut missing = Vec::new();
    let node = of_kind("Node");
    let ready = node
        .and_then(|node| node["status"]["conditions"].as_array())
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        });
    let tainted = node.is_some_and(|node| {
        node["spec"]["taints"]
            .as_array()
            .is_some_and(|taints| !taints.is_empty())
    });
    if !ready || tainted {
        missing.push("the node is not Ready".to_owned());
    }
    let registered = of_kind("CSINode")
        .and_then(|node| node["spec"]["drivers"].as_array())
        .is_some_and(|drivers| drivers.iter().any(|driver| driver["name"] == DRIVER_NAME));
    if !registered {
        missing.push("the CSI driver is not registered".to_owned());
    }
    if of_kind("ServiceAccount").is_none() {
        missing.push("the default service account is not there".to_owned());
    }
    missing
}

/// The status code of a plain HTTP GET.
pub(crate) fn http_status(address: SocketAddr, path: &str) -> Result<u16> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let line = std::str::from_utf8(&head).context("the answer is no HTTP")?;
    line.split(' ')
        .nth(1)
        .context("the answer is no HTTP")?
        .parse()
        .context("the answer is no HTTP")
}
