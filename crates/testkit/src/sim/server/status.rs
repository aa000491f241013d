//! Refusals as the real server words them: code, reason, message, details. Called by everything that refuses.

use serde_json::{Map, Value, json};

use super::Reply;
use super::catalogue::Served;

/// Why a field is refused.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    reason: &'static str,
    said: String,
    field: String,
}

impl Cause {
    pub(super) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            said: format!("Invalid value: {value}: {why}"),
            field: field.to_owned(),
        }
    }

    pub(super) fn required(field: &str, why: &str) -> Self {
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        Self {
            reason: "FieldValueRequired",
            said: format!("Required value{why}"),
            field: field.to_owned(),
        }
    }

    pub(super) fn forbidden(field: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            said: format!("Forbidden: {why}"),
            field: field.to_owned(),
        }
    }

    pub(super) fn wrong_type(field: &str, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            ..Self::invalid(field, value, why)
        }
    }

    pub(super) fn unsupported(field: &str, value: &Value, allowed: &[Value]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        Self {
            reason: "FieldValueNotSupported",
            said: format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
            field: field.to_owned(),
        }
    }

    fn json(&self) -> Value {
        json!({ "reason": self.reason, "message": self.said, "field": self.field })
    }
}

fn failure(code: u16, reason: &str, message: impl Into<String>, details: Value) -> Reply {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message.into(), "reason": reason, "code": code,
    });
    if !details.is_null() {
        body["details"] = details;
    }
    Reply::of(code, body)
}

/// `configmaps`, `deployments.apps`.
fn group_resource(served: &Served) -> String {
    let resource = &served.resource;
    if resource.group.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}.{}", resource.plural, resource.group)
    }
}

fn details(served: &Served, name: &str, kind: &str) -> Value {
    let mut details = Map::new();
    for (key, value) in [
        ("name", name),
        ("group", served.resource.group.as_str()),
        ("kind", kind),
    ] {
        if !value.is_empty() {
            details.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(details)
}

fn of_resource(served: &Served, name: &str) -> Value {
    details(served, name, &served.resource.plural)
}

pub(super) fn not_found(served: &Served, name: &str) -> Reply {
    let message = format!("{} \"{name}\" not found", group_resource(served));
    failure(404, "NotFound", message, of_resource(served, name))
}

/// Nobody serves such a path.
pub(super) fn not_served() -> Reply {
    let message = "the server could not find the requested resource";
    failure(404, "NotFound", message.to_owned(), json!({}))
}

pub(super) fn already_exists(served: &Served, name: &str) -> Reply {
    let message = format!("{} \"{name}\" already exists", group_resource(served));
    failure(409, "AlreadyExists", message, of_resource(served, name))
}

pub(super) fn conflict(served: &Served, name: &str, why: &str) -> Reply {
    let what = group_resource(served);
    let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {why}");
    failure(409, "Conflict", message, of_resource(served, name))
}

pub(super) fn modified(served: &Served, name: &str) -> Reply {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    conflict(served, name, why)
}

/// Fields of an apply that others own: who (`"helm" using v1`) and which.
pub(super) fn apply_conflict(conflicts: &[(String, String)]) -> Reply {
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(who, field)| {
            let message = format!("conflict with {who}");
            json!({ "reason": "FieldManagerConflict", "message": message, "field": field })
        })
        .collect();
    let (count, s) = (conflicts.len(), if conflicts.len() == 1 { "" } else { "s" });
    let lines: Vec<String> = conflicts
        .iter()
        .map(|(who, field)| format!("conflict with {who}: {field}"))
        .collect();
    let message = format!(
        "Apply failed with {count} conflict{s}: {}",
        lines.join("; ")
    );
    failure(409, "Conflict", message, json!({ "causes": causes }))
}

pub(super) fn bad_request(message: impl Into<String>) -> Reply {
    failure(400, "BadRequest", message.into(), Value::Null)
}

pub(super) fn invalid(served: &Served, name: &str, causes: &[Cause]) -> Reply {
    let resource = &served.resource;
    let kind = if resource.group.is_empty() {
        resource.kind.clone()
    } else {
        format!("{}.{}", resource.kind, resource.group)
    };
    let lines: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.said))
        .collect();
    let why = if let [one] = lines.as_slice() {
        one.clone()
    } else {
        format!("[{}]", lines.join(", "))
    };
    let mut details = details(served, name, &resource.kind);
    details["causes"] = causes.iter().map(Cause::json).collect();
    let message = format!("{kind} \"{name}\" is invalid: {why}");
    failure(422, "Invalid", message, details)
}

/// A JSON patch that cannot be applied; the server gives no cause.
pub(super) fn patch_rejected() -> Reply {
    let message = "the server rejected our request due to an error in our request";
    failure(422, "Invalid", message.to_owned(), json!({}))
}

/// An apply without a manager.
pub(super) fn manager_required() -> Reply {
    let field = "fieldManager";
    let cause = Cause::required(field, "is required for apply patch");
    let message = format!(
        "PatchOptions.meta.k8s.io \"\" is invalid: {field}: {}",
        cause.said
    );
    let details =
        json!({ "group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause.json()] });
    failure(422, "Invalid", message, details)
}

pub(super) fn terminating(served: &Served, name: &str, namespace: &str) -> Reply {
    let mut details = of_resource(served, name);
    details["causes"] = json!([{
        "reason": "NamespaceTerminating",
        "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    }]);
    let message = format!(
        "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
        group_resource(served)
    );
    failure(403, "Forbidden", message, details)
}

pub(super) fn forbidden(served: &Served, name: &str, why: &str) -> Reply {
    let message = format!("{} \"{name}\" is forbidden: {why}", group_resource(served));
    failure(403, "Forbidden", message, of_resource(served, name))
}

/// A webhook that says no and chooses no code.
pub(super) fn denied(webhook: &str, why: &str) -> Reply {
    let message = format!("admission webhook \"{webhook}\" denied the request: {why}");
    failure(400, "", message, Value::Null)
}

pub(super) fn internal(why: &str) -> Reply {
    let message = format!("Internal error occurred: {why}");
    failure(
        500,
        "InternalError",
        message,
        json!({ "causes": [{ "message": why }] }),
    )
}

/// An error that the server passes on as it is.
pub(super) fn internal_plain(why: &str) -> Reply {
    failure(500, "", why.to_owned(), json!({}))
}

pub(super) fn not_allowed(why: &str) -> Reply {
    failure(405, "MethodNotAllowed", why.to_owned(), json!({}))
}

pub(super) fn expired(message: &str) -> Reply {
    failure(410, "Expired", message.to_owned(), Value::Null)
}

pub(super) fn too_large_version(asked: u64, current: u64) -> Reply {
    let details = json!({
        "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        "retryAfterSeconds": 1,
    });
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    failure(504, "Timeout", message, details)
}

/// Something that was deleted for good.
pub(super) fn deleted(served: &Served, name: &str, uid: &Value) -> Reply {
    let mut details = of_resource(served, name);
    details["uid"] = uid.clone();
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    });
    Reply::of(200, body)
}

/// Planned trouble; 0 is no reply at all.
pub(super) fn trouble(code: u16) -> Reply {
    let retry = json!({ "retryAfterSeconds": 1 });
    match code {
        0 => Reply::of(0, Value::Null),
        429 => failure(
            429,
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later"
                .to_owned(),
            retry,
        ),
        503 => failure(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request".to_owned(),
            retry,
        ),
        504 => failure(
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout".to_owned(),
            json!({}),
        ),
        code => Reply {
            code,
            ..internal("etcdserver: request timed out")
        },
    }
}

/// True for a `Status` that says no.
pub fn is_failure(body: &Value) -> bool {
    body.get("kind").and_then(Value::as_str) == Some("Status")
        && body.get("status").and_then(Value::as_str) != Some("Success")
}

/// The reason of a refusal, empty when there is none.
pub fn reason(body: &Value) -> &str {
    body.get("reason")
        .and_then(Value::as_str)
        .unwrap_or_default()
}
