//! Making a recovery point: which members there are, how each is taken, and the steps from the first check to the seal.
//!
//! Pure: the steps are performed by `drive`. Knows facts about drivers (claims), never their names.

mod gates;
mod goal;
mod members;
mod objects;
mod plan;
mod point;
mod seal;
mod stand_in;
mod steps;
#[cfg(test)]
mod tests;

pub use gates::WantedGate;
pub use goal::{BackupGoal, EngineOverride, Holds, Hook};
pub use members::claims;
pub use objects::{ObjectFile, ObjectsError, Pack, Unpack, pack, unpack};
pub use plan::{Planned, plan};
pub use point::{
    CaptureTimes, Finding, Held, Member, Mode, Part, PointContent, Required, StoredObjects,
};
pub use seal::{
    seal_decide, store_objects_decide, vault_access_decide, vault_access_end_decide,
    vault_access_end_look, vault_access_look,
};
pub use stand_in::{
    BEHIND_SECONDS, COMES_BACK_AS, LEFT_OUT, is_of_left_out, left_out, nothing_to_do,
};
