//! Reading and writing a vault. All judgement about bytes is `format`'s; this module knows paths, races and chains.

mod journal;
mod location;
mod objects;
mod patience;
mod points;
mod vault;

pub use journal::RunJournal;
pub use location::Location;
pub use patience::Patience;
pub use points::{Chain, Listed, SealedPoint};
pub use vault::{Created, Vault};
