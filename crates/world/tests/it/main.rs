//! The hands against a small server that speaks HTTP and WebSocket as the API server does.

mod connecting;
mod executing;
mod fake;
mod inventories;
mod permitting;
mod reading;
mod refusals;
mod writing;
