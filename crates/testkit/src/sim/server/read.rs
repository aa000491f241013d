//! Get, list, watch and discovery.

use std::collections::BTreeMap;
use std::sync::Arc;

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::catalogue::Served;
use super::{Reply, Request, Server, selectors, status};

/// What a continued list says when it comes too late.
const CONTINUE_EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";

impl Request {
    /// The object that is meant, in its stored version.
    pub(super) fn object(&self, served: &Served) -> ObjectRef {
        ObjectRef::of(
            served.resource.clone(),
            self.namespace.as_deref(),
            self.name.as_deref().unwrap_or_default(),
        )
    }
}

/// An object in the version that was asked for.
pub(super) fn versioned(request: &Request, object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!(request.resource.api_version());
    object
}

impl Server {
    pub(super) fn get(&self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let object = request.object(&served);
        match self.objects.get(&object) {
            Some(live) => Ok(Reply::of(200, versioned(request, live))),
            None => Err(status::not_found(&served, &object.name)),
        }
    }

    fn version_parameter(request: &Request) -> Result<Option<u64>, Reply> {
        match request
            .parameter("resourceVersion")
            .filter(|text| !text.is_empty())
        {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                status::bad_request(format!("Invalid value: \"{text}\": strconv.ParseUint"))
            }),
        }
    }

    pub(super) fn list(&self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let current = self.objects.revision();
        let asked = Self::version_parameter(request)?;
        if let Some(asked) = asked.filter(|asked| *asked > current) {
            return Err(status::too_large_version(asked, current));
        }
        let token = request
            .parameter("continue")
            .map(Continue::read)
            .transpose()?;
        let exact = request.parameter("resourceVersionMatch") == Some("Exact");
        let (revision, why) = match (&token, asked) {
            (Some(token), _) => (token.revision, CONTINUE_EXPIRED),
            (None, Some(asked)) if exact => (
                asked,
                "The resourceVersion for the provided list is too old.",
            ),
            (None, _) => (current, ""),
        };
        if revision == current {
            let all = self.objects.of_kind(&served.resource);
            let all = all.map(|(object, value)| (object.as_ref(), value));
            return Ok(page(request, &served, revision, token.as_ref(), all));
        }
        let all: BTreeMap<ObjectRef, Arc<Value>> = self
            .objects
            .of_kind_at(&served.resource, revision)
            .ok_or_else(|| status::expired(why))?;
        Ok(page(request, &served, revision, token.as_ref(), all.iter()))
    }

    pub(super) fn discover(&self, request: &Request) -> Result<Reply, Reply> {
        let (group, version) = (&request.resource.group, &request.resource.version);
        let resources: Vec<Value> = self
            .kinds
            .iter()
            .filter(|one| one.resource.group == *group && one.versions.contains(version))
            .map(|one| {
                json!({
                    "name": one.resource.plural, "kind": one.resource.kind,
                    "namespaced": one.resource.namespaced,
                })
            })
            .collect();
        if resources.is_empty() {
            return Err(status::not_served());
        }
        let body = json!({
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": request.resource.api_version(), "resources": resources,
        });
        Ok(Reply::of(200, body))
    }

    /// Everything that a watch has to say up to now.
    pub fn watch(&self, request: &Request) -> Result<Vec<Value>, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let asked = Self::version_parameter(request)?.unwrap_or(0);
        let current = self.objects.revision();
        let selector = request.parameter("labelSelector");
        let wanted = |value: &Value| selectors::matches(value, selector);
        let here = |object: &ObjectRef| {
            object.resource == served.resource
                && (request.namespace.is_none() || request.namespace == object.namespace)
        };
        let event = |kind: &str, value: &Value| json!({ "type": kind, "object": versioned(request, value) });
        let mut events = Vec::new();
        if asked == 0 {
            let live = self.objects.of_kind(&served.resource);
            events.extend(
                live.filter(|(object, value)| here(object) && wanted(value))
                    .map(|(_, value)| event("ADDED", value)),
            );
        } else {
            let Some(since) = self.objects.since(asked) else {
                let compacted = self.objects.compacted();
                let message = format!("too old resource version: {asked} ({compacted})");
                let error = status::expired(&message).body;
                return Ok(vec![json!({ "type": "ERROR", "object": error })]);
            };
            for one in since.filter(|one| here(&one.object)) {
                let was = one.before.as_ref().is_some_and(|before| wanted(before));
                let is = !one.deleted && wanted(&one.after);
                match (was, is) {
                    (false, true) => events.push(event("ADDED", &one.after)),
                    (true, true) => events.push(event("MODIFIED", &one.after)),
                    (true, false) => events.push(event("DELETED", &one.after)),
                    (false, false) => {}
                }
            }
        }
        if request.parameter("allowWatchBookmarks") == Some("true") {
            let mark = json!({
                "kind": served.resource.kind, "apiVersion": request.resource.api_version(),
                "metadata": { "resourceVersion": current.to_string(), "creationTimestamp": null },
            });
            events.push(json!({ "type": "BOOKMARK", "object": mark }));
        }
        Ok(events)
    }

    pub(super) fn watch_reply(&self, request: &Request) -> Result<Reply, Reply> {
        let events = self.watch(request)?;
        Ok(Reply::of(200, Value::Array(events)))
    }
}

/// Where a continued list goes on.
struct Continue {
    revision: u64,
    namespace: String,
    name: String,
}

impl Continue {
    fn read(token: &str) -> Result<Self, Reply> {
        let mut parts = token.splitn(3, '/');
        let read = || {
            Some(Self {
                revision: parts.next()?.parse().ok()?,
                namespace: parts.next()?.to_owned(),
                name: parts.next()?.to_owned(),
            })
        };
        let mut read = read;
        read().ok_or_else(|| status::bad_request("continue key is not valid"))
    }

    fn is_behind(&self, object: &ObjectRef) -> bool {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        (namespace, object.name.as_str()) > (self.namespace.as_str(), self.name.as_str())
    }
}

fn page<'a>(
    request: &Request,
    served: &Served,
    revision: u64,
    token: Option<&Continue>,
    all: impl Iterator<Item = (&'a ObjectRef, &'a Arc<Value>)>,
) -> Reply {
    let selector = request.parameter("labelSelector");
    let limit = request
        .parameter("limit")
        .and_then(|text| text.parse().ok())
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    let mut items = Vec::new();
    let mut last = None;
    let mut left = 0;
    for (object, value) in all
        .filter(|(object, _)| request.namespace.is_none() || request.namespace == object.namespace)
        .filter(|(object, _)| token.is_none_or(|token| token.is_behind(object)))
    {
        if items.len() == limit {
            left += 1;
        } else if selectors::matches(value, selector) {
            items.push(versioned(request, value));
            last = Some(object);
        }
    }
    // What comes after a full page need not match: the next page may be empty.
    if let Some(last) = last.filter(|_| left > 0) {
        let namespace = last.namespace.as_deref().unwrap_or_default();
        metadata["continue"] = json!(format!("{revision}/{namespace}/{}", last.name));
        if selector.is_none() {
            metadata["remainingItemCount"] = json!(left);
        }
    }
    Reply::of(
        200,
        json!({
            "kind": format!("{}List", served.resource.kind),
            "apiVersion": request.resource.api_version(),
            "metadata": metadata, "items": items,
        }),
    )
}
