//! What the engine's watches bring: names of what changed, the whole kind when a watch has just begun or history was compacted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use refloat_core::driver::Query;
use refloat_core::inventory::Resource;
use refloat_core::world::{Changed, Labels};
use serde_json::Value;

use super::Store;

/// What is watched, and up to where it was told.
#[derive(Debug, Default)]
pub(super) struct Watching {
    kinds: RefCell<BTreeSet<(Resource, Option<String>)>>,
    told: Cell<u64>,
}

impl Watching {
    /// What changed since it was asked last, as far as these queries go.
    pub(super) fn changed(&self, store: &Store, on: &[Query]) -> Changed {
        let objects = &store.server.objects;
        let since = self.told.replace(objects.revision());
        let wanted = Changed::all_of(on).kinds;
        let before = self.kinds.replace(wanted.clone());
        let Some(events) = objects.since(since) else {
            return Changed {
                kinds: wanted,
                ..Changed::default()
            };
        };
        let watched = |event: &&super::server::Event| {
            let (resource, namespace) = (&event.object.resource, &event.object.namespace);
            before.contains(&(resource.clone(), namespace.clone()))
                || before.contains(&(resource.clone(), None))
        };
        let mut changed = Changed {
            kinds: wanted.difference(&before).cloned().collect(),
            ..Changed::default()
        };
        for event in events.filter(watched) {
            changed.saw(event.object.clone(), labels(&event.after));
        }
        changed
    }
}

/// As a watch brings them: those of the object after the change.
fn labels(object: &Value) -> Labels {
    let found = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    Labels::of(found.into_iter().flatten().filter_map(text).collect())
}
