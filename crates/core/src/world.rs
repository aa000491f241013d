//! The World port: see, act, now, pause, and the sessions of `capture`. Everything outside comes through here; in simulation it is a value.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::capture::Sessions;
use crate::driver::{Effect, Effected, ObjectRef, Problem, Query, Seen};
use crate::inventory::Resource;

/// What changed while time passed, as far as the world was asked to watch it.
///
/// A hint and no more: whatever it names is read again, and what it does not name is read again after a while all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// These objects were created, changed or removed.
    pub objects: BTreeSet<ObjectRef>,
    /// Anything of these kinds in these namespaces (`None`: in all) may have changed: they are not watched, or a watch has just begun or
    /// had a gap.
    pub kinds: BTreeSet<(Resource, Option<String>)>,
}

impl Changed {
    /// Nothing is watched: all that these queries ask for may have changed.
    pub fn all_of(queries: &[Query]) -> Self {
        let kinds = queries.iter().filter_map(|query| match query {
            Query::Object(object) => Some((object.resource.clone(), object.namespace.clone())),
            Query::List(request) => Some((request.resource.clone(), request.namespace.clone())),
            Query::Exec(_) | Query::Log(_) => None,
        });
        Self {
            objects: BTreeSet::new(),
            kinds: kinds.collect(),
        }
    }

    /// True when nothing is named.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.kinds.is_empty()
    }

    /// True when the answer to this query may be another one now.
    pub fn concerns(&self, query: &Query) -> bool {
        match query {
            Query::Object(object) => {
                self.objects.contains(object)
                    || self.has_kind(&object.resource, object.namespace.as_ref())
            }
            Query::List(request) => {
                let namespace = request.namespace.as_ref();
                self.has_kind(&request.resource, namespace)
                    || self.objects.iter().any(|object| {
                        object.resource == request.resource
                            && (namespace.is_none() || object.namespace.as_ref() == namespace)
                    })
            }
            Query::Exec(_) | Query::Log(_) => false,
        }
    }

    fn has_kind(&self, resource: &Resource, namespace: Option<&String>) -> bool {
        self.kinds.iter().any(|(kind, place)| {
            kind == resource
                && (place.is_none() || namespace.is_none() || place.as_ref() == namespace)
        })
    }
}

/// The outside, as the engine needs it.
///
/// # Expected flow
/// `see` a batch, decide, `act` a batch, `pause`, again.
///
/// # Guarantees
/// `see` answers every query, if only by a refusal. `act` answers every effect that it tried, in order, with its own bound
/// on parallelism.
///
/// # Assumptions
/// Reads are not from a cache older than the last `act`.
///
/// # Caveats
/// `now` may jump, forward and back; `elapsed` never does. An effect whose reply was lost answers with a problem of class `Retry`; the engine looks again and decides anew.
#[allow(
    async_fn_in_trait,
    reason = "one engine drives one world on one task: no Send bound is wanted"
)]
pub trait World: Sessions {
    /// Reads.
    async fn see(&self, queries: &[Query]) -> Seen;
    /// Performs: batches side by side, the effects of one batch in order and only until the first that fails.
    async fn act(&self, batches: &[Vec<Effect>]) -> Vec<Vec<Result<Effected, Problem>>>;
    /// The time, for records.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment, which never runs backwards: what waits and limits are measured by.
    fn elapsed(&self) -> Duration;
    /// Lets time pass, or returns early when an answer to one of these queries may have changed.
    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed;
}
