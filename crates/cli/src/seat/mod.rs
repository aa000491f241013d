//! Where an engine sits: cluster, vault and mover put together, so that the one loop can drive a run from here.

mod access;
mod alive;
mod credentials;
mod objects;
mod permissions;
#[cfg(test)]
pub(crate) mod points;
#[cfg(test)]
pub(crate) mod refusing;
mod runs;
mod unfinished;
mod world;

pub(crate) use access::{
    Access, connect, open_vault, read_key, repository_engine, store_location, vault_failure,
};
pub(crate) use credentials::{MOUNTED_KEY, MOUNTED_LOCATION, MountedLocation, mounted_store};
pub(crate) use objects::{part_problem, read_point_objects};
pub(crate) use permissions::check_permissions;
pub(crate) use runs::{
    clean_up_dead_run, existing_namespaces, new_run_id, our_objects, refuse_if_alive,
    refuse_if_begun, remove_pod, writer_name,
};
pub(crate) use unfinished::{
    OpenRuns, UnfinishedRun, UnreadableRun, is_unreadable, unfinished_runs, written_in,
};
pub(crate) use world::Seat;
