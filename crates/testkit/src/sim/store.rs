//! The objects of the simulated API server: what is served, creation with all that the server itself adds, preconditions,
//! deletion that takes time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use refloat_core::driver::{
    Class, Effected, FieldOwner, ListRequest, ObjectRef, Precondition, Problem,
};
use refloat_core::inventory::{Inventory, Resource, Thing};
use serde_json::{Map, Value, json};

use super::kinds;

/// What a controller writes under.
const CONTROLLERS: &str = "kube-controller-manager";

/// All objects, by kind and place, and what the cluster's own processes do wrong when told to.
#[derive(Debug, Clone)]
pub struct Store {
    objects: BTreeMap<ObjectRef, Value>,
    served: BTreeSet<Resource>,
    counter: u64,
    pub(super) news: Vec<String>,
    /// What was refused to a client: `create Secret shop/db: namespace-missing`.
    pub refusals: Vec<String>,
    /// What movers say instead of doing their work.
    pub mover_failure: Option<Problem>,
    /// An image that cannot be pulled.
    pub missing_image: Option<String>,
    /// What the storage says instead of cutting.
    pub cut_failure: Option<String>,
    /// What a server writes to an empty volume: its system identifier.
    pub new_database: String,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            served: kinds::built_in(),
            counter: 0,
            news: Vec::new(),
            refusals: Vec::new(),
            mover_failure: None,
            missing_image: None,
            cut_failure: None,
            new_database: "7000000000000000001".to_owned(),
        }
    }
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

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// Who wrote what, as the server notes it.
fn managed(object: &Value, owner: &FieldOwner, at: &str) -> Value {
    let fields: Map<String, Value> = object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"))
        .map(|(key, _)| (format!("f:{key}"), json!({})))
        .collect();
    json!({
        "manager": owner.manager,
        "operation": if owner.apply { "Apply" } else { "Update" },
        "apiVersion": object.get("apiVersion"),
        "time": at, "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
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

    /// Serves one more kind.
    pub fn serve(&mut self, resource: Resource) {
        self.served.insert(resource);
    }

    /// Takes a kind away.
    pub fn serve_no_more(&mut self, resource: &Resource) {
        self.served.remove(resource);
    }

    pub(super) fn serves(&self, resource: &Resource) -> bool {
        self.served.contains(resource)
    }

    /// Puts an object in as a test's beginning, with uid and resourceVersion.
    pub fn seed(&mut self, resource: &Resource, object: Value) {
        let reference = Self::reference(resource, &object);
        self.served.insert(resource.clone());
        let object = self.born(object, "2025-12-01T00:00:00Z");
        self.objects.insert(reference, object);
    }

    fn reference(resource: &Resource, object: &Value) -> ObjectRef {
        ObjectRef {
            resource: resource.clone(),
            namespace: text(object, "/metadata/namespace").map(str::to_owned),
            name: text(object, "/metadata/name")
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn born(&mut self, mut object: Value, at: &str) -> Value {
        self.counter += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.counter));
        object["metadata"]["resourceVersion"] = json!(self.counter.to_string());
        object["metadata"]["creationTimestamp"] = json!(at);
        object["metadata"]["generation"] = json!(1);
        if object.get("kind") == Some(&json!("Service"))
            && object.pointer("/spec/clusterIP").is_none()
        {
            let address = format!("10.96.{}.{}", self.counter / 250, self.counter % 250 + 1);
            object["spec"]["clusterIP"] = json!(address);
            object["spec"]["clusterIPs"] = json!([address]);
        }
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

    /// True when an object with this uid is there.
    pub(super) fn has_uid(&self, uid: &str) -> bool {
        self.objects
            .values()
            .any(|object| text(object, "/metadata/uid") == Some(uid))
    }

    /// Changes an object as a controller would.
    pub fn change(&mut self, object: &ObjectRef, patch: &Value) {
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

    /// Creates an object as a controller would, unless it is there or its namespace is not.
    pub(super) fn make(&mut self, resource: &Resource, object: Value, now: Timestamp) {
        let reference = Self::reference(resource, &object);
        if self.objects.contains_key(&reference) || self.why_not(&reference, &object).is_some() {
            return;
        }
        let owner = FieldOwner {
            manager: CONTROLLERS.to_owned(),
            apply: false,
        };
        self.insert_new(reference, object, &owner, now);
    }

    fn insert_new(
        &mut self,
        reference: ObjectRef,
        object: Value,
        owner: &FieldOwner,
        now: Timestamp,
    ) -> Value {
        let at = now.to_string();
        let entry = managed(&object, owner, &at);
        let mut object = self.born(object, &at);
        object["metadata"]["managedFields"] = json!([entry]);
        self.objects.insert(reference, object.clone());
        object
    }

    /// What the API server has against an object.
    fn why_not(&self, reference: &ObjectRef, object: &Value) -> Option<Problem> {
        let resource = &reference.resource;
        let id = reference.id();
        let invalid = |why: &str| Some(refused(Class::Stuck, "invalid", format!("{id}: {why}")));
        if !self.served.contains(resource) {
            let why = format!("{id}: the cluster does not serve its kind");
            return Some(refused(Class::Retry, "kind-not-served", why));
        }
        if text(object, "/apiVersion") != Some(&resource.api_version())
            || text(object, "/kind") != Some(&resource.kind)
        {
            return invalid("apiVersion or kind is not that of the address");
        }
        if object.pointer("/metadata/resourceVersion").is_some() {
            return invalid("resourceVersion may not be set on an object to be created");
        }
        if resource.namespaced != reference.namespace.is_some() {
            return invalid("a namespace too many or too few");
        }
        if resource.kind == "Service"
            && text(object, "/spec/clusterIP").is_some_and(|address| address != "None")
        {
            return invalid("spec.clusterIP: provided IP is not in the valid range");
        }
        let parent = ObjectRef::cluster(
            Resource::cluster("v1", "Namespace", "namespaces"),
            reference.namespace.as_deref()?,
        );
        match self.objects.get(&parent) {
            None => Some(refused(
                Class::Stuck,
                "namespace-missing",
                format!("{id}: its namespace does not exist"),
            )),
            Some(live) if live.pointer("/metadata/deletionTimestamp").is_some() => Some(refused(
                Class::Retry,
                "namespace-terminating",
                format!("{id}: its namespace is being deleted"),
            )),
            Some(_) => None,
        }
    }

    pub(super) fn create(
        &mut self,
        resource: &Resource,
        object: &Value,
        owner: &FieldOwner,
        now: Timestamp,
    ) -> Result<Effected, Problem> {
        let reference = Self::reference(resource, object);
        if let Some(live) = self.objects.get(&reference) {
            return Ok(Effected::Exists(live.clone()));
        }
        if let Some(problem) = self.why_not(&reference, object) {
            self.refusals
                .push(format!("create {}: {}", reference.id(), problem.code));
            return Err(problem);
        }
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        let created = self.insert_new(reference, object, owner, now);
        Ok(Effected::Created(created))
    }

    fn check(live: &Value, precondition: &Precondition) -> Result<(), Problem> {
        let same = |wanted: &Option<String>, pointer: &str| {
            wanted.is_none() || wanted.as_deref() == text(live, pointer)
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
                Class::Retry,
                "not-found",
                format!("{} is not there", object.id()),
            )
        })?;
        Self::check(live, precondition)?;
        if object.resource.kind == "PersistentVolumeClaim" && body.get("spec").is_some() {
            self.refusals
                .push(format!("patch {}: immutable", object.id()));
            let why = format!("{}: its spec is immutable after creation", object.id());
            return Err(refused(Class::Stuck, "invalid", why));
        }
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
            if live.pointer("/metadata/deletionTimestamp").is_none() {
                let mark = json!({ "metadata": { "deletionTimestamp": now.to_string() } });
                self.change(object, &mark);
            }
        }
        Ok(Effected::Deleted)
    }

    /// Everything, as an inventory.
    pub fn inventory(&self) -> Inventory {
        let things = self.objects.iter().filter_map(|(reference, object)| {
            Thing::new(reference.resource.clone(), object.clone())
        });
        let mut inventory = Inventory::of(things);
        inventory.served = self.served.iter().cloned().collect();
        "v1.34.4".clone_into(&mut inventory.kubernetes_version);
        inventory
    }
}
