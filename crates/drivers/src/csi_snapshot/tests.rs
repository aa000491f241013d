//! Cutting, exposing, removing and handing over, each decided from every state in which an engine may have died.

#![allow(
    clippy::needless_pass_by_value,
    reason = "bodies are written where they are used"
)]

mod capture;
mod check;
mod given_up;
mod hand_over;
mod reap;
mod scene;
