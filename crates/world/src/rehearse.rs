//! Writes that the API server tries without doing them (`dryRun=All`), and what it says of the time. Changes nothing. Called by the
//! preflight, and by gates of webhooks.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use kube::Client;
use refloat_core::driver::{Class, ObjectRef, Problem, RehearsalRequest};
use refloat_core::inventory::Resource;
use refloat_core::json::Json;
use refloat_core::names::FIELD_MANAGER;
use refloat_core::plan::{Refusal, Rehearsal, Said};

use crate::Cluster;
use crate::failure::Failure;
use crate::problem::problem;
use crate::transport::{Call, Reply, Verb, send};

impl Cluster {
    /// Has the API server try a write, as it will be done but strict about fields that it does not know.
    pub async fn rehearse(&self, rehearsal: &Rehearsal) -> Said {
        match send(&self.client, &call(rehearsal)).await {
            Ok(reply) => Said::Accepted {
                warnings: warnings(&reply),
            },
            Err(Failure::Refused { code, status, .. }) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                Said::Refused(Refusal {
                    code,
                    reason: status.reason.clone(),
                    causes: causes
                        .map(|cause| (cause.field.clone(), cause.message.clone()))
                        .collect(),
                    message: status.message.clone(),
                })
            }
            Err(failure) => {
                let problem = problem(&call(rehearsal), failure);
                Said::Unanswered {
                    passes: problem.class == Class::Retry,
                    why: problem.message,
                }
            }
        }
    }

    /// How far the API server's clock is ahead of this machine's, in milliseconds; `None` when it does not tell. Its answer tells whole
    /// seconds, so half a second is added; what the answer took is halved.
    pub async fn clock_ahead_milliseconds(&self) -> Result<Option<i64>, Problem> {
        let namespaces = Resource::cluster("v1", "Namespace", "namespaces");
        let system = ObjectRef::cluster(namespaces, "kube-system");
        let call = Call::on_object(Verb::Get, &system);
        let before = Timestamp::now();
        let reply = send(&self.client, &call)
            .await
            .map_err(|failure| problem(&call, failure))?;
        let after = Timestamp::now();
        let told = reply
            .headers(http::header::DATE)
            .first()
            .and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let middle = i64::midpoint(before.as_millisecond(), after.as_millisecond());
        Ok(told.map(|told| told.as_millisecond() + 500 - middle))
    }
}

/// Has the API server try a creation; an object that is there would have been asked about all the same.
pub(crate) async fn creation(client: &Client, request: &RehearsalRequest) -> Result<(), Problem> {
    let call = creation_call(request);
    match send(client, &call).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.code() == Some(409) => Ok(()),
        Err(failure) => Err(problem(&call, failure)),
    }
}

fn creation_call(request: &RehearsalRequest) -> Call {
    let (resource, namespace) = (&request.resource, request.namespace.as_deref());
    let call = Call::on_kind(Verb::Create, resource, namespace);
    let object = serde_json::from_str(&request.object).unwrap_or_default();
    tried(call, "Ignore", FIELD_MANAGER).body(object)
}

/// The same call, to be tried only.
fn tried(call: Call, validation: &str, manager: &str) -> Call {
    call.parameter("dryRun", "All")
        .parameter("fieldValidation", validation)
        .parameter("fieldManager", manager)
}

fn call(rehearsal: &Rehearsal) -> Call {
    let Rehearsal {
        resource, object, ..
    } = rehearsal;
    let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str);
    let namespace = text("/metadata/namespace").filter(|_| resource.namespaced);
    let call = if rehearsal.owner.apply {
        let there = ObjectRef::of(
            resource.clone(),
            namespace,
            text("/metadata/name").unwrap_or_default(),
        );
        Call::on_object(Verb::Apply, &there)
    } else {
        Call::on_kind(Verb::Create, resource, namespace)
    };
    tried(call, "Strict", &rehearsal.owner.manager).body(object.to_value())
}

/// The texts of `Warning: 299 - "TEXT"`.
fn warnings(reply: &Reply) -> Vec<String> {
    let all = reply.headers(http::header::WARNING);
    all.into_iter()
        .map(|text| text.replace("\\\"", "\""))
        .collect()
}

#[cfg(test)]
mod tests {
    use refloat_core::driver::FieldOwner;
    use refloat_core::inventory::ThingId;
    use refloat_core::plan::Trial;
    use serde_json::json;

    use super::*;

    fn path(apply: bool, object: serde_json::Value) -> Result<String, Failure> {
        let rehearsal = Rehearsal {
            thing: ThingId::namespaced("", "Secret", "shop", "db"),
            trial: Trial::Object,
            resource: Resource::namespaced("v1", "Secret", "secrets"),
            object: object.into(),
            owner: FieldOwner {
                manager: "helm & more".to_owned(),
                apply,
            },
        };
        call(&rehearsal).path()
    }

    #[test]
    fn no_call_is_without_the_word_that_it_is_a_trial() {
        let secret = json!({ "metadata": { "name": "db", "namespace": "shop" } });
        let parameters = "dryRun=All&fieldValidation=Strict&fieldManager=helm%20%26%20more";
        assert_eq!(
            path(false, secret.clone()).unwrap(),
            format!("/api/v1/namespaces/shop/secrets?{parameters}")
        );
        assert_eq!(
            path(true, secret).unwrap(),
            format!("/api/v1/namespaces/shop/secrets/db?{parameters}")
        );
        for nameless in [json!(null), json!({ "metadata": null })] {
            assert!(matches!(path(true, nameless), Err(Failure::Unsendable(_))));
        }
    }

    #[test]
    fn a_creation_is_tried_only() {
        let request = RehearsalRequest {
            resource: Resource::namespaced("v1", "ConfigMap", "configmaps"),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
            object: json!({ "metadata": { "name": "web", "namespace": "shop" } }).to_string(),
        };
        assert_eq!(
            creation_call(&request).path().unwrap(),
            "/api/v1/namespaces/shop/configmaps?dryRun=All&fieldValidation=Ignore&fieldManager=refloat"
        );
    }

    #[test]
    fn the_servers_date_is_read() {
        let read = |date: &str| DateTimeParser::new().parse_timestamp(date).ok();
        let expected: Timestamp = "2026-11-26T02:42:04Z".parse().unwrap();
        assert_eq!(read("Thu, 26 Nov 2026 02:42:04 GMT"), Some(expected));
        assert_eq!(read("yesterday"), None);
    }
}
