//! Gates of what the API server calls: admission webhooks and conversions. One that does not answer refuses every object
//! that it is asked about.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::reading::{list, one_line, text};
use super::{FORBIDDEN, Gate, Sample, View};
use crate::driver::{Class, ListRequest, Problem, Query, Why};
use crate::inventory::Resource;

/// Seconds after which a webhook without a ready address is taken for one that will not answer.
const ANSWER_SECONDS: u32 = 180;
/// Seconds after which an empty `caBundle` is taken for meant so.
const AUTHORITY_SECONDS: u32 = 60;
/// After so long the API server knows of a configuration that it took.
const KNOWN: Duration = Duration::from_millis(500);
/// Annotations by which others put a `caBundle` in.
const INJECTORS: &[&str] = &[
    "cert-manager.io~1inject-ca-from",
    "cert-manager.io~1inject-ca-from-secret",
    "cert-manager.io~1inject-apiserver-ca",
    "service.beta.openshift.io~1inject-cabundle",
];

/// Code of a webhook whose Service has no ready address.
const SILENT: &str = "webhook-not-answering";

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

/// Its Services; and once they are ready, what its webhooks say.
pub(super) fn look(view: &View<'_>) -> Vec<Query> {
    let mut all = queries(hooks(view).into_iter().map(|(_, service)| service));
    let are_seen = all.iter().all(|query| view.seen.has(query));
    if are_seen && is_known(view) && stands(view) == Gate::Open {
        all.extend(samples(view).map(|sample| Query::Rehearsal(sample.request())));
    }
    all
}

fn samples<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Sample> {
    view.duty.into_iter().flat_map(|duty| &duty.samples)
}

/// The API server asks a webhook a moment after it was told of it: an answer of before is none.
fn is_known(view: &View<'_>) -> bool {
    view.clock.waited >= KNOWN
}

fn converter<'a>(view: &View<'a>) -> Option<Service<'a>> {
    let by_webhook = view.text("/spec/conversion/strategy") == Some("Webhook");
    let client = view.live.pointer("/spec/conversion/webhook/clientConfig");
    client.filter(|_| by_webhook).and_then(service)
}

/// True for a definition whose versions somebody converts.
pub(super) fn converts(view: &View<'_>) -> bool {
    converter(view).is_some()
}

pub(super) fn conversion_look(view: &View<'_>) -> Vec<Query> {
    queries(converter(view).into_iter())
}

/// Whether a Service has an address that is ready; otherwise why it cannot be told or what is missing.
fn answers(view: &View<'_>, service: Service<'_>, code: &str) -> Result<(), Gate> {
    let unread = |problem| Gate::unread(view.clock, problem);
    let found = view.seen.list(&slices(service)).map_err(unread)?;
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

/// The same, of what the API server says when it asks.
pub(super) fn not_converted(view: &View<'_>, message: &str) -> Gate {
    let takes = "what converts answers, with a certificate that the definition's caBundle signs";
    let gate = view.closed("conversion-not-answering", message, takes);
    gate.or_assumed(view.clock, 0)
}

fn is_trusted(hook: &Value) -> bool {
    text(hook, "/clientConfig/caBundle").is_some_and(|bundle| !bundle.is_empty())
}

/// Each webhook has somebody who answers, and does answer.
pub(super) fn configuration(view: &View<'_>) -> Gate {
    match stands(view) {
        Gate::Open => match answered(view) {
            Gate::Open => unlisted(view).map_or(Gate::Open, Gate::Assumed),
            gate => gate,
        },
        gate => gate,
    }
}

/// Why it is not known whether one of its Services has an address: they may not be listed.
fn unlisted(view: &View<'_>) -> Option<Why> {
    let mut all = hooks(view).into_iter();
    all.find_map(|(_, service)| match answers(view, service, SILENT) {
        Err(Gate::Assumed(why)) => Some(why),
        Ok(()) | Err(_) => None,
    })
}

/// The API server reaches each webhook about an object of the recovery: an address alone may have another certificate than the one
/// that it trusts, or be kept from it by a policy. What it says does not count.
fn answered(view: &View<'_>) -> Gate {
    let mut assumed = None;
    for sample in samples(view) {
        if !is_known(view) {
            return view.closed(
                "webhook-untried",
                &format!("its webhook {} is asked in a moment", sample.webhook),
                "the API server knows of it",
            );
        }
        let Err(problem) = view.seen.rehearsed(&sample.request()) else {
            continue;
        };
        match unanswered(view, sample, problem) {
            Gate::Open => {}
            gate @ Gate::Assumed(_) => assumed = assumed.or(Some(gate)),
            gate @ (Gate::Closed(_) | Gate::Failed(_)) => return gate,
        }
    }
    assumed.unwrap_or(Gate::Open)
}

/// What it means that the API server would not do what it was asked to try.
fn unanswered(view: &View<'_>, sample: &Sample, problem: Problem) -> Gate {
    let named = problem.message.contains(&format!("\"{}\"", sample.webhook));
    match problem.code.as_str() {
        "webhook-failed" if named && view.clock.is_past(ANSWER_SECONDS) => view.failed(
            "webhook-failing",
            &one_line(&problem.message),
            "see whether its caBundle signs its certificate and whether the API server reaches its Service, or delete this configuration: until then it refuses what it is asked about",
        ),
        "webhook-failed" if named => view.closed(
            "webhook-failing",
            &one_line(&problem.message),
            "the API server reaches it and trusts its certificate",
        ),
        FORBIDDEN => Gate::unread(view.clock, problem),
        _ if says_nothing(&problem) => {
            let gate = Gate::closed(&problem.code, problem.message, problem.hint);
            gate.or_assumed(view.clock, ANSWER_SECONDS)
        }
        // It was asked; or another is in the way, which has a gate of its own, or the object cannot be tried.
        _ => Gate::Open,
    }
}

/// True when the API server did not come so far, or its answer was lost: the next one may tell of the webhook.
fn says_nothing(problem: &Problem) -> bool {
    match problem.code.as_str() {
        "unauthorized" | "credentials-failed" => true,
        "webhook-failed" | "kind-not-served" | "not-found" => false,
        _ if problem.message.contains("conversion webhook") => false,
        _ => matches!(problem.class, Class::Wait | Class::Retry),
    }
}

/// Each webhook's Service has an address that is ready, and the API server knows whom to trust there.
fn stands(view: &View<'_>) -> Gate {
    let hooks = hooks(view);
    for (hook, service) in &hooks {
        let Err(gate) = answers(view, *service, SILENT) else {
            continue;
        };
        return match gate {
            // Its address is not known: whether it is reached tells more.
            Gate::Assumed(_) => continue,
            Gate::Closed(why) if why.code == SILENT && view.clock.is_past(ANSWER_SECONDS) => {
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
