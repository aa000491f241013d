//! What an object told at the site that it comes from: a gate does not wait for what nobody tells. Computed by `plan` from the
//! recovery point.

use serde::{Deserialize, Serialize};

use crate::json::Tree;

use super::reading::{condition, condition_in, list, text};

/// Which signs of readiness an object showed when its point was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// It had a status.
    pub status: bool,
    /// It said that it was ready, available, or accepted by its gateway.
    pub ready: bool,
    /// It had an address for clients.
    pub address: bool,
    /// The word in which it told its state, where it has one: `Running`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

/// Where operators tell their state in a word. The last three: Altinity's ClickHouse, MinIO's Tenant, Oracle's InnoDBCluster.
const PHASES: &[&str] = &[
    "/status/phase",
    "/status/state",
    "/status/health",
    "/status/status",
    "/status/currentState",
    "/status/cluster/status",
];

/// The word in which an object tells its state.
pub(super) fn phase(object: &impl Tree) -> Option<&str> {
    PHASES.iter().find_map(|pointer| text(object, pointer))
}

/// The signs of an object as it was recorded.
pub fn told(object: &impl Tree) -> Told {
    let says = |kind: &str| condition(object, kind).is_some_and(|one| one.is_true());
    let accepted = list(object, "/status/parents").iter().any(|parent| {
        condition_in(parent, "/conditions", "Accepted").is_some_and(|one| one.is_true())
    });
    let addresses = ["/status/loadBalancer/ingress", "/status/addresses"];
    Told {
        status: object.at("/status").is_some_and(Tree::has_fields),
        ready: says("Ready") || says("Available") || says("Programmed") || accepted,
        address: addresses
            .iter()
            .any(|pointer| !list(object, pointer).is_empty()),
        phase: phase(object).map(str::to_owned),
    }
}
