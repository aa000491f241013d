//! The simulated server as a test's beginning and end: seeding, looking, and what the cluster's own processes do wrong when
//! told to.

use crate::sim::look::Look as _;
use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::{ListRequest, ObjectRef, Problem};
use refloat_core::inventory::{Inventory, Resource, Thing};
use refloat_core::probe::ProbeAnswer;
use serde_json::{Value, json};

use super::cache::Cache;
use super::server::{Reply, Request, Server, Trouble, Verb, merge, served_by};

/// What a controller writes under.
const CONTROLLERS: &str = "kube-controller-manager";
/// When the objects of a test's beginning were made.
const BEGINNING: &str = "2025-12-01T00:00:00Z";

/// All objects, and what the cluster's own processes do wrong when told to.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) server: Server,
    pub(super) cache: Cache,
    pub(super) news: Vec<String>,
    /// What was refused to a client: `create Secret shop/db: namespace-missing`.
    pub refusals: Vec<String>,
    /// What movers say instead of doing their work.
    pub mover_failure: Option<Problem>,
    /// What every probe pod hears.
    pub probe_answer: ProbeAnswer,
    /// An image that cannot be pulled.
    pub missing_image: Option<String>,
    /// What the storage says instead of cutting.
    pub cut_failure: Option<String>,
    /// For how many claims that name their volume the binder loses a race: it sleeps until its resync, or until the claim
    /// is touched.
    pub lost_races: usize,
    /// Claims for which it does, by uid: since when, and in which version it saw them.
    pub(super) sleeping: BTreeMap<String, (Timestamp, String)>,
    /// What somebody else makes right before the engine does this: the effect's line, and the object.
    pub overtaken: Option<(String, Resource, Value)>,
    /// What a server writes to an empty volume: its system identifier.
    pub new_database: String,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            server: Server::default(),
            cache: Cache::default(),
            news: Vec::new(),
            refusals: Vec::new(),
            mover_failure: None,
            probe_answer: ProbeAnswer::yes("simulated", 1),
            missing_image: None,
            cut_failure: None,
            lost_races: 0,
            sleeping: BTreeMap::new(),
            overtaken: None,
            new_database: "7000000000000000001".to_owned(),
        }
    }
}

impl Store {
    /// Number of objects.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True when nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Serves one more kind.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the callers make the resource for this call"
    )]
    pub fn serve(&mut self, resource: Resource) {
        self.server.kinds.serve(&resource);
    }

    /// Takes a kind away.
    pub fn serve_no_more(&mut self, resource: &Resource) {
        self.server.kinds.remove(resource);
    }

    /// Sends a request to the server.
    pub fn call(&mut self, request: &Request) -> Reply {
        self.server.call(request)
    }

    /// Everything that a watch has to say up to now; none when it is refused.
    pub fn watch(&self, request: &Request) -> Vec<Value> {
        self.server.watch(request).unwrap_or_default()
    }

    /// Plans trouble for requests to come.
    pub fn trouble(&mut self, trouble: Trouble) {
        self.server.trouble(trouble);
    }

    /// Forgets the history: older watches and continued lists are expired.
    pub fn compact(&mut self) {
        self.server.compact();
    }

    pub(super) fn set_time(&mut self, now: Timestamp) {
        self.server.set_time(now);
    }

    /// Puts an object in as a test's beginning, with uid, resourceVersion and the server's defaults; nothing is checked.
    pub fn seed(&mut self, resource: &Resource, object: Value) {
        self.server.kinds.serve(resource);
        self.server.seed(resource, object, BEGINNING);
    }

    /// An object.
    pub fn get(&self, object: &ObjectRef) -> Option<&Value> {
        self.server.objects.get(object).map(AsRef::as_ref)
    }

    /// False for a definition whose kind is not served.
    pub(crate) fn serves(&self, definition: &ObjectRef) -> bool {
        let served = self.get(definition).and_then(served_by);
        served.is_none_or(|served| self.server.kinds.find(&served.resource).is_some())
    }

    /// All objects of a request.
    pub fn list(&self, request: &ListRequest) -> Vec<Value> {
        self.server
            .objects
            .of_kind(&request.resource)
            .filter(|(reference, _)| {
                request.namespace.is_none() || request.namespace == reference.namespace
            })
            .filter(|(_, object)| {
                let labels = object.at("/metadata/labels");
                request.labels.iter().all(|(key, value)| {
                    labels.and_then(|labels| labels.get(key)?.as_str()) == Some(value)
                })
            })
            .map(|(_, object)| Value::clone(object))
            .collect()
    }

    /// All references and objects.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectRef, &Value)> {
        self.server
            .objects
            .iter()
            .map(|(reference, object)| (reference.as_ref(), object.as_ref()))
    }

    /// Changes an object past all rules of the server.
    pub fn change(&mut self, object: &ObjectRef, patch: &Value) {
        self.server.overwrite(object, |live| merge(live, patch));
    }

    /// Removes an object past all rules of the server.
    pub fn remove(&mut self, object: &ObjectRef) {
        self.server.objects.take(object);
    }

    /// Everything, as an inventory.
    pub fn inventory(&self) -> Inventory {
        let things = self.iter().filter_map(|(reference, object)| {
            Thing::new(reference.resource.clone(), object.clone())
        });
        let mut inventory = Inventory::of(things);
        inventory.served = self
            .server
            .kinds
            .iter()
            .map(|kind| kind.resource.clone())
            .collect();
        inventory.served.sort();
        "v1.34.4".clone_into(&mut inventory.kubernetes_version);
        inventory
    }

    /// Creates an object as a controller does; a refusal is tried again at its next step.
    pub(super) fn make(&mut self, resource: &Resource, object: Value) -> Reply {
        let namespace = object
            .at("/metadata/namespace")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let request = Request::on_kind(Verb::Create, resource, namespace.as_deref())
            .with("fieldManager", CONTROLLERS)
            .sending(object);
        self.server.call(&request)
    }

    /// Patches an object as a controller does: `status` by its subresource, the rest by itself. What was read has to be
    /// what is there; a conflict is tried again at its next step.
    pub(super) fn write(&mut self, object: &ObjectRef, read: &Value, mut patch: Value) -> Reply {
        let by_itself = self
            .server
            .kinds
            .find(&object.resource)
            .is_some_and(|kind| kind.status);
        let status = match patch.as_object_mut() {
            Some(parts) if by_itself => parts.remove("status"),
            _ => None,
        };
        let send =
            |server: &mut Server, subresource: Option<&str>, version: &Value, mut body: Value| {
                body["metadata"]["resourceVersion"] = version.clone();
                let mut request = Request::on_object(Verb::MergePatch, object)
                    .with("fieldManager", CONTROLLERS)
                    .sending(body);
                request.subresource = subresource.map(str::to_owned);
                server.call(&request)
            };
        let mut version = read["metadata"]["resourceVersion"].clone();
        let mut reply = None;
        if patch.as_object().is_some_and(|parts| !parts.is_empty()) {
            let first = send(&mut self.server, None, &version, patch);
            if !first.is_success() {
                return first;
            }
            version = first.body["metadata"]["resourceVersion"].clone();
            reply = Some(first);
        }
        match (status, reply) {
            (None, Some(reply)) => reply,
            (status, _) => {
                let body = json!({ "status": status });
                send(&mut self.server, Some("status"), &version, body)
            }
        }
    }

    /// Deletes an object as a controller does.
    pub(super) fn discard(&mut self, object: &ObjectRef, read: &Value) -> Reply {
        let options = json!({ "preconditions": { "uid": read["metadata"]["uid"] } });
        let request = Request::on_object(Verb::Delete, object).sending(options);
        self.server.call(&request)
    }
}
