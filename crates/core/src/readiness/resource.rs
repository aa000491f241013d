//! Gates of claims, Services and custom resources.

use serde_json::Value;

use super::{Gate, condition, is_stale, name, text};
use crate::driver::Problem;
use crate::inventory::Resource;

pub(super) fn claim(resource: &Resource, live: &Value) -> Gate {
    match text(live, "/status/phase") {
        Some("Bound") => Gate::Open,
        Some("Lost") => Gate::Failed(Problem::stuck(
            "claim-lost",
            format!("{} has lost its volume", name(resource, live)),
            "look for its PersistentVolume",
        )),
        other => Gate::closed(
            "claim-unbound",
            format!(
                "{} is not bound ({})",
                name(resource, live),
                other.unwrap_or("no phase")
            ),
        ),
    }
}

/// A load balancer has an address; any other Service is ready when it exists.
pub(super) fn service(resource: &Resource, live: &Value) -> Gate {
    let balanced = text(live, "/spec/type") == Some("LoadBalancer");
    let addresses = live
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    if !balanced || addresses.is_some_and(|all| !all.is_empty()) {
        return Gate::Open;
    }
    Gate::closed(
        "no-address",
        format!("{} has no load balancer address yet", name(resource, live)),
    )
}

/// A custom resource that tells a `Ready` condition must say True for its newest spec. One that tells none is ready
/// when it exists: no more can be known of it without its driver.
pub(super) fn custom(resource: &Resource, live: &Value) -> Gate {
    if is_stale(live) {
        return Gate::closed(
            "not-observed",
            format!("{}: its operator has not seen it yet", name(resource, live)),
        );
    }
    match condition(live, "Ready") {
        Some(("True", _)) | None => Gate::Open,
        Some((_, message)) => Gate::closed(
            "not-ready",
            format!("{} is not ready: {message}", name(resource, live)),
        ),
    }
}
