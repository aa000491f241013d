//! Reads objects, lists and logs. Changes nothing.

use futures::future;
use kube::Client;
use refloat_core::driver::{ListRequest, LogRequest, ObjectRef, Problem};
use refloat_core::inventory::Resource;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::problem::problem;
use crate::transport::{Call, Reply, Verb, send};

/// Objects in a page of a list.
const PAGE_OBJECTS_MAX: u32 = 500;
/// Bytes of a log that are kept, from its end.
const LOG_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a log that the server may send.
const LOG_BYTES_SENT_MAX: usize = 16 * LOG_BYTES_MAX;

/// One object, `None` when there is none (or no such kind).
pub(crate) async fn object(client: &Client, wanted: &ObjectRef) -> Result<Option<Value>, Problem> {
    let call = Call::on_object(Verb::Get, wanted);
    match send(client, &call).await.and_then(|reply| reply.json()) {
        Ok(object) => Ok(Some(object)),
        Err(failure) if failure.code() == Some(404) => Ok(None),
        Err(failure) => Err(problem(&call, failure)),
    }
}

/// All objects of a kind, page by page. A list that expires on the way is begun again once.
pub(crate) async fn list(client: &Client, request: &ListRequest) -> Result<Vec<Value>, Problem> {
    list_as(client, request, &|object| object).await
}

/// The same, each object as something else: a page is let go before the next one comes.
pub(crate) async fn list_as<T>(
    client: &Client,
    request: &ListRequest,
    take: &impl Fn(Value) -> T,
) -> Result<Vec<T>, Problem> {
    match pages(client, request, take).await {
        Err((_, failure)) if failure.code() == Some(410) => {
            tracing::debug!(resource = %request.resource.plural, "list expired, once more");
            pages(client, request, take).await
        }
        answer => answer,
    }
    .map_err(|(call, failure)| problem(&call, failure))
}

async fn pages<T>(
    client: &Client,
    request: &ListRequest,
    take: &impl Fn(Value) -> T,
) -> Result<Vec<T>, (Box<Call>, Failure)> {
    let mut objects = Vec::new();
    let mut call = page_call(request, "");
    let mut token = String::new();
    let mut answer = send(client, &call).await;
    loop {
        let failed = |failure| (Box::new(call.clone()), failure);
        let reply = answer.map_err(failed)?;
        let next = continued(&reply).map_err(failed)?;
        if !next.is_empty() && next == token {
            let why = "the list goes round in circles".to_owned();
            return Err(failed(Failure::Garbled(why)));
        }
        let mut read = || -> Result<(), Failure> {
            let items = page(reply.json()?)?.into_iter();
            objects.extend(items.map(|item| take(typed(item, &request.resource))));
            Ok(())
        };
        if next.is_empty() {
            read().map_err(failed)?;
            return Ok(objects);
        }
        // The server makes the next page while this one is read: it is asked first.
        let after = page_call(request, &next);
        let (came, read) = future::join(send(client, &after), async { read() }).await;
        read.map_err(failed)?;
        (call, token, answer) = (after, next, came);
    }
}

/// The page of a list that goes on from a token (empty: its first), and the token of the next (empty: it was the last).
pub(crate) async fn page_after(
    client: &Client,
    request: &ListRequest,
    token: &str,
) -> Result<(Vec<Value>, String), Failure> {
    let reply = send(client, &page_call(request, token)).await?;
    let next = continued(&reply)?;
    let items = page(reply.json()?)?.into_iter();
    let objects = items.map(|item| typed(item, &request.resource));
    Ok((objects.collect(), next))
}

/// Whether a kind is served and its objects can be read: one of them is asked for.
pub(crate) async fn served(client: &Client, resource: &Resource) -> Result<(), Problem> {
    let call = Call::on_kind(Verb::List, resource, None).parameter("limit", "1");
    let answer = send(client, &call).await;
    answer.map(drop).map_err(|failure| problem(&call, failure))
}

fn page_call(request: &ListRequest, token: &str) -> Call {
    let mut call = Call::on_kind(Verb::List, &request.resource, request.namespace.as_deref())
        .parameter("limit", PAGE_OBJECTS_MAX.to_string());
    if !request.labels.is_empty() {
        let pairs: Vec<String> = request
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        call = call.parameter("labelSelector", pairs.join(","));
    }
    if !token.is_empty() {
        call = call.parameter("continue", token);
    }
    call
}

/// Where a list goes on; empty at its end.
fn continued(reply: &Reply) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Head {
        metadata: Option<Metadata>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "continue")]
        token: Option<String>,
    }
    let head: Head = reply.read()?;
    let token = head.metadata.and_then(|metadata| metadata.token);
    Ok(token.unwrap_or_default())
}

fn page(mut answer: Value) -> Result<Vec<Value>, Failure> {
    // Go writes an empty list as null.
    match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(Failure::Garbled("no `items` in a list".to_owned())),
    }
}

/// Lists leave `apiVersion` and `kind` out of their items.
fn typed(mut item: Value, resource: &Resource) -> Value {
    if let Some(fields) = item.as_object_mut() {
        fields
            .entry("apiVersion")
            .or_insert_with(|| resource.api_version().into());
        fields
            .entry("kind")
            .or_insert_with(|| resource.kind.clone().into());
    }
    item
}

/// The end of a log; of the default container when the pod has several.
pub(crate) async fn log(client: &Client, request: &LogRequest) -> Result<String, Problem> {
    let pod = ObjectRef::namespaced(pods(), &request.namespace, &request.pod);
    let call = |container: Option<&str>| {
        let call = Call::on_object(Verb::Get, &pod)
            .subresource(Some("log"))
            .parameter("tailLines", request.lines_max.to_string())
            .parameter("limitBytes", LOG_BYTES_SENT_MAX.to_string());
        match container {
            Some(container) => call.parameter("container", container),
            None => call,
        }
    };
    let mut asked = call(None);
    let mut answer = send(client, &asked).await;
    if answer.as_ref().is_err_and(wants_container)
        && let Some(container) = default_container(client, &pod).await?
    {
        asked = call(Some(&container));
        answer = send(client, &asked).await;
    }
    match answer {
        Ok(reply) => Ok(tail(reply.text(), LOG_BYTES_MAX)),
        Err(failure) => Err(
            crate::exec::pod_problem(&request.namespace, &request.pod, &failure)
                .unwrap_or_else(|| problem(&asked, failure)),
        ),
    }
}

/// True when the server wants to be told which container is meant.
pub(crate) fn wants_container(failure: &Failure) -> bool {
    failure.code() == Some(400)
        && failure
            .message()
            .contains("container name must be specified")
}

/// The container that `kubectl` would take: the annotated one, else the first.
pub(crate) async fn default_container(
    client: &Client,
    pod: &ObjectRef,
) -> Result<Option<String>, Problem> {
    let Some(found) = object(client, pod).await? else {
        return Ok(None);
    };
    let annotated = found
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get("kubectl.kubernetes.io/default-container"));
    Ok(annotated
        .or_else(|| found.pointer("/spec/containers/0/name"))
        .and_then(Value::as_str)
        .map(str::to_owned))
}

pub(crate) fn pods() -> Resource {
    Resource::namespaced("v1", "Pod", "pods")
}

/// The last bytes of a text, from the start of a character.
fn tail(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let mut from = text.len() - bytes_max;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_starts_at_a_character() {
        assert_eq!(tail("abc".to_owned(), 3), "abc");
        assert_eq!(tail("aäb".to_owned(), 2), "b");
        assert_eq!(tail("aäb".to_owned(), 3), "äb");
    }
}
