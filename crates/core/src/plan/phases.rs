//! Where a thing sits.

use super::context::Context;
use super::labelled::member_of;
use super::links::servers;
use crate::inventory::{Thing, ThingId};
use crate::json::Json;
use crate::run::Phase;

pub(super) fn phase(context: &Context<'_>, id: &ThingId, thing: &Thing) -> Phase {
    if context.engine(id).is_some() {
        return Phase::Databases;
    }
    if context.is_operator(id) {
        return Phase::Operators;
    }
    if let Some(phase) = servers::phase(id) {
        return phase;
    }
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Service") if is_traffic(thing) => Phase::Traffic,
        (
            "",
            "Namespace" | "Service" | "ServiceAccount" | "Secret" | "ConfigMap" | "ResourceQuota"
            | "LimitRange",
        )
        | ("rbac.authorization.k8s.io" | "policy", _)
        | ("networking.k8s.io", "NetworkPolicy") => Phase::Namespaces,
        ("apiextensions.k8s.io", _) => Phase::Crds,
        ("apiregistration.k8s.io" | "admissionregistration.k8s.io", _) => Phase::Operators,
        ("networking.k8s.io", "Ingress")
        | ("gateway.networking.k8s.io", _)
        | ("route.openshift.io", "Route")
        | (
            "traefik.io" | "traefik.containo.us",
            "IngressRoute" | "IngressRouteTCP" | "IngressRouteUDP",
        )
        | ("projectcontour.io", "HTTPProxy")
        | ("externaldns.k8s.io", "DNSEndpoint") => Phase::Traffic,
        ("networking.istio.io", "VirtualService") if is_at_gateway(thing) => Phase::Traffic,
        _ => Phase::Applications,
    }
}

/// True for a VirtualService that leads users in; those of the mesh alone say how applications reach each other.
fn is_at_gateway(service: &Thing) -> bool {
    let mut gateways = service.list("/spec/gateways").iter().map(Json::as_str);
    gateways.any(|gateway| gateway != Some("mesh"))
}

/// True for a Service that brings users in; one that is a member's own address does not.
pub(super) fn is_traffic(service: &Thing) -> bool {
    service.text("/spec/type") == Some("LoadBalancer") && member_of(service).is_none()
}
