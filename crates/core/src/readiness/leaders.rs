//! Gates of operators that elect a leader: a pod that is ready and does not lead reconciles nothing.
//!
//! Which Lease an operator takes is in its program. It is known by its holder: client-go's leader election names itself after the
//! pod (`HOSTNAME_uuid`), and a pod of a Deployment is named after that.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reading::{list, number, text};
use super::{Gate, View, pods};
use crate::driver::{ListRequest, Query};
use crate::inventory::Resource;

/// An operator that says that it elects a leader and takes no Lease of its namespace for so long takes another one.
const ELECTION_SECONDS: u32 = 30;
/// What a Lease lasts when it does not say so (client-go's default).
const LEASE_SECONDS: u64 = 15;
/// A Lease that lasts longer than this is not waited for longer.
const LEASE_SECONDS_MAX: u64 = 300;
/// Added to what a Lease that somebody left lasts, twice: then clocks differ, or nobody takes it.
const MARGIN_SECONDS: u64 = 30;
/// Words of arguments and variables that turn elections on, without what separates words.
const ELECTS: &str = "leaderelect";

fn request(view: &View<'_>) -> Option<ListRequest> {
    Some(ListRequest {
        resource: Resource::namespaced("coordination.k8s.io/v1", "Lease", "leases"),
        namespace: Some(view.text("/metadata/namespace")?.to_owned()),
        labels: BTreeMap::new(),
    })
}

/// Its namespace's Leases, for an operator and for whatever says that it elects a leader.
pub(super) fn look(view: &View<'_>) -> Option<Query> {
    let asked = (is_operator(view) || elects(view)) && view.number("/spec/replicas") != Some(0);
    request(view).filter(|_| asked).map(Query::List)
}

fn is_operator(view: &View<'_>) -> bool {
    view.duty.is_some_and(|duty| duty.operator)
}

/// An argument `--leader-elect` or a variable `…LEADER_ELECTION…`, unless it says no.
fn elects(view: &View<'_>) -> bool {
    let containers = view.list("/spec/template/spec/containers");
    containers.iter().any(|container| {
        let words = [list(container, "/command"), list(container, "/args")];
        let by_word = words.into_iter().flatten().filter_map(Value::as_str);
        let by_word = by_word.map(|word| word.split_once('=').unwrap_or((word, "true")));
        let variables = list(container, "/env").iter();
        let by_variable =
            variables.filter_map(|one| Some((text(one, "/name")?, text(one, "/value")?)));
        by_word
            .filter(|(name, _)| name.starts_with('-'))
            .chain(by_variable)
            .any(|(name, value)| says(name) && value.eq_ignore_ascii_case("true"))
    })
}

/// `--leader-elect`, `--enable-leader-election`, `STRIMZI_LEADER_ELECTION_ENABLED`; not `--leader-election-id`.
fn says(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|one| one.to_ascii_lowercase())
        .collect();
    plain.split_once(ELECTS).is_some_and(|(_, rest)| {
        matches!(
            rest,
            "" | "ed" | "ion" | "enabled" | "ionenabled" | "enable" | "ionenable"
        )
    })
}

/// Whether a holder is this pod: its name, and no more of a name behind it.
fn is_held_by(holder: &str, pod: &str) -> bool {
    holder
        .strip_prefix(pod)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// Whether a holder is, or was, a pod of a Deployment of this name: `NAME-HASH-RANDOM`.
fn is_of(holder: &str, deployment: &str) -> bool {
    let parts = |rest: &str| {
        let mut parts = rest.splitn(2, '-');
        let hash = parts.next()?.to_owned();
        let random: String = parts
            .next()?
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        Some((hash, random))
    };
    holder
        .strip_prefix(deployment)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(parts)
        .is_some_and(|(hash, random)| {
            (6..=10).contains(&hash.len())
                && hash.chars().all(|one| one.is_ascii_alphanumeric())
                && random.len() == 5
        })
}

fn lasts(lease: &Value) -> u64 {
    number(lease, "/spec/leaseDurationSeconds")
        .filter(|seconds| *seconds > 0)
        .unwrap_or(LEASE_SECONDS)
        .min(LEASE_SECONDS_MAX)
}

/// Renewed within twice the time that it lasts.
fn is_fresh(view: &View<'_>, lease: &Value) -> bool {
    let renewed = text(lease, "/spec/renewTime").and_then(|time| time.parse().ok());
    renewed.is_some_and(|renewed| {
        let age = view.clock.now.duration_since(renewed).as_secs();
        age < i64::try_from(2 * lasts(lease)).unwrap_or(i64::MAX)
    })
}

/// One of its pods leads. To be asked once all of them are ready.
pub(super) fn led(view: &View<'_>) -> Gate {
    let Some(request) = request(view).filter(|_| look(view).is_some()) else {
        return Gate::Open;
    };
    let leases = match view.seen.list(&request) {
        Ok(leases) => leases,
        Err(problem) => return Gate::unread(view.clock, problem),
    };
    let deployment = view.text("/metadata/name").unwrap_or_default();
    let pods: Vec<&str> = pods::of(view)
        .iter()
        .filter_map(|pod| text(*pod, "/metadata/name"))
        .collect();
    let mut left = None;
    for lease in leases {
        let holder = text(lease, "/spec/holderIdentity").unwrap_or_default();
        let lives = pods.iter().any(|pod| is_held_by(holder, pod));
        if lives && is_fresh(view, lease) {
            return Gate::Open;
        }
        if lives || is_of(holder, deployment) {
            left = Some((lease, holder, lives));
        }
    }
    let Some((lease, holder, lives)) = left else {
        if !elects(view) {
            return Gate::Open;
        }
        let gate = view.closed(
            "leader-not-elected",
            "it is ready, and none of its pods has taken a Lease of its namespace yet",
            "one of its pods takes the Lease",
        );
        return gate.or_assumed_since(view.clock, ready_since(view), ELECTION_SECONDS);
    };
    let name = text(lease, "/metadata/name").unwrap_or_default();
    let how = if lives {
        "which does not renew it"
    } else {
        "which is gone"
    };
    let seconds = lasts(lease);
    let gate = view.closed(
        "leader-not-elected",
        &format!("it is ready and nobody leads: Lease {name} is held by {holder}, {how}"),
        &format!("one of its pods takes the Lease, {seconds} s after it was renewed last"),
    );
    let most = u32::try_from(2 * seconds + MARGIN_SECONDS).unwrap_or(u32::MAX);
    gate.or_assumed_since(view.clock, ready_since(view), most)
}

/// Nobody leads before a pod is ready, however long its image takes.
fn ready_since<'a>(view: &View<'a>) -> Option<&'a str> {
    view.condition("Available")?.since
}
