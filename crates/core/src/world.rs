//! The World port: see, act, now, pause, and the sessions of `capture`. Everything outside comes through here; in simulation it is a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::capture::Sessions;
use crate::driver::{Effect, Effected, ObjectRef, Problem, Query, Seen};
use crate::inventory::Resource;

/// The labels of an object that changed, each set that it had meanwhile; none when they are not known.
///
/// A label that was taken away may not be among them: whoever listed the object by it finds out at the next look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<BTreeSet<BTreeMap<String, String>>>);

impl Labels {
    /// An object with these labels.
    pub fn of(labels: BTreeMap<String, String>) -> Self {
        Self(Some(BTreeSet::from([labels])))
    }

    /// An object of whose labels nothing is known: it may be in any list.
    pub fn unknown() -> Self {
        Self(None)
    }

    /// Takes another change of the same object into account.
    fn and(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(all), Some(more)) => all.extend(more),
            (known, _) => *known = None,
        }
    }

    /// True when a list by these labels may hold the object.
    fn may_have(&self, wanted: &BTreeMap<String, String>) -> bool {
        self.0.as_ref().is_none_or(|all| {
            all.iter().any(|labels| {
                wanted
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value))
            })
        })
    }
}

/// What changed while time passed, as far as the world was asked to watch it.
///
/// A hint and no more: whatever it names is read again, and what it does not name is read again after a while all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// These objects were created, changed or removed.
    pub objects: BTreeMap<ObjectRef, Labels>,
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
            Query::Exec(_) | Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => None,
        });
        Self {
            objects: BTreeMap::new(),
            kinds: kinds.collect(),
        }
    }

    /// An object was created, changed or removed.
    pub fn saw(&mut self, object: ObjectRef, labels: Labels) {
        match self.objects.get_mut(&object) {
            Some(known) => known.and(labels),
            None => drop(self.objects.insert(object, labels)),
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
                self.objects.contains_key(object)
                    || self.has_kind(&object.resource, object.namespace.as_ref())
            }
            Query::List(request) => {
                let namespace = request.namespace.as_ref();
                self.has_kind(&request.resource, namespace)
                    || self.objects.iter().any(|(object, labels)| {
                        object.resource == request.resource
                            && (namespace.is_none() || object.namespace.as_ref() == namespace)
                            && labels.may_have(&request.labels)
                    })
            }
            Query::Exec(_) | Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => false,
        }
    }

    fn has_kind(&self, resource: &Resource, namespace: Option<&String>) -> bool {
        self.kinds.iter().any(|(kind, place)| {
            kind == resource
                && (place.is_none() || namespace.is_none() || place.as_ref() == namespace)
        })
    }
}

/// Effects of several steps; shared, so that a world may perform them on another thread.
pub type Batches = Arc<[Vec<Effect>]>;

/// What each effect that was tried brought, by batch.
pub type Results = Vec<Vec<Result<Effected, Problem>>>;

/// An answer to a first look may be so old.
pub const FIRST_LOOK_AGE: Duration = Duration::from_secs(30);

/// The outside, as the engine needs it.
///
/// # Expected flow
/// `see` a batch, decide, `act` a batch while the next one is seen and decided, `pause`, again. A second `see` may go on beside all of it,
/// and may be dropped.
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
    /// Reads. Who owns which fields comes as text ([`Answer::folded`](crate::driver::Answer::folded)), here and in what effects bring.
    async fn see(&self, queries: &[Query]) -> Seen;
    /// Reads objects at which nobody has looked since this process began, and which are ready as soon as they are there. What it tells may be
    /// as old as [`FIRST_LOOK_AGE`], but never older than what this world itself did to them.
    async fn see_first(&self, queries: &[Query]) -> Seen {
        self.see(queries).await
    }
    /// Performs: batches side by side, the effects of one batch in order and only until the first that fails.
    async fn act(&self, batches: Batches) -> Results;
    /// The time, for records.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment, which never runs backwards: what waits and limits are measured by.
    fn elapsed(&self) -> Duration;
    /// Lets time pass, or returns early when an answer to one of these queries may have changed.
    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed;
}
