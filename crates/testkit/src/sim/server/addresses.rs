//! Addresses and node ports of Services: given out once, refused when they are taken.

use std::collections::BTreeSet;

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::status::Cause;
use super::{Server, list, text};

/// First two parts of every cluster address.
const RANGE: &str = "10.96.";
/// Node ports that may be given.
const PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

fn has_address(service: &Value) -> bool {
    text(service, "/spec/type") != Some("ExternalName")
}

fn wants_ports(service: &Value) -> bool {
    matches!(
        text(service, "/spec/type"),
        Some("NodePort" | "LoadBalancer")
    )
}

/// Gives a Service what it lacks; the causes why what it wants cannot be had.
pub(super) fn assign(
    server: &Server,
    place: &ObjectRef,
    service: &mut Value,
    live: Option<&Value>,
) -> Vec<Cause> {
    if place.resource.kind != "Service" || !place.resource.group.is_empty() {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let others = |object: &ObjectRef| object != place;
    if has_address(service) {
        let kept = live.and_then(|live| text(live, "/spec/clusterIP"));
        let wanted = text(service, "/spec/clusterIP")
            .filter(|address| !address.is_empty())
            .map(str::to_owned);
        match (kept, wanted) {
            (Some(kept), None) => address(service, kept),
            (Some(kept), Some(wanted)) if kept != wanted => {
                let why = "may not change once set";
                causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([wanted]), why));
            }
            (None, wanted) => {
                causes.extend(first_address(server, service, wanted.as_deref(), others));
            }
            (Some(_), Some(wanted)) => address(service, &wanted),
        }
    }
    causes.extend(ports(server, service, live, others));
    causes
}

fn address(service: &mut Value, address: &str) {
    service["spec"]["clusterIP"] = json!(address);
    service["spec"]["clusterIPs"] = json!([address]);
}

fn first_address(
    server: &Server,
    service: &mut Value,
    wanted: Option<&str>,
    others: impl Fn(&ObjectRef) -> bool,
) -> Option<Cause> {
    let services = super::resource("Service");
    let taken: BTreeSet<String> = server
        .objects
        .of_kind(&services)
        .filter(|(object, _)| others(object))
        .filter_map(|(_, live)| text(live, "/spec/clusterIP").map(str::to_owned))
        .collect();
    let refused = |wanted: &str, why: &str| {
        let why = format!("failed to allocate IP {wanted}: {why}");
        Some(Cause::invalid("spec.clusterIPs", &json!([wanted]), &why))
    };
    match wanted {
        Some("None") => address(service, "None"),
        Some(wanted) if !wanted.starts_with(RANGE) => {
            return refused(
                wanted,
                "the provided network does not match the current range",
            );
        }
        Some(wanted) if taken.contains(wanted) => {
            return refused(wanted, "provided IP is already allocated");
        }
        Some(wanted) => address(service, wanted),
        None => {
            let free = (0..65_000)
                .map(|number| format!("{RANGE}{}.{}", number / 250, number % 250 + 1))
                .skip(1)
                .find(|one| !taken.contains(one));
            address(service, &free.unwrap_or_default());
        }
    }
    None
}

fn ports(
    server: &Server,
    service: &mut Value,
    live: Option<&Value>,
    others: impl Fn(&ObjectRef) -> bool,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !wants_ports(service) {
        if text(service, "/spec/type") != Some("ExternalName") {
            for (at, port) in list(service, "/spec/ports").iter().enumerate() {
                if port.get("nodePort").and_then(Value::as_u64).unwrap_or(0) != 0 {
                    let field = format!("spec.ports[{at}].nodePort");
                    causes.push(Cause::forbidden(
                        &field,
                        "may not be used when `type` is 'ClusterIP'",
                    ));
                }
            }
        }
        return causes;
    }
    let services = super::resource("Service");
    let mut taken: BTreeSet<u64> = server
        .objects
        .of_kind(&services)
        .filter(|(object, _)| others(object))
        .flat_map(|(_, live)| list(live, "/spec/ports"))
        .filter_map(|port| port.get("nodePort")?.as_u64())
        .collect();
    let old = live
        .map_or(&[][..], |live| list(live, "/spec/ports"))
        .to_vec();
    let all = service
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut);
    for (at, port) in all.into_iter().flatten().enumerate() {
        let field = format!("spec.ports[{at}].nodePort");
        let before = || {
            let same = |one: &&Value| one.get("port") == port.get("port");
            old.iter().find(same)?.get("nodePort")?.as_u64()
        };
        let wanted = port
            .get("nodePort")
            .and_then(Value::as_u64)
            .filter(|port| *port > 0);
        match wanted.or_else(before) {
            Some(wanted) if !PORTS.contains(&wanted) => {
                let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                causes.push(Cause::invalid(&field, &json!(wanted), why));
            }
            Some(wanted) if !taken.insert(wanted) => {
                causes.push(Cause::invalid(
                    &field,
                    &json!(wanted),
                    "provided port is already allocated",
                ));
            }
            Some(wanted) => port["nodePort"] = json!(wanted),
            None => {
                let free = PORTS.clone().find(|one| !taken.contains(one)).unwrap_or(0);
                taken.insert(free);
                port["nodePort"] = json!(free);
            }
        }
    }
    causes
}
