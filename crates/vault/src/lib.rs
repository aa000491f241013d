//! The vault: where recovery points live, readable without any cluster.
//!
//! `format` is pure: layout, keys, envelopes, points, records. `store` does the reading and writing. Trust starts in a
//! key that the reader brings, never in the bucket. The restic repository beside it belongs to `refloat-mover`.

pub mod error;
pub mod format;
pub mod store;
