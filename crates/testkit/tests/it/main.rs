//! The whole engine and all drivers in SimWorld.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

mod ahead;
mod backup;
mod chaos;
mod cluster;
mod deaths;
mod driving;
mod existing;
mod fidelity;
mod foreigners;
mod gates;
mod holder;
mod holds;
mod hooks;
mod ledger;
mod mappings;
mod obstacles;
mod overheard;
mod owners;
mod ownership;
mod pains_hangs;
mod pains_objects;
mod pains_order;
mod pains_unsolved;
mod pauses;
mod probes;
mod reading;
mod recovery;
mod rollback;
mod selections;
mod shop;
mod site;
mod standbys;
mod turns;
mod user_gates;
