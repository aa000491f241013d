//! Objects at which nobody has looked yet are read by the list of their kind: one page tells as much as 500 reads.
//!
//! A list tells what was there when it began, and goes on for seconds. So it is used only for first looks, at objects of which matters
//! what they are and not how they fare; only for a while; and never for what this process itself has written since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kube::Client;
use refloat_core::driver::{Answer, Effect, ListRequest, ObjectRef, Query, Seen};
use refloat_core::inventory::Resource;
use refloat_core::world::FIRST_LOOK_AGE;
use serde_json::Value;

use crate::{Cluster, read};

/// So many objects of one kind in one place are worth a page.
pub(crate) const WORTH: usize = 100;
/// A list that brings so many objects for which nobody asks is left, unless it brought a part of them that is worth it: single reads cost
/// less. Those that a run's first turn looks at itself come before.
const IDLE_MAX: usize = 1_000;
const IDLE_FOR_EACH: usize = 4;

/// A kind in a namespace, or in the cluster.
pub(crate) type Key = (Resource, Option<String>);

/// Lists that have begun.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    lists: Mutex<BTreeMap<Key, Begun>>,
}

#[derive(Debug)]
struct Begun {
    at: Instant,
    /// What this process has written since.
    written: BTreeSet<String>,
    /// Where it stands; nothing while it is read, and when it is of no use any more.
    list: Option<List>,
}

/// A list, as far as it was read.
#[derive(Debug, Default)]
struct List {
    /// Where it goes on, unless it is over.
    token: String,
    over: bool,
    /// The last name that was read: of smaller ones everything is known.
    last: String,
    /// What was read and may yet be asked for.
    rest: BTreeMap<String, Value>,
}

impl List {
    fn knows(&self, name: &str) -> bool {
        self.over || name <= self.last.as_str()
    }

    /// Reads one more page; false when it is no list in the order of names, or cannot be read.
    async fn go_on(&mut self, client: &Client, key: &Key) -> bool {
        let request = ListRequest {
            resource: key.0.clone(),
            namespace: key.1.clone(),
            labels: BTreeMap::new(),
        };
        let Ok((objects, token)) = read::page_after(client, &request, &self.token).await else {
            return false;
        };
        // One that brings nothing may go on so for ever.
        if !token.is_empty() && (token == self.token || objects.is_empty()) {
            return false;
        }
        for object in objects {
            let name = object.pointer("/metadata/name").and_then(Value::as_str);
            let Some(name) = name.filter(|name| *name > self.last.as_str()) else {
                return false;
            };
            name.clone_into(&mut self.last);
            self.rest.insert(self.last.clone(), object);
        }
        self.over = token.is_empty();
        self.token = token;
        true
    }

    /// What of these is known, and lets go of what comes before them: it was not asked for. How much that was comes with it.
    fn take(&mut self, names: &[String]) -> (Vec<(String, Option<Value>)>, usize) {
        let mut found = Vec::new();
        let mut idle = 0;
        let known = names.partition_point(|name| self.knows(name));
        for name in &names[..known] {
            let later = self.rest.split_off(name);
            idle += std::mem::replace(&mut self.rest, later).len();
            found.push((name.clone(), self.rest.remove(name)));
        }
        if names.last().is_some_and(|name| !self.knows(name)) {
            idle += self.rest.len();
            self.rest.clear();
        }
        (found, idle)
    }
}

impl Pages {
    /// What is there of these names, which are in order, as far as a list of their kind tells.
    pub(crate) async fn read(
        &self,
        client: &Client,
        key: &Key,
        names: &[String],
    ) -> Vec<(String, Option<Value>)> {
        let Some((mut list, until)) = names.first().and_then(|first| self.take(key, first)) else {
            return Vec::new();
        };
        let (mut found, mut idle) = list.take(names);
        let mut useful = true;
        while useful && found.len() < names.len() {
            // A server may take minutes for a page: what it tells by then is too old.
            let page = tokio::time::timeout_at(until.into(), list.go_on(client, key));
            useful = page.await.unwrap_or(false);
            if useful {
                let (more, passed) = list.take(&names[found.len()..]);
                found.extend(more);
                idle += passed;
                useful = idle < IDLE_MAX.max(IDLE_FOR_EACH * found.len());
            }
        }
        let mut lists = self.lists();
        let Some(begun) = lists.get_mut(key) else {
            return Vec::new();
        };
        begun.list = Some(list).filter(|_| useful);
        found.retain(|(name, _)| !begun.written.contains(name));
        found
    }

    /// Takes the list of a kind to go on with it from this name on, and until when it may be used. One that is too old or past that name
    /// is of no more use.
    fn take(&self, key: &Key, first: &str) -> Option<(List, Instant)> {
        let mut lists = self.lists();
        let begun = lists.entry(key.clone()).or_insert_with(|| Begun {
            at: Instant::now(),
            written: BTreeSet::new(),
            list: Some(List::default()),
        });
        let list = begun.list.take()?;
        let until = begun.at + FIRST_LOOK_AGE;
        let young = Instant::now() < until;
        // What comes before its last name and was asked for, or passed over, is gone.
        let is_kept = list
            .rest
            .keys()
            .next()
            .is_some_and(|kept| first >= kept.as_str());
        (young && (first > list.last.as_str() || is_kept)).then_some((list, until))
    }

    /// An effect was tried: lists that began before may tell what was there before it.
    pub(crate) fn wrote(&self, effect: &Effect) {
        let object = match effect {
            Effect::Create { .. } | Effect::Patch { .. } => effect.object(),
            Effect::Keep(_) | Effect::StoreObjects | Effect::Seal(_) => return,
            Effect::Delete { .. }
            | Effect::Exec { .. }
            | Effect::GrantVault { .. }
            | Effect::Capture(_) => None,
        };
        let mut lists = self.lists();
        match object {
            Some(object) => {
                let key = (object.resource.clone(), object.namespace.clone());
                if let Some(begun) = lists.get_mut(&key) {
                    begun.written.insert(object.name.clone());
                }
            }
            // There is no telling what it has touched.
            None => lists.clear(),
        }
    }

    fn lists(&self) -> MutexGuard<'_, BTreeMap<Key, Begun>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// Reads what nobody has looked at: many of a kind by its list, the others one by one.
    pub(crate) async fn first_look(&self, queries: Vec<Query>) -> Seen {
        let mut kinds: BTreeMap<Key, Vec<&ObjectRef>> = BTreeMap::new();
        for query in &queries {
            if let Query::Object(object) = query {
                let key = (object.resource.clone(), object.namespace.clone());
                kinds.entry(key).or_default().push(object);
            }
        }
        let mut seen = Seen::default();
        for (key, mut objects) in kinds {
            if objects.len() < WORTH {
                continue;
            }
            objects.sort_by(|one, other| one.name.cmp(&other.name));
            let names: Vec<String> = objects.iter().map(|one| one.name.clone()).collect();
            for (name, live) in self.pages.read(&self.client, &key, &names).await {
                let object = ObjectRef::of(key.0.clone(), key.1.as_deref(), &name);
                seen.insert(Query::Object(object), Answer::Object(live).folded());
            }
        }
        let single = queries.into_iter().filter(|query| !seen.has(query));
        let single = self.look(single.collect()).await;
        seen.extend(single);
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    #[tokio::test]
    async fn a_page_that_takes_longer_than_its_list_may_be_used_is_not_waited_for() {
        let never = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, std::io::Error>>()
        });
        let client = Client::new(never, "shop");
        let maps = Resource::namespaced("v1", "ConfigMap", "configmaps");
        let key = (maps, Some("shop".to_owned()));
        let pages = Pages::default();
        let nearly = FIRST_LOOK_AGE.saturating_sub(Duration::from_millis(100));
        let begun = Begun {
            at: Instant::now().checked_sub(nearly).unwrap(),
            written: BTreeSet::new(),
            list: Some(List::default()),
        };
        pages.lists().insert(key.clone(), begun);
        let names = ["a".to_owned()];
        let read = pages.read(&client, &key, &names);
        let found = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert_eq!(found.unwrap(), []);
        // It is of no more use: the next is read at once, one by one.
        let read = pages.read(&client, &key, &names);
        let found = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert_eq!(found.unwrap(), []);
    }
}
