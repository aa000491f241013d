//! Gates of what the cluster itself is made of: namespaces, definitions, API services, webhooks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Gate, condition, text};
use crate::driver::{ListRequest, ObjectRef, Problem, Query, Seen};
use crate::inventory::Resource;

fn account_of(namespace: &Value) -> ObjectRef {
    let name = text(namespace, "/metadata/name").unwrap_or_default();
    let resource = Resource::namespaced("v1", "ServiceAccount", "serviceaccounts");
    ObjectRef::namespaced(resource, name, "default")
}

pub(super) fn default_account(namespace: &Value) -> Query {
    Query::Object(account_of(namespace))
}

/// Active, and its default ServiceAccount is there: before that no pod can be created in it.
pub(super) fn namespace(live: &Value, seen: &Seen) -> Gate {
    let name = text(live, "/metadata/name").unwrap_or_default();
    if text(live, "/status/phase") != Some("Active") {
        return Gate::closed(
            "namespace-not-active",
            format!("namespace {name} is not active"),
        );
    }
    match seen.object(&account_of(live)) {
        Ok(Some(_)) => Gate::Open,
        Ok(None) => Gate::closed(
            "default-account-missing",
            format!("namespace {name} has no default ServiceAccount yet"),
        ),
        Err(problem) => Gate::closed(&problem.code, problem.message),
    }
}

/// Established and its names accepted.
pub(super) fn definition(live: &Value) -> Gate {
    let name = text(live, "/metadata/name").unwrap_or_default();
    if let Some(("False", message)) = condition(live, "NamesAccepted") {
        return Gate::Failed(Problem::stuck(
            "definition-refused",
            format!("CustomResourceDefinition {name}: its names are refused: {message}"),
            "another definition uses these names: remove one of the two",
        ));
    }
    let holds = |kind: &str| matches!(condition(live, kind), Some(("True", _)));
    if holds("Established") && holds("NamesAccepted") {
        Gate::Open
    } else {
        Gate::closed(
            "definition-not-established",
            format!("CustomResourceDefinition {name} is not established yet"),
        )
    }
}

pub(super) fn api_service(live: &Value) -> Gate {
    let name = text(live, "/metadata/name").unwrap_or_default();
    match condition(live, "Available") {
        Some(("True", _)) => Gate::Open,
        Some((_, message)) => Gate::closed(
            "api-not-available",
            format!("APIService {name} is not available: {message}"),
        ),
        None => Gate::closed(
            "api-not-available",
            format!("APIService {name} is not available yet"),
        ),
    }
}

fn services(configuration: &Value) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = configuration
        .pointer("/webhooks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|hook| {
            let namespace = text(hook, "/clientConfig/service/namespace")?;
            let name = text(hook, "/clientConfig/service/name")?;
            Some((namespace.to_owned(), name.to_owned()))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn slices(namespace: &str, service: &str) -> ListRequest {
    ListRequest {
        resource: Resource::namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        namespace: Some(namespace.to_owned()),
        labels: BTreeMap::from([("kubernetes.io/service-name".to_owned(), service.to_owned())]),
    }
}

pub(super) fn webhook_services(configuration: &Value) -> Vec<Query> {
    services(configuration)
        .iter()
        .map(|(namespace, name)| Query::List(slices(namespace, name)))
        .collect()
}

/// Each webhook's Service has an address that is ready.
pub(super) fn webhooks(live: &Value, seen: &Seen) -> Gate {
    for (namespace, name) in services(live) {
        let found = match seen.list(&slices(&namespace, &name)) {
            Ok(found) => found,
            Err(problem) => return Gate::closed(&problem.code, problem.message),
        };
        let ready = found.iter().any(|slice| {
            slice
                .pointer("/endpoints")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|one| one.pointer("/conditions/ready") != Some(&Value::Bool(false)))
        });
        if !ready {
            return Gate::closed(
                "webhook-not-answering",
                format!("the webhook's Service {namespace}/{name} has no ready address"),
            );
        }
    }
    Gate::Open
}
