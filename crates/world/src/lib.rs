//! Refloat's hands: reads and changes one Kubernetes cluster exactly as it is told.
//!
//! Holds the connection, the calls and the words for what went wrong. Holds no decision: what to read and what to do
//! comes from the engine and its drivers, as `Query` and `Effect`. Called by the binaries and by `refloat_core::drive`
//! through the World port.

mod cluster;
mod connect;
mod connect_error;
mod discovery;
mod exec;
mod failure;
mod inventory;
mod kinds;
mod pages;
mod permissions;
mod probe;
mod problem;
mod read;
mod rehearse;
mod running;
mod session;
mod transport;
mod watch;
mod write;

pub use cluster::Cluster;
pub use connect::{ConnectOptions, install_tls_provider};
pub use connect_error::ConnectError;
pub use inventory::{AWAY_MAX, InventoryScope, PASSING_MAX};
pub use kinds::{CLUSTER_KINDS, EVERYWHERE_KINDS, Kind, SKIPPED_KINDS, Skip, Skipped};
pub use permissions::{Need, missing_permissions_problem};
pub use probe::{ProbeCredentials, ask_once};
