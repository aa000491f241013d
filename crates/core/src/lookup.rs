//! Tables that are looked into and never walked through: they have no order, so nothing that is printed, hashed or performed can come
//! to depend on one. For what stands in a plan a hundred thousand times.

#![allow(
    clippy::disallowed_types,
    reason = "the order of these is out of reach"
)]

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Values by key.
#[derive(Debug, Clone)]
pub(crate) struct Lookup<K, V> {
    all: HashMap<K, V>,
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    /// What is kept of a key.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.all.get(key)
    }

    /// True when the key is there.
    pub(crate) fn has<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.all.contains_key(key)
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for Lookup<K, V> {
    /// Of two with one key the later stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(all: I) -> Self {
        Self {
            all: all.into_iter().collect(),
        }
    }
}

/// Keys alone.
pub(crate) type Known<K> = Lookup<K, ()>;

impl<K: Eq + Hash> Known<K> {
    /// These are known.
    pub(crate) fn of(keys: impl IntoIterator<Item = K>) -> Self {
        keys.into_iter().map(|key| (key, ())).collect()
    }
}
