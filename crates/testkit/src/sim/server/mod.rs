//! A small API server: requests in, replies out, as kube-apiserver 1.34 answers them.
//!
//! Holds the objects, their history and the rules that every client meets; knows no controller. Everything it does is
//! compared with the real one by the checks in `fidelity`. Called by `Store`, by the controllers and by those checks.

mod addresses;
mod admission;
mod apply;
mod catalogue;
mod create;
mod defaults;
mod definitions;
mod delete;
mod fields;
mod managers;
mod objects;
mod patches;
mod read;
mod schema;
mod seeding;
mod selectors;
mod status;
mod update;
mod validation;

use crate::sim::look::Look as _;
use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::Value;

pub use catalogue::resource;
pub(in crate::sim) use definitions::served_by;
pub use objects::Event;
use objects::Objects;
pub(crate) use patches::merge;
pub(in crate::sim) use selectors::selects;
pub use status::{is_failure, reason};

/// What a request wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One object.
    Get,
    /// All objects of a kind.
    List,
    /// What happens to the objects of a kind.
    Watch,
    /// What a group and version serve; the resource's kind and plural are not looked at.
    Discover,
    /// POST.
    Create,
    /// Server-side apply.
    Apply,
    /// JSON merge patch (RFC 7386).
    MergePatch,
    /// JSON patch (RFC 6902).
    JsonPatch,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
}

impl Verb {
    /// True when nothing is changed.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch | Self::Discover)
    }
}

/// One HTTP request, in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// To which kind.
    pub resource: Resource,
    /// In which namespace, `None` for all and for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// To which object; `None` for `List`, `Watch`, `Create`.
    pub name: Option<String>,
    /// `status`, `finalize`.
    pub subresource: Option<String>,
    /// `fieldManager`, `force`, `dryRun`, `limit`, `resourceVersion` …
    pub parameters: BTreeMap<String, String>,
    /// What is sent.
    pub body: Option<Value>,
}

impl Request {
    /// A request about a kind.
    pub fn on_kind(verb: Verb, resource: &Resource, namespace: Option<&str>) -> Self {
        Self {
            verb,
            resource: resource.clone(),
            namespace: namespace.map(str::to_owned),
            name: None,
            subresource: None,
            parameters: BTreeMap::new(),
            body: None,
        }
    }

    /// A request about an object.
    pub fn on_object(verb: Verb, object: &ObjectRef) -> Self {
        Self {
            name: Some(object.name.clone()),
            ..Self::on_kind(verb, &object.resource, object.namespace.as_deref())
        }
    }

    /// With a parameter.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.parameters.insert(key.to_owned(), value.into());
        self
    }

    /// With a body.
    #[must_use]
    pub fn sending(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// To a subresource.
    #[must_use]
    pub fn to(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }

    fn is_dry(&self) -> bool {
        self.parameter("dryRun") == Some("All")
    }

    fn manager(&self) -> &str {
        self.parameter("fieldManager")
            .filter(|name| !name.is_empty())
            .unwrap_or("unknown")
    }

    fn is_status(&self) -> bool {
        self.subresource.as_deref() == Some("status")
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP code. 0 when no reply came at all.
    pub code: u16,
    /// The object, list or `Status`.
    pub body: Value,
}

impl Reply {
    /// True for 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    fn of(code: u16, body: Value) -> Self {
        Self { code, body }
    }
}

/// What the server answers instead of doing its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// To which verb; `None` for every write.
    pub verb: Option<Verb>,
    /// To how many requests still.
    pub times: usize,
    /// 429, 500, 503, 504; 0 for no reply at all.
    pub code: u16,
    /// Whether the request is done nevertheless.
    pub done: bool,
}

/// The server.
#[derive(Debug, Clone)]
pub struct Server {
    pub(in crate::sim) objects: Objects,
    pub(in crate::sim) kinds: catalogue::Catalogue,
    now: Timestamp,
    troubles: Vec<Trouble>,
    names: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            objects: Objects::default(),
            kinds: catalogue::Catalogue::built_in(),
            now: Timestamp::UNIX_EPOCH,
            troubles: Vec::new(),
            names: 0,
        }
    }
}

impl Server {
    /// Tells the server's clock.
    pub fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The time as the server writes it: whole seconds.
    pub(in crate::sim) fn time(&self) -> String {
        Timestamp::from_second(self.now.as_second())
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_string()
    }

    /// Plans trouble for requests to come.
    pub fn trouble(&mut self, trouble: Trouble) {
        self.troubles.push(trouble);
    }

    /// Forgets the history: older watches and continued lists are `410 Expired` from now on.
    pub fn compact(&mut self) {
        self.objects.compact();
    }

    /// Answers a request.
    pub fn call(&mut self, request: &Request) -> Reply {
        let trouble = self.troubles.iter_mut().find(|one| {
            one.times > 0
                && one
                    .verb
                    .map_or(!request.verb.reads(), |verb| verb == request.verb)
        });
        let Some(trouble) = trouble else {
            return self.serve(request).unwrap_or_else(|failure| failure);
        };
        trouble.times -= 1;
        let reply = status::trouble(trouble.code);
        if trouble.done {
            // Whoever loses a reply does not learn what it was.
            drop(self.serve(request));
        }
        reply
    }

    fn serve(&mut self, request: &Request) -> Result<Reply, Reply> {
        match request.verb {
            Verb::Get => self.get(request),
            Verb::List => self.list(request),
            Verb::Watch => self.watch_reply(request),
            Verb::Discover => self.discover(request),
            Verb::Create => self.create(request),
            Verb::Apply => self.apply(request),
            Verb::MergePatch | Verb::JsonPatch => self.patch(request),
            Verb::Update => self.put(request),
            Verb::Delete => self.delete(request),
        }
    }
}

/// The text at a JSON pointer.
fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.at(pointer)?.as_str()
}

/// The list at a JSON pointer, empty when there is none.
fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .at(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
