//! The garbage collector: what has lost all its owners goes; foreground and orphaning deletions are brought to their end.

use crate::sim::look::Look as _;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, has_finalizer, is_going, list, release, text};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Whether an owner that an object names is there: by uid, kind, name, and in a place where it may own it.
fn is_there(store: &Store, object: &ObjectRef, owner: &Value) -> bool {
    let Some(uid) = text(owner, "/uid") else {
        return false;
    };
    store.server.objects.with_uid(uid).is_some_and(|found| {
        let placed = found.namespace.is_none() || found.namespace == object.namespace;
        placed
            && text(owner, "/kind") == Some(&found.resource.kind)
            && text(owner, "/name") == Some(&found.name)
    })
}

/// Collects an object, or goes on with its deletion; true when it has no other controller's business now.
pub(super) fn collect(store: &mut Store, reference: &ObjectRef, object: &Value) -> bool {
    if is_going(object) {
        if has_finalizer(object, FOREGROUND) {
            return foreground(store, reference, object);
        }
        if has_finalizer(object, ORPHAN) {
            return orphan(store, reference, object);
        }
        return false;
    }
    let mut owners = list(object, "/metadata/ownerReferences").peekable();
    if owners.peek().is_none() {
        return false;
    }
    let owners: Vec<bool> = owners
        .map(|owner| is_there(store, reference, owner))
        .collect();
    if owners.iter().any(|there| *there) {
        return false;
    }
    // What it deletes it has read anew: its cache may show an owner that was taken off.
    let Some(live) = store.get(reference).cloned() else {
        return true;
    };
    if list(&live, "/metadata/ownerReferences").eq(list(object, "/metadata/ownerReferences")) {
        store.discard(reference, &live);
    }
    true
}

/// What an object owns, as far as it is owned in a place where it may be.
fn dependents(store: &Store, reference: &ObjectRef, object: &Value) -> Vec<ObjectRef> {
    let uid = text(object, "/metadata/uid").unwrap_or_default();
    store
        .server
        .objects
        .dependents(uid)
        .filter(|one| reference.namespace.is_none() || one.namespace == reference.namespace)
        .cloned()
        .collect()
}

fn foreground(store: &mut Store, reference: &ObjectRef, object: &Value) -> bool {
    let uid = object.at("/metadata/uid").cloned();
    let mut blocked = false;
    for one in dependents(store, reference, object) {
        let Some(live) = store.get(&one).cloned() else {
            continue;
        };
        blocked |= list(&live, "/metadata/ownerReferences").any(|owner| {
            owner.get("uid") == uid.as_ref()
                && owner.get("blockOwnerDeletion") == Some(&json!(true))
        });
        if !is_going(&live) {
            store.discard(&one, &live);
        }
    }
    if !blocked {
        release(store, reference, object, &[FOREGROUND]);
    }
    true
}

fn orphan(store: &mut Store, reference: &ObjectRef, object: &Value) -> bool {
    let uid = object.at("/metadata/uid").cloned();
    for one in dependents(store, reference, object) {
        let Some(live) = store.get(&one).cloned() else {
            continue;
        };
        let left: Vec<&Value> = list(&live, "/metadata/ownerReferences")
            .filter(|owner| owner.get("uid") != uid.as_ref())
            .collect();
        let patch = json!({ "metadata": { "ownerReferences": left } });
        store.write(&one, &live, patch);
    }
    release(store, reference, object, &[ORPHAN]);
    true
}
