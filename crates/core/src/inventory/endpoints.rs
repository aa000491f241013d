//! Endpoints and EndpointSlices: most are kept by the Service that they are of, some a person wrote, for a Service without selector.
//! Called by `inside`.

use super::owners::Owners;
use super::{Inventory, Thing};
use crate::json::Json;

const SLICES: &str = "discovery.k8s.io";
const SERVICE: &str = "kubernetes.io/service-name";
/// What elects a leader with the object: client-go of old, Patroni.
const LEADERS: &[&str] = &[
    "control-plane.alpha.kubernetes.io/leader",
    "leader",
    "initialize",
];

/// True for a kind that this is about.
pub(super) fn is_endpoints(thing: &Thing) -> bool {
    thing.is("", "Endpoints") || thing.is(SLICES, "EndpointSlice")
}

/// Why endpoints do not come back; `None` for what a person wrote.
pub(super) fn made_anew(
    inventory: &Inventory,
    owners: &Owners<'_>,
    thing: &Thing,
) -> Option<&'static str> {
    const BY_SERVICE: &str = "kept by its Service";
    if LEADERS.iter().any(|key| thing.annotation(key).is_some()) {
        return Some("tells who leads");
    }
    let by = thing.label("endpointslice.kubernetes.io/managed-by");
    if by.is_some_and(|by| by.ends_with("-controller.k8s.io")) {
        return Some(BY_SERVICE);
    }
    let name = if thing.is("", "Endpoints") {
        Some(thing.name())
    } else {
        thing.label(SERVICE)
    };
    let service = name.and_then(|name| inventory.find("", "Service", thing.namespace()?, name));
    let Some(service) = service else {
        return Some("its Service is not there");
    };
    let selector = service.at("/spec/selector").and_then(Json::as_object);
    let selects = selector.is_some_and(|all| !all.is_empty());
    (selects || owners.owner(service).is_some()).then_some(BY_SERVICE)
}
