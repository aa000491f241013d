//! The World port: see, act, now, pause, and the sessions of `capture`. Everything outside comes through here; in simulation it is a value.

use std::time::Duration;

use jiff::Timestamp;

use crate::capture::Sessions;
use crate::driver::{Effect, Effected, Problem, Query, Seen};

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
/// An effect whose reply was lost answers with a problem of class `Retry`; the engine looks again and decides anew.
#[allow(
    async_fn_in_trait,
    reason = "one engine drives one world on one task: no Send bound is wanted"
)]
pub trait World: Sessions {
    /// Reads.
    async fn see(&self, queries: &[Query]) -> Seen;
    /// Performs: batches side by side, the effects of one batch in order and only until the first that fails.
    async fn act(&self, batches: &[Vec<Effect>]) -> Vec<Vec<Result<Effected, Problem>>>;
    /// The time.
    fn now(&self) -> Timestamp;
    /// Lets time pass, or returns early when something changed.
    async fn pause(&self, at_most: Duration);
}
