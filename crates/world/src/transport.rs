//! One call to the API server: address, body, time limit, repeats of what may be repeated.
//!
//! Knows HTTP and paths; knows nothing of what an answer means (`problem`) or what it is for (`read`, `write`). The
//! client's own retry layer is off: it would repeat writes for many minutes.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::Value;

use crate::failure::Failure;

mod path;
mod reply;

use path::{encode, segment};
pub(crate) use reply::Reply;

/// A call is given up after this time.
pub(crate) const CALL_SECONDS_MAX: u64 = 30;
/// A page of a list is given up after this time.
const LIST_SECONDS_MAX: u64 = 60;
/// How often a read, or a call that was not heard, is tried.
const TRIES_MAX: u32 = 3;
/// The longest time between two tries.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// What is done, in the words of RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Create,
    Apply,
    MergePatch,
    JsonPatch,
    Delete,
}

impl Verb {
    /// The verb of a rule.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Apply | Self::MergePatch | Self::JsonPatch => "patch",
            Self::Delete => "delete",
        }
    }

    /// True when nothing is changed.
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Get | Self::List)
    }

    fn method(self) -> Method {
        match self {
            Self::Get | Self::List => Method::GET,
            Self::Create => Method::POST,
            Self::Apply | Self::MergePatch | Self::JsonPatch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Apply => "application/apply-patch+yaml",
            Self::MergePatch => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
            Self::Get | Self::List | Self::Create | Self::Delete => "application/json",
        }
    }
}

/// A call to the API server.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    /// Always there, except for `List` and `Create`.
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    parameters: Vec<(&'static str, String)>,
    body: Option<Value>,
    accept: &'static str,
}

/// The objects whole.
const WHOLE: &str = "application/json";
/// The metadata of a list's objects alone, from servers that know how.
const METADATA_OF_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// The metadata of a watch's objects alone. The server takes the first form that it knows and answers 406 when that is one for objects
/// and a list was asked for (apiserver 1.34, `endpoints/handlers/response.go`): so each has a header of its own.
const METADATA_OF_EACH: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

impl Call {
    /// A call about all objects of a kind.
    pub(crate) fn on_kind(verb: Verb, resource: &Resource, namespace: Option<&str>) -> Self {
        Self {
            verb,
            resource: resource.clone(),
            namespace: namespace.map(str::to_owned),
            name: None,
            subresource: None,
            parameters: Vec::new(),
            body: None,
            accept: WHOLE,
        }
    }

    /// A call about one object.
    pub(crate) fn on_object(verb: Verb, object: &ObjectRef) -> Self {
        Self {
            name: Some(object.name.clone()),
            ..Self::on_kind(verb, &object.resource, object.namespace.as_deref())
        }
    }

    pub(crate) fn subresource(mut self, name: Option<&str>) -> Self {
        self.subresource = name.map(str::to_owned);
        self
    }

    pub(crate) fn parameter(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((key, value.into()));
        self
    }

    /// The list may leave out everything but metadata.
    pub(crate) fn names_only(mut self) -> Self {
        self.accept = METADATA_OF_LIST;
        self
    }

    /// A watch from this version on, whose events may leave out everything but metadata.
    pub(crate) fn watching_names(mut self, version: &str, seconds: u32) -> Self {
        self.accept = METADATA_OF_EACH;
        self.parameter("watch", "true")
            .parameter("allowWatchBookmarks", "true")
            .parameter("timeoutSeconds", seconds.to_string())
            .parameter("resourceVersion", version)
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// `pods/log` in rules and messages.
    pub(crate) fn rule_resource(&self) -> String {
        match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.resource.plural),
            None => self.resource.plural.clone(),
        }
    }

    /// `Secret shop/db`, `secrets in namespace shop`.
    pub(crate) fn target(&self) -> String {
        let kind = &self.resource.kind;
        match (&self.name, &self.namespace) {
            (Some(name), Some(namespace)) => format!("{kind} {namespace}/{name}"),
            (Some(name), None) => format!("{kind} {name}"),
            (None, Some(namespace)) => {
                format!("{} in namespace {namespace}", self.resource.plural)
            }
            (None, None) => self.resource.plural.clone(),
        }
    }

    /// The path with its parameters. A part that is missing or empty is refused: a delete without a name would be a
    /// delete of all.
    pub(crate) fn path(&self) -> Result<String, Failure> {
        let resource = &self.resource;
        let mut path = if resource.group.is_empty() {
            format!("/api/{}", segment(&resource.version)?)
        } else {
            let (group, version) = (segment(&resource.group)?, segment(&resource.version)?);
            format!("/apis/{group}/{version}")
        };
        match (&self.namespace, resource.namespaced) {
            (Some(namespace), true) => {
                path = format!("{path}/namespaces/{}", segment(namespace)?);
            }
            (None, true) if self.verb != Verb::List => {
                return Err(Failure::Unsendable(format!(
                    "{} has no namespace",
                    self.target()
                )));
            }
            _ => {}
        }
        path = format!("{path}/{}", segment(&resource.plural)?);
        match (&self.name, self.verb) {
            (_, Verb::List | Verb::Create) => {}
            (Some(name), _) => path = format!("{path}/{}", segment(name)?),
            (None, _) => {
                return Err(Failure::Unsendable(format!(
                    "no name among {}",
                    self.target()
                )));
            }
        }
        if let Some(subresource) = &self.subresource {
            path = format!("{path}/{}", segment(subresource)?);
        }
        let query: Vec<String> = self
            .parameters
            .iter()
            .map(|(key, value)| format!("{key}={}", encode(value, "-._~")))
            .collect();
        Ok(if query.is_empty() {
            path
        } else {
            format!("{path}?{}", query.join("&"))
        })
    }

    fn request(&self) -> Result<Request<Body>, Failure> {
        let body = match &self.body {
            Some(body) => {
                serde_json::to_vec(body).map_err(|error| Failure::Unsendable(error.to_string()))?
            }
            None => Vec::new(),
        };
        Request::builder()
            .method(self.verb.method())
            .uri(self.path()?)
            .header(http::header::CONTENT_TYPE, self.verb.content_type())
            .header(http::header::ACCEPT, self.accept)
            .body(Body::from(body))
            .map_err(|error| Failure::Unsendable(error.to_string()))
    }
}

/// Sends a call; what may be repeated is tried again a few times.
pub(crate) async fn send(client: &Client, call: &Call) -> Result<Reply, Failure> {
    again(call.verb.reads(), || send_once(client, call)).await
}

/// Asks until there is an answer that stands, or it was tried a few times. What changes nothing `reads`.
pub(crate) async fn again<T, F>(reads: bool, ask: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut tries = 1;
    loop {
        let failure = match ask().await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        let again = failure.unheard() || (reads && failure.passing());
        if !again || tries >= TRIES_MAX {
            return Err(failure);
        }
        tokio::time::sleep(back_off(tries, failure.retry_after())).await;
        tries += 1;
    }
}

/// Sends a call whose answer comes bit by bit for as long as it lasts; only its beginning has a time limit.
pub(crate) async fn open(client: &Client, call: &Call) -> Result<Body, Failure> {
    let request = call.request()?;
    let limit = Duration::from_secs(CALL_SECONDS_MAX);
    let response = tokio::time::timeout(limit, client.send(request))
        .await
        .map_err(|_| Failure::Late(limit))?
        .map_err(|error| Failure::of_client(&error))?;
    let code = response.status().as_u16();
    if (200..300).contains(&code) {
        return Ok(response.into_body());
    }
    let refusal = response.into_body().collect();
    let bytes = tokio::time::timeout(limit, refusal)
        .await
        .map_err(|_| Failure::Late(limit))?
        .map_err(|error| Failure::Lost(crate::failure::causes(&error)))?
        .to_bytes();
    Err(Failure::refused(code, &bytes, None))
}

async fn send_once(client: &Client, call: &Call) -> Result<Reply, Failure> {
    let request = call.request()?;
    let seconds = match call.verb {
        Verb::List => LIST_SECONDS_MAX,
        _ => CALL_SECONDS_MAX,
    };
    let limit = Duration::from_secs(seconds);
    match tokio::time::timeout(limit, exchange(client, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Late(limit)),
    }
}

async fn exchange(client: &Client, request: Request<Body>) -> Result<Reply, Failure> {
    let response = client
        .send(request)
        .await
        .map_err(|error| Failure::of_client(&error))?;
    let code = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let headers = response.headers().clone();
    let bytes = response
        .into_body()
        .collect()
        .await
        .map_err(|error| Failure::Lost(crate::failure::causes(&error)))?
        .to_bytes();
    if (200..300).contains(&code) {
        Ok(Reply::new(code, headers, bytes))
    } else {
        Err(Failure::refused(code, &bytes, retry_after))
    }
}

fn back_off(tries: u32, asked: Option<Duration>) -> Duration {
    let own = Duration::from_millis(200 * 2_u64.pow(tries));
    asked.unwrap_or(own).min(BACK_OFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(namespace: Option<&str>, name: &str) -> Call {
        let object = ObjectRef::of(
            Resource::namespaced("v1", "Secret", "secrets"),
            namespace,
            name,
        );
        Call::on_object(Verb::Delete, &object)
    }

    #[test]
    fn a_call_without_a_full_address_is_never_sent() {
        for (namespace, name) in [
            (Some("shop"), ""),
            (Some("shop"), ".."),
            (Some(""), "db"),
            (None, "db"),
        ] {
            let path = secret(namespace, name).path();
            assert!(
                matches!(path, Err(Failure::Unsendable(_))),
                "{namespace:?} {name}"
            );
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(
            secret(Some("shop"), "../../x?y#z").path().unwrap(),
            "/api/v1/namespaces/shop/secrets/..%2F..%2Fx%3Fy%23z"
        );
        let role = ObjectRef::cluster(
            Resource::cluster(
                "rbac.authorization.k8s.io/v1",
                "ClusterRole",
                "clusterroles",
            ),
            "system:basic-user",
        );
        assert_eq!(
            Call::on_object(Verb::Get, &role).path().unwrap(),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:basic-user"
        );
    }

    #[test]
    fn the_server_is_asked_when_it_says_and_never_later_than_the_bound() {
        assert_eq!(back_off(1, None), Duration::from_millis(400));
        assert_eq!(
            back_off(1, Some(Duration::from_secs(2))),
            Duration::from_secs(2)
        );
        assert_eq!(back_off(1, Some(Duration::from_mins(15))), BACK_OFF_MAX);
    }
}
