//! The objects of the simulated API server: creation, merge patch, preconditions, deletion that takes time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::{Class, Effected, ListRequest, ObjectRef, Precondition, Problem};
use refloat_core::inventory::{Inventory, Resource, Thing};
use serde_json::{Value, json};

/// All objects, by kind and place.
#[derive(Debug, Clone, Default)]
pub struct Store {
    objects: BTreeMap<ObjectRef, Value>,
    counter: u64,
}

fn refused(class: Class, code: &str, message: String) -> Problem {
    Problem::of(class, code, message, "simulated")
}

/// Applies a JSON merge patch (RFC 7386).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

impl Store {
    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True when nothing is there.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Puts an object in as a test's beginning, with uid and resourceVersion.
    pub fn seed(&mut self, resource: &Resource, object: Value) {
        let reference = Self::reference(resource, &object);
        let object = self.born(object, "2025-12-01T00:00:00Z");
        self.objects.insert(reference, object);
    }

    fn reference(resource: &Resource, object: &Value) -> ObjectRef {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        ObjectRef {
            resource: resource.clone(),
            namespace: text("/metadata/namespace").map(str::to_owned),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
        }
    }

    fn born(&mut self, mut object: Value, at: &str) -> Value {
        self.counter += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.counter));
        object["metadata"]["resourceVersion"] = json!(self.counter.to_string());
        object["metadata"]["creationTimestamp"] = json!(at);
        object["metadata"]["generation"] = json!(1);
        object
    }

    /// An object.
    pub fn get(&self, object: &ObjectRef) -> Option<&Value> {
        self.objects.get(object)
    }

    /// All objects of a request.
    pub fn list(&self, request: &ListRequest) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|(reference, _)| reference.resource == request.resource)
            .filter(|(reference, _)| {
                request.namespace.is_none() || request.namespace == reference.namespace
            })
            .filter(|(_, object)| {
                request.labels.iter().all(|(key, value)| {
                    object
                        .pointer("/metadata/labels")
                        .and_then(|labels| labels.get(key))
                        .and_then(Value::as_str)
                        == Some(value)
                })
            })
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// All references and objects.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectRef, &Value)> {
        self.objects.iter()
    }

    /// References of a kind.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<ObjectRef> {
        self.objects
            .keys()
            .filter(|reference| reference.resource.kind == kind)
            .cloned()
            .collect()
    }

    /// Changes an object as a controller would.
    pub(super) fn change(&mut self, object: &ObjectRef, patch: &Value) {
        self.counter += 1;
        let version = self.counter.to_string();
        if let Some(live) = self.objects.get_mut(object) {
            merge(live, patch);
            live["metadata"]["resourceVersion"] = json!(version);
        }
    }

    /// Removes an object as a controller would.
    pub fn remove(&mut self, object: &ObjectRef) {
        self.objects.remove(object);
    }

    pub(super) fn create(
        &mut self,
        resource: &Resource,
        object: &Value,
        now: Timestamp,
    ) -> Result<Effected, Problem> {
        let reference = Self::reference(resource, object);
        if let Some(live) = self.objects.get(&reference) {
            return Ok(Effected::Exists(live.clone()));
        }
        if let Some(namespace) = &reference.namespace {
            let parent = ObjectRef::cluster(
                Resource::cluster("v1", "Namespace", "namespaces"),
                namespace,
            );
            if !self.objects.contains_key(&parent) {
                return Err(refused(
                    Class::Stuck,
                    "namespace-missing",
                    format!("namespace {namespace} does not exist"),
                ));
            }
        }
        let object = self.born(object.clone(), &now.to_string());
        self.objects.insert(reference, object.clone());
        Ok(Effected::Created(object))
    }

    fn check(live: &Value, precondition: &Precondition) -> Result<(), Problem> {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
        let same = |wanted: &Option<String>, pointer: &str| {
            wanted.is_none() || wanted.as_deref() == text(pointer)
        };
        if same(&precondition.uid, "/metadata/uid")
            && same(&precondition.resource_version, "/metadata/resourceVersion")
        {
            Ok(())
        } else {
            Err(refused(
                Class::Retry,
                "conflict",
                "the object has changed".to_owned(),
            ))
        }
    }

    pub(super) fn patch(
        &mut self,
        object: &ObjectRef,
        body: &Value,
        precondition: &Precondition,
    ) -> Result<Effected, Problem> {
        let live = self.objects.get(object).ok_or_else(|| {
            refused(
                Class::Stuck,
                "not-found",
                format!("{} is not there", object.id()),
            )
        })?;
        Self::check(live, precondition)?;
        self.change(object, body);
        Ok(Effected::Patched(self.objects[object].clone()))
    }

    /// Marks for deletion; controllers let go of it later.
    pub(super) fn delete(
        &mut self,
        object: &ObjectRef,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Effected, Problem> {
        if let Some(live) = self.objects.get(object) {
            Self::check(live, precondition)?;
            let mark = json!({ "metadata": { "deletionTimestamp": now.to_string() } });
            self.change(object, &mark);
        }
        Ok(Effected::Deleted)
    }

    /// Everything, as an inventory.
    pub fn inventory(&self) -> Inventory {
        let things = self.objects.iter().filter_map(|(reference, object)| {
            Thing::new(reference.resource.clone(), object.clone())
        });
        let mut inventory = Inventory::of(things);
        let mut served: Vec<Resource> = self
            .objects
            .keys()
            .map(|reference| reference.resource.clone())
            .collect();
        served.sort();
        served.dedup();
        inventory.served = served;
        "v1.34.4".clone_into(&mut inventory.kubernetes_version);
        inventory
    }
}
