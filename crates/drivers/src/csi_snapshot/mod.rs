//! CSI VolumeSnapshots (`snapshot.storage.k8s.io/v1`).
//!
//! Protects any PersistentVolumeClaim on a CSI driver that has a VolumeSnapshotClass. Promises a crash-consistent copy of
//! one volume; what an application makes of it is its engine driver's word. The cut is the moment at which the
//! VolumeSnapshotContent has both `snapshotHandle` and `creationTime` (CSI spec, `CreateSnapshotResponse`).
//!
//! Tested with external-snapshotter 8.7 and a btrfs driver. Cannot: groups, block-mode volumes, volumes of in-tree drivers.

mod backup;
mod claim;
mod nudge;
mod policy;
mod reap;
mod restore;
#[cfg(test)]
mod tests;
mod types;

use jiff::Timestamp;
use refloat_core::driver::{
    Claim, Driver, Facts, Op, Outcome, Permission, Problem, Query, Role, Seen, Task, Verdict,
};
use refloat_core::inventory::{Inventory, Thing};

/// The driver.
pub struct CsiSnapshot;

static FACTS: Facts = Facts {
    id: "csi-snapshot",
    summary: "PersistentVolumeClaims of CSI drivers, by VolumeSnapshot",
    role: Role::Volume,
    versions: "snapshot.storage.k8s.io/v1, external-snapshotter 8.7",
    permissions: &[
        Permission {
            group: "",
            resource: "persistentvolumeclaims",
            verbs: &["get", "list", "create", "patch", "delete"],
        },
        Permission {
            group: "",
            resource: "persistentvolumes",
            verbs: &["get", "list", "patch"],
        },
        Permission {
            group: "batch",
            resource: "jobs",
            verbs: &["get", "delete"],
        },
        Permission {
            group: "storage.k8s.io",
            resource: "storageclasses",
            verbs: &["get", "list"],
        },
        Permission {
            group: "snapshot.storage.k8s.io",
            resource: "volumesnapshots",
            verbs: &["get", "list", "create", "delete"],
        },
        Permission {
            group: "snapshot.storage.k8s.io",
            resource: "volumesnapshotcontents",
            verbs: &["get", "list", "create", "patch", "delete"],
        },
        Permission {
            group: "snapshot.storage.k8s.io",
            resource: "volumesnapshotclasses",
            verbs: &["get", "list"],
        },
    ],
};

impl Driver for CsiSnapshot {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn claim(&self, thing: &Thing, inventory: &Inventory) -> Option<Claim> {
        claim::claim(thing, inventory)
    }

    fn look(&self, task: &Task<'_>) -> Vec<Query> {
        match task.op {
            Op::Check => backup::check_look(task),
            Op::Capture => backup::capture_look(task),
            Op::Expose => backup::expose_look(task),
            Op::Reap => reap::look(task),
            Op::Restore => restore::look(task),
            Op::Amend | Op::Ready => Vec::new(),
        }
    }

    fn decide(&self, task: &Task<'_>, seen: &Seen, now: Timestamp) -> Verdict {
        let verdict: Result<Verdict, Problem> = match task.op {
            Op::Check => backup::check(task, seen),
            Op::Capture => backup::capture(task, seen),
            Op::Expose => backup::expose(task, seen),
            Op::Reap => reap::decide(task, seen, now),
            Op::Restore => restore::decide(task, seen, now),
            Op::Amend | Op::Ready => Ok(Verdict::Done(Outcome::default())),
        };
        verdict.unwrap_or_else(Verdict::from)
    }
}
