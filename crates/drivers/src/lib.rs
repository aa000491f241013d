//! Refloat's drivers, pure: what each system is, and what must happen to it. One folder each, one static catalogue.
//!
//! Nothing here performs anything: drivers answer with queries, effects and verdicts, and `refloat-world` has the hands.

pub mod catalogue;
pub mod csi_snapshot;
pub mod hook;
pub mod mariadb;
pub mod postgresql;
mod workload;

pub use catalogue::CATALOGUE;
