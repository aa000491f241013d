//! Gates of what the API server calls: admission webhooks and conversions. One that does not answer refuses every object
//! that it is asked about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reading::{list, text};
use super::{Gate, View};
use crate::driver::{ListRequest, Query};
use crate::inventory::Resource;

/// Seconds after which a webhook without a ready address is taken for one that will not answer.
const ANSWER_SECONDS: u32 = 180;
/// Seconds after which an empty `caBundle` is taken for meant so.
const AUTHORITY_SECONDS: u32 = 60;
/// Annotations by which others put a `caBundle` in.
const INJECTORS: &[&str] = &[
    "cert-manager.io~1inject-ca-from",
    "cert-manager.io~1inject-ca-from-secret",
    "cert-manager.io~1inject-apiserver-ca",
    "service.beta.openshift.io~1inject-cabundle",
];

/// Namespace and name.
type Service<'a> = (&'a str, &'a str);

fn service(client: &Value) -> Option<Service<'_>> {
    Some((
        text(client, "/service/namespace")?,
        text(client, "/service/name")?,
    ))
}

fn hooks<'a>(view: &View<'a>) -> Vec<(&'a Value, Service<'a>)> {
    view.list("/webhooks")
        .iter()
        .filter_map(|hook| Some((hook, service(hook.pointer("/clientConfig")?)?)))
        .collect()
}

fn slices((namespace, name): Service<'_>) -> ListRequest {
    ListRequest {
        resource: Resource::namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        namespace: Some(namespace.to_owned()),
        labels: BTreeMap::from([("kubernetes.io/service-name".to_owned(), name.to_owned())]),
    }
}

fn queries<'a>(services: impl Iterator<Item = Service<'a>>) -> Vec<Query> {
    let mut queries: Vec<Query> = services.map(|one| Query::List(slices(one))).collect();
    queries.sort();
    queries.dedup();
    queries
}

pub(super) fn look(view: &View<'_>) -> Vec<Query> {
    queries(hooks(view).into_iter().map(|(_, service)| service))
}

fn converter<'a>(view: &View<'a>) -> Option<Service<'a>> {
    let by_webhook = view.text("/spec/conversion/strategy") == Some("Webhook");
    let client = view.live.pointer("/spec/conversion/webhook/clientConfig");
    client.filter(|_| by_webhook).and_then(service)
}

pub(super) fn conversion_look(view: &View<'_>) -> Vec<Query> {
    queries(converter(view).into_iter())
}

/// Whether a Service has an address that is ready; otherwise why it cannot be told or what is missing.
fn answers(view: &View<'_>, service: Service<'_>, code: &str) -> Result<(), Gate> {
    let found = view
        .seen
        .list(&slices(service))
        .map_err(|problem| Gate::closed(&problem.code, problem.message, problem.hint))?;
    let ready = found
        .iter()
        .flat_map(|slice| list(slice, "/endpoints"))
        .any(|one| one.pointer("/conditions/ready") != Some(&Value::Bool(false)));
    if ready {
        return Ok(());
    }
    let (namespace, name) = service;
    Err(view.closed(
        code,
        &format!("its Service {namespace}/{name} has no ready address"),
        "a pod behind that Service is ready",
    ))
}

/// Whether what converts between a definition's versions has a ready address. It holds nothing back: what answers is the
/// operator, which waits for this definition. A resource that needs the conversion is refused until it answers.
pub(super) fn conversion(view: &View<'_>) -> Gate {
    let Some(service) = converter(view) else {
        return Gate::Open;
    };
    match answers(view, service, "conversion-not-answering") {
        Ok(()) => Gate::Open,
        Err(gate) => gate.or_assumed(view.clock, 0),
    }
}

fn is_trusted(hook: &Value) -> bool {
    text(hook, "/clientConfig/caBundle").is_some_and(|bundle| !bundle.is_empty())
}

/// Each webhook's Service has an address that is ready, and the API server knows whom to trust there.
pub(super) fn configuration(view: &View<'_>) -> Gate {
    let hooks = hooks(view);
    for (hook, service) in &hooks {
        let Err(gate) = answers(view, *service, "webhook-not-answering") else {
            continue;
        };
        return match gate {
            Gate::Closed(why) if view.clock.is_past(ANSWER_SECONDS) => {
                if text(*hook, "/failurePolicy") == Some("Ignore") {
                    Gate::Assumed(why)
                } else {
                    Gate::failed(
                        &why.code,
                        why.message,
                        "start the workload behind it, or delete this configuration: until then it refuses what it is asked about",
                    )
                }
            }
            gate => gate,
        };
    }
    let injected = INJECTORS.iter().any(|key| {
        let pointer = format!("/metadata/annotations/{key}");
        view.live.pointer(&pointer).is_some()
    });
    if hooks.iter().all(|(hook, _)| is_trusted(hook)) {
        return Gate::Open;
    }
    let gate = view.closed(
        "webhook-without-authority",
        "its caBundle is empty: the API server does not trust the webhook",
        if injected {
            "the injector that its annotations name puts the caBundle in"
        } else {
            "its operator puts the caBundle in"
        },
    );
    // Who is named as the one that puts it in will do so; nobody may be meant to.
    if injected {
        gate
    } else {
        gate.or_assumed(view.clock, AUTHORITY_SECONDS)
    }
}
