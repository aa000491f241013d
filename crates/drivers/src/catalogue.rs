//! The static list of all drivers. Docs, permissions and conformance tests iterate it. Engines come before
//! volumes, and what the user says of a workload before what a driver finds out.

use refloat_core::driver::Driver;

/// Every driver.
pub static CATALOGUE: &[&dyn Driver] = &[
    &crate::hook::Hook,
    &crate::mariadb::Mariadb,
    &crate::postgresql::Postgresql,
    &crate::csi_snapshot::CsiSnapshot,
];
