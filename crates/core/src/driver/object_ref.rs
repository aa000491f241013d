//! One object, by address.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::inventory::{Resource, ThingId, ThingNames};

/// One object, by address: how to reach its kind, and what it is called. Written as its resource, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct ObjectRef {
    /// Kind of the object.
    pub resource: Resource,
    id: ThingId,
}

#[derive(Serialize, Deserialize)]
struct Written {
    resource: Resource,
    namespace: Option<String>,
    name: String,
}

impl From<Written> for ObjectRef {
    fn from(it: Written) -> Self {
        Self::of(it.resource, it.namespace.as_deref(), &it.name)
    }
}

impl From<ObjectRef> for Written {
    fn from(it: ObjectRef) -> Self {
        Self {
            namespace: it.namespace.clone(),
            name: it.name.clone(),
            resource: it.resource,
        }
    }
}

impl Deref for ObjectRef {
    type Target = ThingNames;

    fn deref(&self) -> &ThingNames {
        &self.id
    }
}

impl ObjectRef {
    /// An object; `None` as its namespace for a cluster-scoped one.
    pub fn of(resource: Resource, namespace: Option<&str>, name: &str) -> Self {
        let id = ThingId::of(&resource.group, &resource.kind, namespace, name);
        Self { resource, id }
    }

    /// An object in a namespace.
    pub fn namespaced(resource: Resource, namespace: &str, name: &str) -> Self {
        Self::of(resource, Some(namespace), name)
    }

    /// A cluster-scoped object.
    pub fn cluster(resource: Resource, name: &str) -> Self {
        Self::of(resource, None, name)
    }

    /// Identity of the object.
    pub fn id(&self) -> ThingId {
        self.id.clone()
    }
}
