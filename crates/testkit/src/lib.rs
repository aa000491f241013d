//! Refloat's test kit: the simulated world in which the whole engine and all drivers run, and what judges such runs.
//!
//! A dev-dependency only: nothing that ships may use it.

pub mod chaos;
pub mod fidelity;
pub mod sim;
