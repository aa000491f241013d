//! Steps that put things back: writing objects under their old owners, filling volumes. The loop itself is `drive`, the
//! decision of what may run is `run::advance`.

mod existing;
mod fields;
mod fill;
mod linking;
mod marks;
mod mover;
mod obstacles;
mod owners;
mod retaining;
mod rollback;
mod signs;
mod status;
mod system;
#[cfg(test)]
mod tests;
mod write;

pub use existing::{Existing, Origin, holds_others, is_changed};
pub use fill::{Direction, Filling};
pub use linking::Linking;
pub use mover::{
    Edit, MoverOrder, MoverProgress, MoverReport, ORDER_VARIABLE, VAULT_MOUNT, VOLUME_MOUNT,
    vault_secret_name,
};
pub(crate) use obstacles::without_namespace;
pub use owners::{managers_of, owner_of};
pub(crate) use retaining::volume_of;
pub use retaining::{Data, Retaining};
pub use rollback::Removing;
pub(crate) use rollback::contents;
pub use system::{decide as system_namespace_decide, look as system_namespace_look};
pub use write::{Writing, digest};
