//! The vault's format and its store: fixtures of every version, and what an attacker or a broken store may do.

#![expect(
    clippy::unwrap_used,
    reason = "all of this crate is tests: what goes wrong ends one"
)]

mod fixtures;
mod hostile;
mod journals;
mod key_files;
mod keys;
mod stores;
mod vaults;
