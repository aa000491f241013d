//! Refloat's engine, pure: what is in a cluster, in which order it comes back, when a step counts as ready, and the one
//! loop that looks, decides and acts.
//!
//! Nothing here may touch a clock, a socket, a file or a random number: the [`world::World`] port brings all of these,
//! so the whole engine runs in simulation. Drivers, hands and edges depend on this crate, never the other way round.

pub mod backup;
pub mod capture;
pub mod drive;
pub mod driver;
pub mod inventory;
pub mod json;
mod lookup;
pub mod names;
pub mod plan;
pub mod planted;
pub mod probe;
pub mod readiness;
pub mod recovery;
pub mod run;
pub mod world;
