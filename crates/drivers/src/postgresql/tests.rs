//! Which workloads are servers, in which mode each can be copied, and when a recovered one is ready.

mod check;
mod claim;
mod held;
mod ready;
mod scene;
mod servers;
