//! The static list of all drivers. Docs, permissions and conformance tests iterate it. Engines come before volumes.

use refloat_core::driver::Driver;

/// Every driver.
pub static CATALOGUE: &[&dyn Driver] = &[
    &crate::mariadb::Mariadb,
    &crate::postgresql::Postgresql,
    &crate::csi_snapshot::CsiSnapshot,
];
