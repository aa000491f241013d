//! What a check stands on: a namespace of its own, requests, waiting, and cleaning up behind it.

use std::cell::RefCell;

use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::{Checked, done};
use crate::sim::resource;
use crate::sim::server::{Reply, Request, Verb};

/// How often something is looked at until it is as expected.
const LOOKS_MAX: usize = 300;

/// A server that answers requests.
#[allow(
    async_fn_in_trait,
    reason = "the checks run one after another on one task: no Send bound is wanted"
)]
pub trait Api {
    /// Answers one request.
    async fn call(&self, request: &Request) -> Reply;
    /// Everything that a watch says in this time.
    async fn watch(&self, request: &Request, seconds: u64) -> Vec<Value>;
    /// Lets the cluster's own processes go on for a moment.
    async fn pause(&self);
    /// Forgets the history; false where that cannot be asked for.
    async fn forget(&self) -> bool;
    /// A word that no other run of the checks uses.
    fn suffix(&self) -> String;
}

/// What a check stands on.
pub struct Ground<'a, A> {
    /// The server.
    pub(super) api: &'a A,
    /// A namespace of its own.
    pub(super) namespace: String,
    left: RefCell<Vec<ObjectRef>>,
}

impl<'a, A: Api> Ground<'a, A> {
    /// Makes the namespace.
    pub(super) async fn open(api: &'a A, check: &str) -> Result<Self, String> {
        let short: String = check.replace('_', "-").chars().take(36).collect();
        let ground = Self {
            api,
            namespace: format!("{}-{}", short.trim_end_matches('-'), api.suffix()),
            left: RefCell::default(),
        };
        let namespace = ObjectRef::cluster(resource("Namespace"), &ground.namespace);
        ground.create(&namespace, json!({})).await?;
        Ok(ground)
    }

    /// Removes what is left; a check's own failure matters more than one of this.
    pub(super) async fn close(&self) {
        let left = self.left.borrow().clone();
        for object in left.iter().rev() {
            let unheld = json!({ "metadata": { "finalizers": null } });
            let request = Request::on_object(Verb::MergePatch, object).sending(unheld);
            if object.resource.kind != "Namespace"
                && object.resource.kind != "CustomResourceDefinition"
            {
                self.call(request).await;
            }
            let options = json!({ "propagationPolicy": "Background" });
            self.call(Request::on_object(Verb::Delete, object).sending(options))
                .await;
        }
    }

    /// A name that nobody else uses, for what lives in no namespace.
    pub(super) fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.api.suffix())
    }

    /// An object in the check's namespace.
    pub(super) fn at(&self, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::namespaced(resource(kind), &self.namespace, name)
    }

    /// An object of a custom kind in the check's namespace.
    pub(super) fn custom(&self, resource: &Resource, name: &str) -> ObjectRef {
        ObjectRef::namespaced(resource.clone(), &self.namespace, name)
    }

    pub(super) async fn call(&self, request: Request) -> Reply {
        self.api.call(&request).await
    }

    /// A whole object from what matters of it.
    pub(super) fn whole(object: &ObjectRef, mut body: Value) -> Value {
        body["apiVersion"] = json!(object.resource.api_version());
        body["kind"] = json!(object.resource.kind);
        body["metadata"]["name"] = json!(object.name);
        if let Some(namespace) = &object.namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        body
    }

    /// A POST, whatever comes of it.
    pub(super) async fn post(&self, object: &ObjectRef, body: Value) -> Reply {
        self.left.borrow_mut().push(object.clone());
        let namespace = object.namespace.as_deref();
        let request = Request::on_kind(Verb::Create, &object.resource, namespace)
            .with("fieldManager", "maker")
            .sending(Self::whole(object, body));
        self.call(request).await
    }

    /// A POST that has to succeed; what was created.
    pub(super) async fn create(&self, object: &ObjectRef, body: Value) -> Result<Value, String> {
        done(self.post(object, body).await)
    }

    pub(super) async fn get(&self, object: &ObjectRef) -> Reply {
        self.call(Request::on_object(Verb::Get, object)).await
    }

    /// The object, which has to be there.
    pub(super) async fn read(&self, object: &ObjectRef) -> Result<Value, String> {
        done(self.get(object).await)
    }

    /// A merge patch under this manager.
    pub(super) async fn patch(&self, object: &ObjectRef, manager: &str, body: Value) -> Reply {
        let request = Request::on_object(Verb::MergePatch, object)
            .with("fieldManager", manager)
            .sending(body);
        self.call(request).await
    }

    pub(super) async fn put(&self, object: &ObjectRef, body: Value) -> Reply {
        let request = Request::on_object(Verb::Update, object)
            .with("fieldManager", "putter")
            .sending(Self::whole(object, body));
        self.call(request).await
    }

    /// A server-side apply under this manager.
    pub(super) fn applying(object: &ObjectRef, manager: &str, body: Value) -> Request {
        Request::on_object(Verb::Apply, object)
            .with("fieldManager", manager)
            .sending(Self::whole(object, body))
    }

    pub(super) async fn apply(&self, object: &ObjectRef, manager: &str, body: Value) -> Reply {
        self.left.borrow_mut().push(object.clone());
        self.call(Self::applying(object, manager, body)).await
    }

    pub(super) async fn delete(&self, object: &ObjectRef, options: Value) -> Reply {
        self.call(Request::on_object(Verb::Delete, object).sending(options))
            .await
    }

    /// Waits until a look at an object is as expected.
    pub(super) async fn until(
        &self,
        what: &str,
        object: &ObjectRef,
        holds: impl Fn(&Reply) -> bool,
    ) -> Result<Value, String> {
        let mut last = None;
        for _ in 0..LOOKS_MAX {
            let reply = self.get(object).await;
            if holds(&reply) {
                return Ok(reply.body);
            }
            last = Some(reply);
            self.api.pause().await;
        }
        Err(format!("never {what}: {last:?}"))
    }

    /// Waits until an object is gone.
    pub(super) async fn until_gone(&self, object: &ObjectRef) -> Checked {
        self.until("gone", object, |reply| reply.code == 404)
            .await
            .map(drop)
    }

    /// Lets the cluster go on for a while, for what must not happen.
    pub(super) async fn wait(&self) {
        for _ in 0..15 {
            self.api.pause().await;
        }
    }
}
