//! What a thing is called.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Identity of a thing: group and kind, not version, so that a served version may change between sites. A copy is the same one in
/// memory: a plan's tables have many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThingId(Arc<ThingNames>);

/// The names of a [`ThingId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThingNames {
    /// API group, empty for the core group.
    pub group: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `None` for cluster-scoped things.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
}

impl Deref for ThingId {
    type Target = ThingNames;

    fn deref(&self) -> &ThingNames {
        &self.0
    }
}

/// Changing one leaves its copies as they are.
impl DerefMut for ThingId {
    fn deref_mut(&mut self) -> &mut ThingNames {
        Arc::make_mut(&mut self.0)
    }
}

impl ThingId {
    /// A thing of this kind; `None` as its namespace for a cluster-scoped one.
    pub fn of(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self(Arc::new(ThingNames {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }))
    }

    /// A thing in a namespace.
    pub fn namespaced(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self::of(group, kind, Some(namespace), name)
    }

    /// A cluster-scoped thing.
    pub fn cluster(group: &str, kind: &str, name: &str) -> Self {
        Self::of(group, kind, None, name)
    }

    /// True when group and kind are these.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// `StatefulSet.apps shop/db`, `Namespace shop`.
impl fmt::Display for ThingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(formatter, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(formatter, " {namespace}/{}", self.name),
            None => write!(formatter, " {}", self.name),
        }
    }
}
