//! The mover from outside: whole round trips, faults, and stock restic beside it.

mod job;
mod property;
mod restic;
mod round_trip;
mod store_faults;
mod support;
mod traps;
