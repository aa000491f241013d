//! The hands against a small server that speaks HTTP and WebSocket as the API server does.

#![expect(
    clippy::unwrap_used,
    reason = "all of this crate is tests: what goes wrong ends one"
)]

mod connecting;
mod executing;
mod fake;
mod inventories;
mod paging;
mod patience;
mod permitting;
mod reading;
mod refusals;
mod trying;
mod watching;
mod writing;
