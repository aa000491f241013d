//! Reads objects, lists and logs. Changes nothing.

use kube::Client;
use refloat_core::driver::{ListRequest, LogRequest, ObjectRef, Problem};
use refloat_core::inventory::Resource;
use serde_json::Value;

use crate::failure::Failure;
use crate::problem::problem;
use crate::transport::{Call, Verb, send};

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
    let mut token = String::new();
    loop {
        let call = page_call(request, &token);
        let answer = send(client, &call)
            .await
            .and_then(|reply| page(reply.json()?));
        match answer {
            Ok((items, next)) => {
                let items = items.into_iter().map(|item| typed(item, &request.resource));
                objects.extend(items.map(take));
                if next.is_empty() {
                    return Ok(objects);
                }
                if next == token {
                    let why = "the list goes round in circles".to_owned();
                    return Err((Box::new(call), Failure::Garbled(why)));
                }
                token = next;
            }
            Err(failure) => return Err((Box::new(call), failure)),
        }
    }
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

fn page(mut answer: Value) -> Result<(Vec<Value>, String), Failure> {
    // Go writes an empty list as null.
    let items = match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(Value::Null) => Vec::new(),
        _ => return Err(Failure::Garbled("no `items` in a list".to_owned())),
    };
    let token = answer
        .pointer("/metadata/continue")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok((items, token.to_owned()))
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
