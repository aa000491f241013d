//! The whole engine and all drivers in SimWorld.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod backup;
mod shop;
