//! Gates of what clients come in by: an address where one is told.

use super::{Gate, View};

/// Seconds of waiting for an address that there was at the source.
const ADDRESS_SECONDS: u32 = 120;
/// Seconds of waiting for the address of a load balancer that had none at the source.
const NEVER_SECONDS: u32 = 30;

fn has_address(view: &View<'_>) -> bool {
    !view.list("/status/loadBalancer/ingress").is_empty()
}

/// A load balancer has an address; any other Service is ready when it exists. One that had an address at the source is waited
/// for, up to the limit of its step; where there was none, nobody may hand them out.
pub(super) fn service(view: &View<'_>) -> Gate {
    let balanced = view.text("/spec/type") == Some("LoadBalancer");
    if !balanced || has_address(view) || !view.list("/spec/externalIPs").is_empty() {
        return Gate::Open;
    }
    let gate = view.closed(
        "no-address",
        "it has no load balancer address yet",
        "the cluster's load balancer gives it an address",
    );
    if view.told.address {
        gate
    } else {
        gate.or_assumed(view.clock, NEVER_SECONDS)
    }
}

/// An Ingress is waited for only if its controller told an address at the source; many tell none. And not for ever: the
/// controller here may be another one.
pub(super) fn ingress(view: &View<'_>) -> Gate {
    if !view.told.address || has_address(view) {
        return Gate::Open;
    }
    view.closed(
        "no-address",
        "it has no address yet",
        "its Ingress controller takes it up and tells its address",
    )
    .or_assumed(view.clock, ADDRESS_SECONDS)
}
