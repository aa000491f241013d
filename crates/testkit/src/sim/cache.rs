//! What controllers see: the live objects, or those of some steps ago when their cache is told to lag.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::Value;

use super::Store;
use super::server::Server;

/// A cache that lags behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Cache {
    /// By how many steps.
    lag: usize,
    objects: BTreeMap<Arc<ObjectRef>, Arc<Value>>,
    at: u64,
    /// The revisions at the last steps.
    heads: VecDeque<u64>,
}

impl Cache {
    fn step(&mut self, server: &Server) {
        if self.lag == 0 {
            return;
        }
        self.heads.push_back(server.objects.revision());
        while self.heads.len() > self.lag + 1 {
            self.heads.pop_front();
        }
        let Some(&until) = self.heads.front().filter(|_| self.heads.len() > self.lag) else {
            return;
        };
        let Some(events) = server.objects.since(self.at) else {
            // Its watch is expired: it lists anew.
            self.list(server);
            return;
        };
        for event in events.take_while(|event| event.revision <= until) {
            self.at = event.revision;
            if event.deleted {
                self.objects.remove(&event.object);
            } else {
                let object = Arc::new(event.object.clone());
                self.objects.insert(object, Arc::clone(&event.after));
            }
        }
    }

    fn list(&mut self, server: &Server) {
        self.objects = server
            .objects
            .iter()
            .map(|(object, value)| (Arc::clone(object), Arc::clone(value)))
            .collect();
        self.at = server.objects.revision();
    }
}

impl Store {
    /// Lets what controllers see lag behind by this many of their steps.
    pub fn lag(&mut self, steps: usize) {
        self.cache.lag = steps;
        self.cache.heads.clear();
        self.cache.list(&self.server);
    }

    /// A controller's next step begins.
    pub(super) fn step(&mut self) {
        self.cache.step(&self.server);
    }

    /// An object as controllers see it.
    pub(super) fn seen(&self, object: &ObjectRef) -> Option<&Arc<Value>> {
        if self.cache.lag == 0 {
            self.server.objects.get(object)
        } else {
            self.cache.objects.get(object)
        }
    }

    /// All of a kind as controllers see them.
    pub(super) fn seen_of(&self, resource: &Resource) -> Vec<(Arc<ObjectRef>, Arc<Value>)> {
        let pair = |(object, value): (&Arc<ObjectRef>, &Arc<Value>)| {
            (Arc::clone(object), Arc::clone(value))
        };
        if self.cache.lag == 0 {
            return self.server.objects.of_kind(resource).map(pair).collect();
        }
        let first = ObjectRef::cluster(resource.clone(), "");
        self.cache
            .objects
            .range::<ObjectRef, _>(&first..)
            .take_while(|(object, _)| object.resource == *resource)
            .map(pair)
            .collect()
    }

    /// Everything as controllers see it.
    pub(super) fn seen_all(&self) -> Vec<(Arc<ObjectRef>, Arc<Value>)> {
        let pair = |(object, value): (&Arc<ObjectRef>, &Arc<Value>)| {
            (Arc::clone(object), Arc::clone(value))
        };
        if self.cache.lag == 0 {
            self.server.objects.iter().map(pair).collect()
        } else {
            self.cache.objects.iter().map(pair).collect()
        }
    }
}
