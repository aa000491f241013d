//! Creates, patches and deletes objects, one call each, as far as their preconditions allow.
//!
//! A write is never repeated here unless it was never sent or the server turned it away unheard (429).

use kube::Client;
use refloat_core::driver::{
    Class, Effected, FieldOwner, ObjectRef, Patch, Precondition, Problem, Propagation,
};
use refloat_core::inventory::Resource;
use refloat_core::names::FIELD_MANAGER;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::problem::problem;
use crate::read;
use crate::transport::{Call, Reply, Verb, send};

/// A resourceVersion that no object has: etcd's first revision holds none.
const NEVER_VERSION: &str = "1";

/// Creates an object, or tells what is there in its place.
pub(crate) async fn create(
    client: &Client,
    resource: &Resource,
    object: &Value,
    owner: &FieldOwner,
) -> Result<Effected, Problem> {
    let there = address(resource, object)?;
    if owner.apply {
        create_by_apply(client, &there, object, &owner.manager).await
    } else {
        let call = Call::on_kind(Verb::Create, resource, there.namespace.as_deref())
            .parameter("fieldManager", owner.manager.as_str())
            .body(object.clone());
        match send(client, &call).await.and_then(|reply| reply.json()) {
            Ok(created) => Ok(Effected::Created(created)),
            Err(failure) if failure.reason() == "AlreadyExists" => {
                existing(client, &there, &named(call, &there), failure).await
            }
            Err(failure) => Err(problem(&named(call, &there), failure)),
        }
    }
}

/// Server-side apply of an object that is believed absent.
///
/// The body carries a resourceVersion that no object can have: the server ignores it when it creates the object and
/// answers 409 when there is one, so an object that appeared in between is never changed (seen on 1.34, for built-in
/// kinds and for custom resources).
async fn create_by_apply(
    client: &Client,
    there: &ObjectRef,
    object: &Value,
    manager: &str,
) -> Result<Effected, Problem> {
    let mut body = object.clone();
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        // The server refuses an apply that brings its own.
        metadata.remove("managedFields");
        metadata.insert("resourceVersion".to_owned(), NEVER_VERSION.into());
    }
    let call = Call::on_object(Verb::Apply, there)
        .parameter("fieldManager", manager)
        .body(body);
    match send(client, &call).await {
        Ok(reply) if reply.code == 201 => created(&call, &reply),
        Ok(reply) => Err(Problem::of(
            Class::Bug,
            "apply-changed-existing",
            format!(
                "{}: was there already and was changed (HTTP {})",
                call.target(),
                reply.code
            ),
            "this API server ignores the resourceVersion of an apply: please report its version",
        )),
        Err(failure) if failure.code() == Some(409) => {
            existing(client, there, &call, failure).await
        }
        Err(failure) => Err(problem(&call, failure)),
    }
}

fn created(call: &Call, reply: &Reply) -> Result<Effected, Problem> {
    match reply.json() {
        Ok(object) => Ok(Effected::Created(object)),
        Err(failure) => Err(problem(call, failure)),
    }
}

/// The live object in the way of a create; gone again by now is a conflict like any other.
async fn existing(
    client: &Client,
    there: &ObjectRef,
    call: &Call,
    failure: Failure,
) -> Result<Effected, Problem> {
    match read::object(client, there).await? {
        Some(live) => Ok(Effected::Exists(live)),
        None => Err(problem(call, failure)),
    }
}

/// Patches an object that exists, if it is still the one that was meant.
pub(crate) async fn patch(
    client: &Client,
    object: &ObjectRef,
    patch: &Patch,
    precondition: &Precondition,
    subresource: Option<&str>,
) -> Result<Effected, Problem> {
    let (verb, body) = match patch {
        Patch::Merge(body) => (Verb::MergePatch, guarded_merge(body, precondition)),
        Patch::Json(operations) => (Verb::JsonPatch, guarded_json(operations, precondition)),
    };
    let call = Call::on_object(verb, object)
        .subresource(subresource)
        .parameter("fieldManager", FIELD_MANAGER);
    let body = body.ok_or_else(|| {
        let why = "a merge patch is an object, a JSON patch a list".to_owned();
        problem(&call, Failure::Unsendable(why))
    })?;
    let call = call.body(body);
    match send(client, &call).await.and_then(|reply| reply.json()) {
        Ok(patched) => Ok(Effected::Patched(patched)),
        Err(failure) if other_object(&failure, patch, precondition) => Err(Problem::of(
            Class::Retry,
            "conflict",
            format!(
                "patch {}: it is no longer the object that was read: {}",
                call.target(),
                failure.message()
            ),
            "something else changed it at the same moment; Refloat looks again",
        )),
        Err(failure) => Err(problem(&call, failure)),
    }
}

/// Puts the precondition into the metadata of a merge patch; the server compares uid and resourceVersion.
fn guarded_merge(body: &Value, precondition: &Precondition) -> Option<Value> {
    let mut body = body.clone();
    let fields = body.as_object_mut()?;
    if let Some(guard) = guard(precondition) {
        let metadata = fields
            .entry("metadata")
            .or_insert_with(|| json!({}))
            .as_object_mut()?;
        metadata.extend(guard);
    }
    Some(body)
}

/// Puts the precondition before the operations of a JSON patch, as values that the server compares. A `test` would fail
/// without saying that it was the test.
fn guarded_json(operations: &Value, precondition: &Precondition) -> Option<Value> {
    let mut guarded = Vec::new();
    if let Some(uid) = &precondition.uid {
        guarded.push(json!({"op": "replace", "path": "/metadata/uid", "value": uid}));
    }
    if let Some(version) = &precondition.resource_version {
        let path = "/metadata/resourceVersion";
        guarded.push(json!({"op": "replace", "path": path, "value": version}));
    }
    guarded.extend(operations.as_array()?.iter().cloned());
    Some(Value::Array(guarded))
}

fn guard(precondition: &Precondition) -> Option<serde_json::Map<String, Value>> {
    let mut guard = serde_json::Map::new();
    if let Some(uid) = &precondition.uid {
        guard.insert("uid".to_owned(), uid.as_str().into());
    }
    if let Some(version) = &precondition.resource_version {
        guard.insert("resourceVersion".to_owned(), version.as_str().into());
    }
    (!guard.is_empty()).then_some(guard)
}

/// A failed guard that the server reports as invalid instead of as a conflict: another uid ("field is immutable"), or a
/// failed `test` (no cause given at all).
fn other_object(failure: &Failure, patch: &Patch, precondition: &Precondition) -> bool {
    let Failure::Refused {
        code: 422, status, ..
    } = failure
    else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<&str> = causes.map(|cause| cause.field.as_str()).collect();
    let uid_differs = precondition.uid.is_some() && fields.contains(&"metadata.uid");
    uid_differs || (fields.is_empty() && tests(patch))
}

fn tests(patch: &Patch) -> bool {
    let Patch::Json(Value::Array(operations)) = patch else {
        return false;
    };
    operations
        .iter()
        .any(|operation| operation.get("op").and_then(Value::as_str) == Some("test"))
}

/// Deletes an object, if it is still the one that was meant.
pub(crate) async fn delete(
    client: &Client,
    object: &ObjectRef,
    precondition: &Precondition,
    propagation: Propagation,
) -> Result<Effected, Problem> {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation.as_str(),
    });
    if let Some(guard) = guard(precondition) {
        options["preconditions"] = Value::Object(guard);
    }
    let call = Call::on_object(Verb::Delete, object).body(options);
    match send(client, &call).await {
        Ok(_) => Ok(Effected::Deleted),
        Err(failure) if failure.code() == Some(404) => Ok(Effected::Deleted),
        Err(failure) => Err(problem(&call, failure)),
    }
}

/// Where an object belongs, by its own metadata.
fn address(resource: &Resource, object: &Value) -> Result<ObjectRef, Problem> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let there = ObjectRef::of(
        resource.clone(),
        text("/metadata/namespace").filter(|_| resource.namespaced),
        text("/metadata/name").unwrap_or_default(),
    );
    // A create has no name in its path, so it is checked as the read of the same object.
    let call = Call::on_object(Verb::Get, &there);
    match call.path() {
        Ok(_) => Ok(there),
        Err(failure) => Err(problem(&call, failure)),
    }
}

fn named(mut call: Call, there: &ObjectRef) -> Call {
    call.name = Some(there.name.clone());
    call
}
