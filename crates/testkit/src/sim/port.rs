//! Queries and effects as requests to the simulated server, as `refloat_world` makes them of the same. Called by `SimWorld`.

use crate::sim::look::Look as _;
use refloat_core::driver::{
    Answer, Class, Effected, FieldOwner, ListRequest, ObjectRef, Patch, Precondition, Problem,
    Propagation, RehearsalRequest,
};
use refloat_core::inventory::Resource;
use refloat_core::names::FIELD_MANAGER;
use serde_json::{Map, Value, json};

use super::Store;
use super::problem::problem;
use super::server::{Reply, Request, Server, Verb, reason};

/// Objects in a page of a list.
const PAGE_OBJECTS_MAX: u32 = 500;
/// How often a read, or a call that was turned away unheard, is tried.
const TRIES_MAX: u32 = 3;
/// A resourceVersion that no object has.
const NEVER_VERSION: &str = "1";

/// Sends a request, again where a client may.
fn send(server: &mut Server, request: &Request) -> Reply {
    let mut reply = server.call(request);
    for _ in 1..TRIES_MAX {
        let unheard = reply.code == 429;
        let passing = unheard || matches!(reply.code, 0 | 500 | 502 | 503 | 504);
        if !(unheard || passing && request.verb.reads()) {
            break;
        }
        reply = server.call(request);
    }
    reply
}

fn answered(request: &Request, reply: Reply) -> Result<Value, Problem> {
    if reply.is_success() {
        Ok(reply.body)
    } else {
        Err(problem(request, &reply))
    }
}

/// One object, `None` when there is none (or no such kind).
pub(super) fn object(server: &mut Server, wanted: &ObjectRef) -> Result<Option<Value>, Problem> {
    let request = Request::on_object(Verb::Get, wanted);
    let reply = send(server, &request);
    if reply.code == 404 {
        return Ok(None);
    }
    answered(&request, reply).map(Some)
}

/// All objects of a kind, page by page. A list that expires on the way is begun again once.
pub(super) fn list(server: &mut Server, wanted: &ListRequest) -> Result<Vec<Value>, Problem> {
    match pages(server, wanted) {
        Err(problem) if problem.code == "expired" => pages(server, wanted),
        answer => answer,
    }
}

fn pages(server: &mut Server, wanted: &ListRequest) -> Result<Vec<Value>, Problem> {
    let mut objects = Vec::new();
    let mut token = String::new();
    loop {
        let mut request =
            Request::on_kind(Verb::List, &wanted.resource, wanted.namespace.as_deref())
                .with("limit", PAGE_OBJECTS_MAX.to_string());
        if !wanted.labels.is_empty() {
            let pairs: Vec<String> = wanted
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            request = request.with("labelSelector", pairs.join(","));
        }
        if !token.is_empty() {
            request = request.with("continue", token.as_str());
        }
        let reply = send(server, &request);
        let mut body = answered(&request, reply)?;
        let next = body.at("/metadata/continue").and_then(Value::as_str);
        next.unwrap_or_default().clone_into(&mut token);
        if let Some(items) = body.get_mut("items").and_then(Value::as_array_mut) {
            objects.append(items);
        }
        if token.is_empty() {
            return Ok(objects);
        }
    }
}

/// Whether a kind is served and its objects can be read.
pub(super) fn served(server: &mut Server, resource: &Resource) -> Result<Answer, Problem> {
    let request = Request::on_kind(Verb::List, resource, None).with("limit", "1");
    let reply = send(server, &request);
    answered(&request, reply).map(|_| Answer::Yes)
}

/// A creation that is tried only; an object that is there would have been asked about all the same.
pub(super) fn rehearse(server: &mut Server, wanted: &RehearsalRequest) -> Result<Answer, Problem> {
    let mut request = Request::on_kind(Verb::Create, &wanted.resource, wanted.namespace.as_deref())
        .with("dryRun", "All")
        .with("fieldManager", FIELD_MANAGER);
    request.body = serde_json::from_str(&wanted.object).ok();
    let reply = send(server, &request);
    if reply.code == 409 {
        return Ok(Answer::Yes);
    }
    answered(&request, reply).map(|_| Answer::Yes)
}

fn address(resource: &Resource, object: &Value) -> ObjectRef {
    let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
    ObjectRef::of(
        resource.clone(),
        text("/metadata/namespace").filter(|_| resource.namespaced),
        text("/metadata/name").unwrap_or_default(),
    )
}

fn existing(server: &mut Server, there: &ObjectRef, refusal: Problem) -> Result<Effected, Problem> {
    match object(server, there)? {
        Some(live) => Ok(Effected::Exists(live)),
        None => Err(refusal),
    }
}

fn guard(precondition: &Precondition) -> Map<String, Value> {
    let mut guard = Map::new();
    if let Some(uid) = &precondition.uid {
        guard.insert("uid".to_owned(), json!(uid));
    }
    if let Some(version) = &precondition.resource_version {
        guard.insert("resourceVersion".to_owned(), json!(version));
    }
    guard
}

fn guarded(patch: &Patch, precondition: &Precondition) -> (Verb, Value) {
    let guard = guard(precondition);
    match patch {
        Patch::Merge(body) => {
            let mut body = body.clone();
            if !guard.is_empty() && body.is_object() {
                if !body["metadata"].is_object() {
                    body["metadata"] = json!({});
                }
                for (key, value) in guard {
                    body["metadata"][key] = value;
                }
            }
            (Verb::MergePatch, body)
        }
        Patch::Json(operations) => {
            let mut all: Vec<Value> = ["uid", "resourceVersion"]
                .iter()
                .filter_map(|key| {
                    let place = format!("/metadata/{key}");
                    let value = guard.get(*key)?;
                    Some(json!({ "op": "replace", "path": place, "value": value }))
                })
                .collect();
            all.extend(operations.as_array().into_iter().flatten().cloned());
            (Verb::JsonPatch, Value::Array(all))
        }
    }
}

/// A failed guard that the server reports as invalid instead of as a conflict.
fn is_other_object(reply: &Reply, patch: &Patch, precondition: &Precondition) -> bool {
    if reply.code != 422 {
        return false;
    }
    let causes = reply.body.at("/details/causes").and_then(Value::as_array);
    let fields: Vec<&str> = causes
        .into_iter()
        .flatten()
        .filter_map(|cause| cause.get("field")?.as_str())
        .collect();
    let tests = match patch {
        Patch::Json(Value::Array(all)) => {
            all.iter().any(|one| one.get("op") == Some(&json!("test")))
        }
        Patch::Json(_) | Patch::Merge(_) => false,
    };
    precondition.uid.is_some() && fields.contains(&"metadata.uid") || fields.is_empty() && tests
}

impl Store {
    /// What a client is refused is remembered, unless looking again is all that it needs.
    fn note(&mut self, verb: &str, object: &ObjectRef, problem: &Problem) {
        let passing = [
            "conflict",
            "not-found",
            "throttled",
            "server-error",
            "reply-lost",
        ];
        if !passing.contains(&problem.code.as_str()) {
            let line = format!("{verb} {}: {}", object.id(), problem.code);
            self.refusals.push(line);
        }
    }

    /// `Effect::Create`.
    pub(super) fn create(
        &mut self,
        resource: &Resource,
        object: &Value,
        owner: &FieldOwner,
    ) -> Result<Effected, Problem> {
        let there = address(resource, object);
        let result = if owner.apply {
            self.create_by_apply(&there, object, &owner.manager)
        } else {
            self.post(&there, object, &owner.manager)
        };
        if let Err(problem) = &result {
            self.note("create", &there, problem);
        }
        result
    }

    fn post(
        &mut self,
        there: &ObjectRef,
        object: &Value,
        manager: &str,
    ) -> Result<Effected, Problem> {
        let request = Request::on_kind(Verb::Create, &there.resource, there.namespace.as_deref())
            .with("fieldManager", manager)
            .sending(object.clone());
        let reply = send(&mut self.server, &request);
        let exists = reason(&reply.body) == "AlreadyExists";
        match answered(&request, reply) {
            Ok(created) => Ok(Effected::Created(created)),
            Err(problem) if exists => existing(&mut self.server, there, problem),
            Err(problem) => Err(problem),
        }
    }

    fn create_by_apply(
        &mut self,
        there: &ObjectRef,
        object: &Value,
        manager: &str,
    ) -> Result<Effected, Problem> {
        let mut body = object.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.insert("resourceVersion".to_owned(), json!(NEVER_VERSION));
        }
        let request = Request::on_object(Verb::Apply, there)
            .with("fieldManager", manager)
            .sending(body);
        let reply = send(&mut self.server, &request);
        match reply.code {
            201 => Ok(Effected::Created(reply.body)),
            409 => existing(&mut self.server, there, problem(&request, &reply)),
            code if reply.is_success() => Err(Problem::of(
                Class::Bug,
                "apply-changed-existing",
                format!("{} was there already and was changed ({code})", there.id()),
                "simulated",
            )),
            _ => Err(problem(&request, &reply)),
        }
    }

    /// `Effect::Patch`.
    pub(super) fn patch(
        &mut self,
        object: &ObjectRef,
        patch: &Patch,
        precondition: &Precondition,
        subresource: Option<&str>,
    ) -> Result<Effected, Problem> {
        let (verb, body) = guarded(patch, precondition);
        let mut request = Request::on_object(verb, object)
            .with("fieldManager", FIELD_MANAGER)
            .sending(body);
        request.subresource = subresource.map(str::to_owned);
        let reply = send(&mut self.server, &request);
        let other = is_other_object(&reply, patch, precondition);
        match answered(&request, reply) {
            Ok(patched) => Ok(Effected::Patched(patched)),
            Err(refusal) if other => Err(Problem::of(
                Class::Retry,
                "conflict",
                refusal.message,
                "simulated",
            )),
            Err(refusal) => {
                self.note("patch", object, &refusal);
                Err(refusal)
            }
        }
    }

    /// `Effect::Delete`.
    pub(super) fn delete(
        &mut self,
        object: &ObjectRef,
        precondition: &Precondition,
        propagation: Propagation,
    ) -> Result<Effected, Problem> {
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation.as_str(),
        });
        let guard = guard(precondition);
        if !guard.is_empty() {
            options["preconditions"] = Value::Object(guard);
        }
        let request = Request::on_object(Verb::Delete, object).sending(options);
        let reply = send(&mut self.server, &request);
        if reply.code == 404 {
            return Ok(Effected::Deleted);
        }
        answered(&request, reply).map(|_| Effected::Deleted)
    }
}
