//! The words for a refused request: the same codes and classes as `refloat_world` gives them.
//!
//! The checks in `fidelity` compare both. Called by `port` alone.

use crate::sim::look::Look as _;
use refloat_core::driver::{Class, Problem};
use serde_json::Value;

use super::server::{Reply, Request, Verb};

const SIMULATED: &str = "simulated";

fn rule(verb: Verb) -> &'static str {
    match verb {
        Verb::Get | Verb::Discover => "get",
        Verb::List => "list",
        Verb::Watch => "watch",
        Verb::Create => "create",
        Verb::Apply | Verb::MergePatch | Verb::JsonPatch => "patch",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

fn target(request: &Request) -> String {
    let name = request.name.as_deref().or_else(|| {
        let body = request.body.as_ref()?;
        body.at("/metadata/name")?.as_str()
    });
    let kind = &request.resource.kind;
    match (name, &request.namespace) {
        (Some(name), Some(namespace)) => format!("{kind} {namespace}/{name}"),
        (Some(name), None) => format!("{kind} {name}"),
        (None, Some(namespace)) => format!("{} in namespace {namespace}", request.resource.plural),
        (None, None) => request.resource.plural.clone(),
    }
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn causes(body: &Value) -> impl Iterator<Item = &Value> {
    let causes = body.at("/details/causes").and_then(Value::as_array);
    causes.into_iter().flatten()
}

/// Puts a refusal into words.
pub(super) fn problem(request: &Request, reply: &Reply) -> Problem {
    let said = text(&reply.body, "/message");
    let line = format!("{} {}: {said}", rule(request.verb), target(request));
    let retry = |code: &str| Problem::of(Class::Retry, code, line.clone(), SIMULATED);
    if let Some(problem) = admission(reply, &line) {
        return problem;
    }
    match reply.code {
        0 if request.verb.reads() => retry("unreachable"),
        0 => retry("reply-lost"),
        401 => Problem::stuck("unauthorized", line, SIMULATED),
        403 => Problem::stuck("forbidden", line, SIMULATED),
        404 => missing(request, reply, line),
        409 => retry("conflict"),
        410 => retry("expired"),
        413 => Problem::stuck("too-large", line, SIMULATED),
        400 | 405 | 406 | 415 | 422 => invalid(request, reply),
        429 => retry("throttled"),
        _ => retry("server-error"),
    }
}

fn admission(reply: &Reply, line: &str) -> Option<Problem> {
    let message = text(&reply.body, "/message");
    if causes(&reply.body).any(|cause| text(cause, "/reason") == "NamespaceTerminating") {
        let code = "namespace-terminating";
        return Some(Problem::of(Class::Retry, code, line, SIMULATED));
    }
    if reply.code == 403 && message.contains("exceeded quota") {
        return Some(Problem::stuck("quota-exceeded", line, SIMULATED));
    }
    let denied = [
        "denied the request",
        "denied request",
        "violates PodSecurity",
    ];
    if denied.iter().any(|words| message.contains(words)) {
        return Some(Problem::stuck("admission-denied", line, SIMULATED));
    }
    ["failed calling webhook", "failed to call webhook"]
        .iter()
        .any(|words| message.contains(words))
        .then(|| Problem::of(Class::Retry, "webhook-failed", line, SIMULATED))
}

fn missing(request: &Request, reply: &Reply, line: String) -> Problem {
    let kind = text(&reply.body, "/details/kind");
    if request.resource.plural != "namespaces" && kind == "namespaces" {
        return Problem::stuck("namespace-missing", line, SIMULATED);
    }
    if kind.is_empty() {
        let class = if request.verb.reads() {
            Class::Stuck
        } else {
            Class::Retry
        };
        let why = format!(
            "{} {}: the cluster does not serve {} of {}",
            rule(request.verb),
            target(request),
            request.resource.plural,
            request.resource.api_version()
        );
        return Problem::of(class, "kind-not-served", why, SIMULATED);
    }
    Problem::of(Class::Retry, "not-found", line, SIMULATED)
}

fn invalid(request: &Request, reply: &Reply) -> Problem {
    let mut why: Vec<String> = causes(&reply.body)
        .map(|cause| format!("{}: {}", text(cause, "/field"), text(cause, "/message")))
        .collect();
    if why.is_empty() {
        why.push(text(&reply.body, "/message").to_owned());
    }
    let line = format!(
        "{} {}: the cluster refuses it as invalid: {}",
        rule(request.verb),
        target(request),
        why.join("; ")
    );
    Problem::stuck("invalid", line, SIMULATED)
}
