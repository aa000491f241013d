//! The words for a failed call: stable code, class, the thing's name, the cause, the next step.
//!
//! Every failure of a call becomes a `Problem` here and nowhere else. What a 404 or an `AlreadyExists` means to the one
//! who asked is decided before (`read`, `write`).

use kube::core::Status;
use refloat_core::driver::{Class, Problem};

use crate::failure::Failure;
use crate::transport::Call;

/// Puts a failed call into words.
pub(crate) fn problem(call: &Call, failure: Failure) -> Problem {
    match failure {
        Failure::Unsendable(why) => Problem::of(
            Class::Bug,
            "call-malformed",
            format!("{} {}: {why}", call.verb.rule(), call.target()),
            "this is a defect of Refloat: please report it with the journal of the run",
        ),
        Failure::Credentials(why) => Problem::stuck(
            "credentials-failed",
            format!("no credentials for the cluster: {why}"),
            "run the credential command of the kubeconfig by hand and see what it says",
        ),
        Failure::NeverSent(why) => unreachable(call, &why),
        Failure::Lost(why) if call.verb.reads() => unreachable(call, &why),
        Failure::Late(limit) if call.verb.reads() => {
            unreachable(call, &format!("no answer within {} s", limit.as_secs()))
        }
        Failure::Lost(why) => reply_lost(&format!("{} {}", call.verb.rule(), call.target()), &why),
        Failure::Late(limit) => reply_lost(
            &format!("{} {}", call.verb.rule(), call.target()),
            &format!("no answer within {} s", limit.as_secs()),
        ),
        Failure::Garbled(why) => Problem::of(
            Class::Retry,
            "server-error",
            format!(
                "{} {}: the answer makes no sense: {why}",
                call.verb.rule(),
                call.target()
            ),
            "is there a proxy between here and the API server?",
        ),
        Failure::Refused { code, status, .. } => refused(call, code, &status),
    }
}

/// A write or a command of which nobody knows whether it happened.
pub(crate) fn reply_lost(what: &str, why: &str) -> Problem {
    Problem::of(
        Class::Retry,
        "reply-lost",
        format!("{what}: the reply was lost, it may or may not have happened: {why}"),
        "Refloat looks again and decides anew; if it stays so, check the way to the API server",
    )
}

fn unreachable(call: &Call, why: &str) -> Problem {
    Problem::of(
        Class::Retry,
        "unreachable",
        format!(
            "{} {}: the API server does not answer: {why}",
            call.verb.rule(),
            call.target()
        ),
        "check that the cluster lives and can be reached from here: `kubectl version`",
    )
}

fn refused(call: &Call, code: u16, status: &Status) -> Problem {
    let said = said(status);
    let text = format!("{} {}: {said}", call.verb.rule(), call.target());
    if let Some(problem) = admission(code, status, &text) {
        return problem;
    }
    match code {
        401 => Problem::stuck(
            "unauthorized",
            text,
            "the cluster does not accept these credentials (expired?): renew them and start again",
        ),
        403 => forbidden(call, status),
        404 => missing(call, status, text),
        409 => Problem::of(
            Class::Retry,
            "conflict",
            text,
            "something else changed it at the same moment; Refloat looks again",
        ),
        410 => Problem::of(
            Class::Retry,
            "expired",
            text,
            "the list was older than the server remembers; Refloat reads it again",
        ),
        413 => Problem::stuck(
            "too-large",
            text,
            "the object is larger than this API server takes (its request limit, or that of etcd)",
        ),
        400 | 405 | 406 | 415 | 422 => invalid(call, status),
        429 => Problem::of(
            Class::Retry,
            "throttled",
            text,
            "the API server is busy; Refloat goes slower",
        ),
        500.. => Problem::of(
            Class::Retry,
            "server-error",
            text,
            "the API server has trouble of its own: see its log if it does not pass",
        ),
        _ => Problem::of(
            Class::Retry,
            "server-error",
            format!("{text} (HTTP {code})"),
            "is there a proxy between here and the API server?",
        ),
    }
}

/// Refusals that come from admission and carry whatever code the plugin chose.
fn admission(code: u16, status: &Status, text: &str) -> Option<Problem> {
    let message = &status.message;
    let namespace_ends = status.details.as_ref().is_some_and(|details| {
        details
            .causes
            .iter()
            .any(|cause| cause.reason == "NamespaceTerminating")
    });
    if namespace_ends {
        return Some(Problem::of(
            Class::Retry,
            "namespace-terminating",
            text,
            "the namespace is being deleted; wait until it is gone, or see which finalizer holds it",
        ));
    }
    if code == 403 && message.contains("exceeded quota") {
        return Some(Problem::stuck(
            "quota-exceeded",
            text,
            "raise the ResourceQuota of the namespace, or make room in it",
        ));
    }
    let denied = message.contains("denied the request")
        || message.contains("denied request")
        || message.contains("violates PodSecurity");
    if denied {
        return Some(Problem::stuck(
            "admission-denied",
            text,
            "a policy of this cluster refuses the object: change the policy, or exempt the namespace",
        ));
    }
    (message.contains("failed calling webhook") || message.contains("failed to call webhook")).then(
        || {
            Problem::of(
                Class::Retry,
                "webhook-failed",
                text,
                "a webhook of this cluster does not answer: see the Service and pods behind it",
            )
        },
    )
}

fn missing(call: &Call, status: &Status, text: String) -> Problem {
    let details = status.details.as_ref();
    let kind = details.map_or("", |details| details.kind.as_str());
    if call.resource.plural != "namespaces" && kind == "namespaces" {
        let name = details.map_or("", |details| details.name.as_str());
        return Problem::stuck(
            "namespace-missing",
            format!("{text} (namespace {name})"),
            format!(
                "create it first: `kubectl create namespace {name}`; one that was deleted in the middle of a recovery took what was written in it along: `refloat rollback`, then recover anew"
            ),
        );
    }
    if kind.is_empty() {
        let class = if call.verb.reads() {
            Class::Stuck
        } else {
            Class::Retry
        };
        return Problem::of(
            class,
            "kind-not-served",
            format!(
                "{} {}: the cluster does not serve {} of {}",
                call.verb.rule(),
                call.target(),
                call.resource.plural,
                call.resource.api_version()
            ),
            format!(
                "install what brings it: see `kubectl api-resources | grep {}`",
                call.resource.plural
            ),
        );
    }
    Problem::of(
        Class::Retry,
        "not-found",
        text,
        "it is gone; Refloat looks again",
    )
}

fn invalid(call: &Call, status: &Status) -> Problem {
    let causes: Vec<String> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| match cause.field.as_str() {
            "" => cause.message.clone(),
            field => format!("{field}: {}", cause.message),
        })
        .collect();
    let why = if causes.is_empty() {
        said(status)
    } else {
        causes.join("; ")
    };
    Problem::stuck(
        "invalid",
        format!(
            "{} {}: the cluster refuses it as invalid: {why}",
            call.verb.rule(),
            call.target()
        ),
        "the cluster's version or CRD asks for other fields: compare them with those of the source",
    )
}

fn said(status: &Status) -> String {
    match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => "the server gives no reason".to_owned(),
        ("", reason) => reason.to_owned(),
        (message, _) => message.to_owned(),
    }
}

fn forbidden(call: &Call, status: &Status) -> Problem {
    let rule = Denied::parse(&status.message).unwrap_or_else(|| Denied {
        user: None,
        verbs: vec![call.verb.rule().to_owned()],
        group: call.resource.group.clone(),
        resource: call.rule_resource(),
        namespace: call.namespace.clone(),
    });
    if status.message.contains("attempting to grant RBAC") {
        return Denied {
            verbs: vec!["bind".to_owned(), "escalate".to_owned()],
            ..rule
        }
        .problem(&format!(
            "{} {}: it grants more than these credentials hold themselves",
            call.verb.rule(),
            call.target()
        ));
    }
    let place = match &rule.namespace {
        Some(namespace) => format!("namespace {namespace}"),
        None => "the whole cluster".to_owned(),
    };
    let what = format!(
        "not allowed to {} {} in {place} ({})",
        rule.verbs.join(", "),
        rule.resource,
        call.target()
    );
    let cause = match &rule.user {
        Some(_) => String::new(),
        None => format!(": {}", said(status)),
    };
    rule.problem(&format!("{what}{cause}"))
}

/// What the authorizer says was missing.
struct Denied {
    user: Option<String>,
    verbs: Vec<String>,
    group: String,
    resource: String,
    namespace: Option<String>,
}

impl Denied {
    /// Reads `User "u" cannot create resource "pods/exec" in API group "" in the namespace "shop"`.
    fn parse(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("User \"")?;
        let (user, rest) = rest.split_once("\" cannot ")?;
        let (verb, rest) = rest.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once("\" in API group \"")?;
        let (group, rest) = rest.split_once('"')?;
        let namespace = rest
            .split_once("in the namespace \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(namespace, _)| namespace.to_owned());
        Some(Self {
            user: Some(user.to_owned()),
            verbs: vec![verb.to_owned()],
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace,
        })
    }

    fn problem(&self, message: &str) -> Problem {
        let who = match &self.user {
            Some(user) => format!("`{user}`"),
            None => "the user of the kubeconfig".to_owned(),
        };
        let place = match &self.namespace {
            Some(namespace) => format!("a Role in namespace {namespace}"),
            None => "a ClusterRole".to_owned(),
        };
        let verbs: Vec<&str> = self.verbs.iter().map(String::as_str).collect();
        Problem::stuck(
            "forbidden",
            message,
            format!(
                "add to {place} that is bound to {who}: {}",
                rule_line(&self.group, &self.resource, &verbs)
            ),
        )
    }
}

/// A rule of RBAC as one line of YAML.
pub(crate) fn rule_line(group: &str, resource: &str, verbs: &[&str]) -> String {
    let verbs: Vec<String> = verbs.iter().map(|verb| format!("\"{verb}\"")).collect();
    format!(
        "- {{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [{}]}}",
        verbs.join(", ")
    )
}
