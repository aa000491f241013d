//! The whole engine and all drivers in SimWorld.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

mod backup;
mod chaos;
mod cluster;
mod deaths;
mod driving;
mod fidelity;
mod gates;
mod holder;
mod holds;
mod hooks;
mod ledger;
mod obstacles;
mod ownership;
mod recovery;
mod shop;
mod site;
mod standbys;
mod user_gates;
