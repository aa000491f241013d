//! Writes past the rules: a test's beginning, and changes that no client makes. Called by `Store`.

use crate::sim::look::Look as _;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::create::is_held;
use super::{Server, addresses, defaults, text};

impl Server {
    /// Puts an object in with uid and defaults, unchecked.
    pub(in crate::sim) fn seed(&mut self, resource: &Resource, mut object: Value, at: &str) {
        let Ok(served) = self.kinds.served(resource) else {
            return;
        };
        let place = ObjectRef::of(
            served.resource.clone(),
            text(&object, "/metadata/namespace"),
            text(&object, "/metadata/name").unwrap_or_default(),
        );
        let status = object.get("status").cloned();
        defaults::on_create(&served, &mut object);
        if let Some(status) = status {
            object["status"] = status;
        }
        // A clash is the test's own.
        drop(addresses::assign(self, &place, &mut object, None));
        object["metadata"]["uid"] = json!(self.objects.new_uid());
        object["metadata"]["creationTimestamp"] = json!(at);
        if served.generation {
            object["metadata"]["generation"] = json!(1);
        }
        self.objects.put(&place, object);
    }

    /// Changes an object whatever the rules say; one that was going and is not held any more is gone.
    pub(in crate::sim) fn overwrite(&mut self, place: &ObjectRef, change: impl FnOnce(&mut Value)) {
        let Some(live) = self.objects.get(place) else {
            return;
        };
        let mut new = Value::clone(live);
        change(&mut new);
        if new == **live {
            return;
        }
        let ends = new.at("/metadata/deletionTimestamp").is_some() && !is_held(&new);
        self.objects.put(place, new);
        if ends {
            self.objects.take(place);
        }
    }
}
