//! The mover from outside: whole round trips, faults, and stock restic beside it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests call fails the test by panicking"
)]

mod edits;
mod job;
mod objects;
mod property;
mod restic;
mod round_trip;
mod store_faults;
mod support;
mod traps;
