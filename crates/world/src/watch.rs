//! Watches what somebody waits for, so that a pause ends when it changes.
//!
//! One watch per kind and namespace, for as long as it is wanted. It brings only names and labels: whoever is told reads anew. What cannot be watched
//! is named after each pause, so that it is polled. Called by `Cluster::pause`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use kube::Client;
use refloat_core::driver::{ObjectRef, Query};
use refloat_core::inventory::Resource;
use refloat_core::world::{Changed, Labels};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::transport::{Call, Verb, open, send};

/// Watches at once; what is beyond is polled.
const WATCHES_MAX: usize = 96;
/// A watch that nobody asks for is ended after this time.
const LINGER: Duration = Duration::from_secs(20);
/// What is polled is named after this time.
const POLL: Duration = Duration::from_millis(200);
/// Events come in swarms: after the first one the others of its kind are waited for.
const SWARM: Duration = Duration::from_millis(15);
/// The server ends a watch after this time, and it is opened anew.
const WATCH_SECONDS: u32 = 290;
/// A line of a watch that is longer is no event.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pause before a watch that ended is opened anew, and the longest one.
const REOPEN: Duration = Duration::from_millis(200);
const REOPEN_MAX: Duration = Duration::from_secs(10);

/// A kind in a namespace, or in all.
type Key = (Resource, Option<String>);

/// What is watched, and what has changed since the last pause.
#[derive(Debug)]
pub(crate) struct Watches {
    shared: Arc<Shared>,
    running: Mutex<BTreeMap<Key, Running>>,
    /// When what is polled was named last.
    polled: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    changed: Changed,
    /// Watches that are open now; all others are polled.
    open: BTreeSet<Key>,
}

#[derive(Debug)]
struct Running {
    task: JoinHandle<()>,
    wanted: Instant,
}

impl Drop for Watches {
    fn drop(&mut self) {
        for running in lock(&self.running).values() {
            running.task.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Watches {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::default(),
            running: Mutex::default(),
            polled: Mutex::default(),
        }
    }

    /// Lets time pass until something of this may have changed.
    pub(crate) async fn pause(&self, client: &Client, at_most: Duration, on: &[Query]) -> Changed {
        let wanted: BTreeSet<Key> = Changed::all_of(on).kinds;
        self.want(client, &wanted);
        let polled: BTreeSet<Key> = {
            let state = lock(&self.shared.state);
            wanted.difference(&state.open).cloned().collect()
        };
        let at_most = if polled.is_empty() {
            at_most
        } else {
            at_most.min(POLL)
        };
        let woken = tokio::time::timeout(at_most, self.shared.news.notified()).await;
        if woken.is_ok() {
            tokio::time::sleep(SWARM).await;
        }
        let mut changed = std::mem::take(&mut lock(&self.shared.state).changed);
        // A busy watch beside must not keep what is polled from being read.
        let mut last = lock(&self.polled);
        if woken.is_err() || last.is_none_or(|last| last.elapsed() >= POLL) {
            *last = Some(Instant::now());
            changed.kinds.extend(polled);
        }
        changed
    }

    /// Opens watches that are missing and ends those that nobody has asked for in a while.
    fn want(&self, client: &Client, wanted: &BTreeSet<Key>) {
        let now = Instant::now();
        let mut running = lock(&self.running);
        running.retain(|key, one| {
            let keep = wanted.contains(key) || now.duration_since(one.wanted) < LINGER;
            if !keep {
                one.task.abort();
                lock(&self.shared.state).open.remove(key);
            }
            keep
        });
        for key in wanted {
            if let Some(one) = running.get_mut(key) {
                one.wanted = now;
            } else if running.len() < WATCHES_MAX {
                let watch = watch(client.clone(), key.clone(), Arc::clone(&self.shared));
                let task = tokio::spawn(watch);
                running.insert(key.clone(), Running { task, wanted: now });
            }
        }
    }
}

impl Shared {
    /// A watch is open from now on; what changed before that may have been missed.
    fn opened(&self, key: &Key) {
        let mut state = lock(&self.state);
        state.open.insert(key.clone());
        state.changed.kinds.insert(key.clone());
        drop(state);
        self.news.notify_one();
    }

    fn closed(&self, key: &Key) {
        lock(&self.state).open.remove(key);
    }

    fn saw(&self, object: ObjectRef, labels: Labels) {
        lock(&self.state).changed.saw(object, labels);
        self.news.notify_one();
    }
}

/// Watches one kind for ever, through every gap.
async fn watch(client: Client, key: Key, shared: Arc<Shared>) {
    let mut pause = REOPEN;
    loop {
        let begun = Instant::now();
        let end = follow(&client, &key, &shared).await;
        shared.closed(&key);
        tracing::debug!(kind = %key.0.plural, end = ?end, "a watch ended");
        if begun.elapsed() > REOPEN_MAX {
            pause = REOPEN;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REOPEN_MAX);
    }
}

/// One watch, from now on to its end.
async fn follow(client: &Client, key: &Key, shared: &Shared) -> Result<(), Failure> {
    let (resource, namespace) = key;
    let on_kind = || Call::on_kind(Verb::List, resource, namespace.as_deref());
    // Without a version: the watch cache would send everything, whatever the limit.
    let newest = on_kind().names_only().parameter("limit", "1");
    let list = send(client, &newest).await?.json()?;
    let version = list
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::Garbled("a list without a resourceVersion".to_owned()))?;
    let call = on_kind().watching_names(version, WATCH_SECONDS);
    let mut body = open(client, &call).await?.into_data_stream();
    shared.opened(key);
    let mut rest: Vec<u8> = Vec::new();
    // The server ends it in time; a link that was cut silently never does.
    let silence = Duration::from_secs(u64::from(WATCH_SECONDS) + 30);
    while let Some(bytes) = tokio::time::timeout(silence, body.next())
        .await
        .map_err(|_| Failure::Late(silence))?
    {
        let bytes = bytes.map_err(|error| Failure::Lost(crate::failure::causes(&error)))?;
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Some((object, labels)) = event(&line, resource)? {
                shared.saw(object, labels);
            }
        }
        if rest.len() > LINE_BYTES_MAX {
            return Err(Failure::Garbled("an event without an end".to_owned()));
        }
    }
    Ok(())
}

/// The labels of an object's metadata; an object without any has none of those that a list asks for.
fn labels(found: Option<&Value>) -> Labels {
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    match found {
        None | Some(Value::Null) => Labels::of(BTreeMap::new()),
        Some(Value::Object(map)) => Labels::of(map.iter().filter_map(text).collect()),
        Some(_) => Labels::unknown(),
    }
}

/// The object of an event, with its labels; nothing for a bookmark. An error event ends the watch: what follows may have been missed.
fn event(line: &[u8], resource: &Resource) -> Result<Option<(ObjectRef, Labels)>, Failure> {
    let event: Value =
        serde_json::from_slice(line).map_err(|error| Failure::Garbled(error.to_string()))?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    match text("/type") {
        Some("ADDED" | "MODIFIED" | "DELETED") => Ok(text("/object/metadata/name").map(|name| {
            let object = ObjectRef::of(resource.clone(), text("/object/metadata/namespace"), name);
            (object, labels(event.pointer("/object/metadata/labels")))
        })),
        Some("BOOKMARK") => Ok(None),
        Some("ERROR") => Err(Failure::refused(
            event
                .pointer("/object/code")
                .and_then(Value::as_u64)
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(500),
            event
                .get("object")
                .map(Value::to_string)
                .unwrap_or_default()
                .as_bytes(),
            None,
        )),
        other => Err(Failure::Garbled(format!("an event of type {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use refloat_core::driver::ListRequest;
    use serde_json::json;

    use super::*;

    fn wakes(metadata: &Value) -> bool {
        let pods = Resource::namespaced("v1", "Pod", "pods");
        let line = json!({ "type": "MODIFIED", "object": { "metadata": metadata } }).to_string();
        let (object, labels) = event(line.as_bytes(), &pods)
            .expect("an event")
            .expect("an object");
        let mut changed = Changed::default();
        changed.saw(object, labels);
        changed.concerns(&Query::List(ListRequest {
            resource: pods,
            namespace: Some("shop".to_owned()),
            labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        }))
    }

    #[test]
    fn an_event_wakes_whose_list_its_object_may_be_in() {
        for (labels, woken) in [
            (json!({ "app": "web", "hash": "7" }), true),
            (json!({ "app": "db" }), false),
            (json!({}), false),
            (json!(null), false),
            (json!({ "app": 7 }), false),
            (json!("app=web"), true),
        ] {
            let metadata = json!({ "name": "web-0", "namespace": "shop", "labels": labels });
            assert_eq!(wakes(&metadata), woken, "{labels}");
        }
        assert!(!wakes(&json!({ "name": "web-0", "namespace": "shop" })));
    }
}
