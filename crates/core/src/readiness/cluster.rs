//! Gates of what the cluster itself is made of: namespaces, definitions, API services; and what an object says while it is
//! being deleted.

use serde_json::Value;

use super::reading::{Condition, one_line, text};
use super::webhooks;
use super::{Gate, View};
use crate::driver::{ObjectRef, Query};
use crate::inventory::Resource;

/// Seconds after which finalizers that nobody removes are taken for stuck.
const FINALIZERS_SECONDS: u32 = 120;

fn account_of(view: &View<'_>) -> ObjectRef {
    let name = view.text("/metadata/name").unwrap_or_default();
    let resource = Resource::namespaced("v1", "ServiceAccount", "serviceaccounts");
    ObjectRef::namespaced(resource, name, "default")
}

pub(super) fn default_account(view: &View<'_>) -> Query {
    Query::Object(account_of(view))
}

/// Active, and its default ServiceAccount is there: before that no pod can be created in it.
pub(super) fn namespace(view: &View<'_>) -> Gate {
    if view.text("/status/phase") != Some("Active") {
        return view.closed(
            "namespace-not-active",
            "it is not active",
            "the API server makes it active",
        );
    }
    match view.seen.object(&account_of(view)) {
        Ok(Some(_)) => Gate::Open,
        Ok(None) => view.closed(
            "default-account-missing",
            "it has no default ServiceAccount yet",
            "kube-controller-manager runs and makes it",
        ),
        Err(problem) => Gate::unread(view.clock, problem),
    }
}

/// What it serves, first the version that is stored; with a conversion all versions: each is converted to.
fn served(view: &View<'_>) -> Vec<Resource> {
    let (Some(group), Some(kind), Some(plural)) = (
        view.text("/spec/group"),
        view.text("/spec/names/kind"),
        view.text("/spec/names/plural"),
    ) else {
        return Vec::new();
    };
    let cluster = view.text("/spec/scope") == Some("Cluster");
    let mut versions: Vec<(bool, Resource)> = view
        .list("/spec/versions")
        .iter()
        .filter(|one| one.get("served") == Some(&Value::Bool(true)))
        .filter_map(|one| {
            let version = format!("{group}/{}", text(one, "/name")?);
            let resource = if cluster {
                Resource::cluster(&version, kind, plural)
            } else {
                Resource::namespaced(&version, kind, plural)
            };
            let other = one.get("storage") != Some(&Value::Bool(true));
            Some((other, resource))
        })
        .collect();
    versions.sort_by_key(|(other, _)| *other);
    let most = if webhooks::converts(view) {
        versions.len()
    } else {
        1
    };
    let versions = versions.into_iter().take(most);
    versions.map(|(_, resource)| resource).collect()
}

fn is_established(view: &View<'_>) -> bool {
    let holds = |kind: &str| view.condition(kind).is_some_and(|one| one.is_true());
    holds("Established") && holds("NamesAccepted")
}

/// Whether its kind can be read, once it says so; and who converts.
pub(super) fn definition_look(view: &View<'_>) -> Vec<Query> {
    let kinds = served(view).into_iter().filter(|_| is_established(view));
    webhooks::conversion_look(view)
        .into_iter()
        .chain(kinds.map(Query::Served))
        .collect()
}

/// Established, its names accepted, and served: the API server says so a moment before it is.
pub(super) fn definition(view: &View<'_>) -> Gate {
    let names = view.condition("NamesAccepted");
    if let Some(refused) = names.filter(Condition::is_false) {
        return view.failed(
            "definition-refused",
            &format!("its names are refused: {}", refused.words()),
            "another definition uses these names: remove one of the two",
        );
    }
    if !is_established(view) {
        return view.closed(
            "definition-not-established",
            "it is not established yet",
            "the API server accepts its names and serves it",
        );
    }
    for resource in served(view) {
        let Err(problem) = view.seen.served(&resource) else {
            continue;
        };
        let version = &resource.version;
        return match problem.code.as_str() {
            "kind-not-served" => view.closed(
                "definition-not-served",
                &format!("it is established, and the API server does not serve {version} yet"),
                "the API server serves it",
            ),
            _ if problem.message.contains("conversion webhook") => webhooks::not_converted(
                view,
                &format!(
                    "its {version} cannot be read: {}",
                    one_line(&problem.message)
                ),
            ),
            // Who may not list them may still write them.
            _ => Gate::unread(view.clock, problem),
        };
    }
    webhooks::conversion(view)
}

pub(super) fn api_service(view: &View<'_>) -> Gate {
    let takes = "the Service behind it answers";
    match view.condition("Available") {
        Some(one) if one.is_true() => Gate::Open,
        Some(one) => view.closed(
            "api-not-available",
            &format!("it is not available: {}", one.words()),
            takes,
        ),
        None => view.closed("api-not-available", "it is not available yet", takes),
    }
}

/// An object that is there and going away: the recovery waits until it is gone, and says what holds it.
pub fn deleting(view: &View<'_>) -> Gate {
    let told = |kinds: [&str; 2]| {
        let mut told = kinds
            .into_iter()
            .filter_map(|kind| view.condition(kind).filter(Condition::is_true));
        told.next().map(|one| one.words())
    };
    let fails = told([
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionContentFailure",
    ]);
    // While its contents go these are told as a matter of course.
    let goes_on = || told(["NamespaceFinalizersRemaining", "NamespaceContentRemaining"]);
    let has_failed = fails.is_some();
    let what_holds = fails.or_else(goes_on);
    let finalizers: Vec<&str> = view
        .list("/metadata/finalizers")
        .iter()
        .filter_map(|one| one.as_str())
        .collect();
    let held = match (what_holds, finalizers.is_empty()) {
        (Some(words), _) => words,
        (None, false) => format!("held by {}", finalizers.join(", ")),
        (None, true) => {
            return view.closed("being-deleted", "it is being deleted", "it is gone");
        }
    };
    let deleted = view.text("/metadata/deletionTimestamp");
    // Pods with a long grace period and volumes that detach slowly hold others for minutes: the step's limit is for those.
    if has_failed && view.clock.has_lasted(deleted, FINALIZERS_SECONDS) {
        return view.failed(
            "deletion-stuck",
            &format!("it is being deleted and does not go: {held}"),
            "see to the controller that must let it go, or remove its finalizers yourself; then run the same command again",
        );
    }
    view.closed(
        "being-deleted",
        &format!("it is being deleted: {held}"),
        "whoever holds it lets it go",
    )
}
