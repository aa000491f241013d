//! The objects by place, one revision for all, and the history that watches and continued lists are served from.
//!
//! Holds no rule of the API. Called by the server's verbs and, for reading, by the controllers' caches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::{list, text};

/// One change.
#[derive(Debug, Clone)]
pub struct Event {
    /// The revision that it made.
    pub revision: u64,
    /// Of which object.
    pub object: ObjectRef,
    /// The object before, `None` when it was created.
    pub before: Option<Arc<Value>>,
    /// The object after; the last state, with the revision of its end, when it was deleted.
    pub after: Arc<Value>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// All objects.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Objects {
    live: BTreeMap<Arc<ObjectRef>, Arc<Value>>,
    by_uid: BTreeMap<String, ObjectRef>,
    /// Objects that name an owner, by that owner's uid.
    dependents: BTreeMap<String, BTreeSet<ObjectRef>>,
    log: VecDeque<Event>,
    revision: u64,
    compacted: u64,
    born: u64,
}

impl Objects {
    pub(in crate::sim) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn compact(&mut self) {
        self.log.clear();
        self.compacted = self.revision;
    }

    /// A uid that no object had before.
    pub(super) fn new_uid(&mut self) -> String {
        self.born += 1;
        format!("uid-{}", self.born)
    }

    pub(in crate::sim) fn get(&self, object: &ObjectRef) -> Option<&Arc<Value>> {
        self.live.get(object)
    }

    pub(in crate::sim) fn iter(&self) -> impl Iterator<Item = (&Arc<ObjectRef>, &Arc<Value>)> {
        self.live.iter()
    }

    /// All of a kind, by namespace and name.
    pub(in crate::sim) fn of_kind<'a>(
        &'a self,
        resource: &'a Resource,
    ) -> impl Iterator<Item = (&'a Arc<ObjectRef>, &'a Arc<Value>)> {
        let first = ObjectRef::cluster(resource.clone(), "");
        self.live
            .range::<ObjectRef, _>(&first..)
            .take_while(move |(object, _)| object.resource == *resource)
    }

    pub(in crate::sim) fn with_uid(&self, uid: &str) -> Option<&ObjectRef> {
        self.by_uid.get(uid)
    }

    pub(in crate::sim) fn dependents(&self, uid: &str) -> impl Iterator<Item = &ObjectRef> {
        self.dependents.get(uid).into_iter().flatten()
    }

    fn index(&mut self, object: &ObjectRef, before: Option<&Value>, after: Option<&Value>) {
        let owners = |value: Option<&Value>| -> BTreeSet<String> {
            value
                .map_or(&[][..], |value| list(value, "/metadata/ownerReferences"))
                .iter()
                .filter_map(|owner| text(owner, "/uid").map(str::to_owned))
                .collect()
        };
        let (old, new) = (owners(before), owners(after));
        for gone in old.difference(&new) {
            if let Some(all) = self.dependents.get_mut(gone) {
                all.remove(object);
                if all.is_empty() {
                    self.dependents.remove(gone);
                }
            }
        }
        for added in new.difference(&old) {
            let all = self.dependents.entry(added.clone()).or_default();
            all.insert(object.clone());
        }
        let old = before.and_then(|value| text(value, "/metadata/uid"));
        let new = after.and_then(|value| text(value, "/metadata/uid"));
        if old != new {
            if let Some(old) = old {
                self.by_uid.remove(old);
            }
            if let Some(new) = new {
                self.by_uid.insert(new.to_owned(), object.clone());
            }
        }
    }

    /// Puts an object there, with the next revision.
    pub(super) fn put(&mut self, object: &ObjectRef, mut value: Value) -> Arc<Value> {
        self.revision += 1;
        value["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let value = Arc::new(value);
        let before = self
            .live
            .insert(Arc::new(object.clone()), Arc::clone(&value));
        self.index(object, before.as_deref(), Some(&value));
        self.log.push_back(Event {
            revision: self.revision,
            object: object.clone(),
            before,
            after: Arc::clone(&value),
            deleted: false,
        });
        value
    }

    /// Takes an object away.
    pub(in crate::sim) fn take(&mut self, object: &ObjectRef) -> Option<Arc<Value>> {
        let before = self.live.remove(object)?;
        self.revision += 1;
        self.index(object, Some(&before), None);
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let last = Arc::new(last);
        self.log.push_back(Event {
            revision: self.revision,
            object: object.clone(),
            before: Some(before),
            after: Arc::clone(&last),
            deleted: true,
        });
        Some(last)
    }

    /// What happened after a revision; `None` when that is forgotten.
    pub(in crate::sim) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Event>> {
        if revision < self.compacted {
            return None;
        }
        let from = self.log.partition_point(|event| event.revision <= revision);
        Some(self.log.range(from..))
    }

    /// All of a kind as they were at a revision; `None` when that is forgotten.
    pub(super) fn of_kind_at(
        &self,
        resource: &Resource,
        revision: u64,
    ) -> Option<BTreeMap<ObjectRef, Arc<Value>>> {
        let mut all: BTreeMap<ObjectRef, Arc<Value>> = self
            .of_kind(resource)
            .map(|(object, value)| (ObjectRef::clone(object), Arc::clone(value)))
            .collect();
        let later: Vec<&Event> = self.since(revision)?.collect();
        for event in later.into_iter().rev() {
            if event.object.resource != *resource {
                continue;
            }
            match &event.before {
                Some(before) => all.insert(event.object.clone(), Arc::clone(before)),
                None => all.remove(&event.object),
            };
        }
        Some(all)
    }
}
