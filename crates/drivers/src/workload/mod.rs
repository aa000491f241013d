//! What drivers of engines have in common: the containers and volumes of a workload, its running pod, places on its volumes.
//!
//! Must not know any engine.

mod conditions;
mod containers;
mod places;
mod pods;

pub(crate) use conditions::{Conditions, strong_enough};
pub(crate) use containers::{
    has_variable, image_name, mount_paths, mounted_volumes, variable, volumes,
};
pub(crate) use places::{Place, place};
pub(crate) use pods::{
    HOLDS_FORBIDDEN, command, first_line, hold_seconds_max, id, may_hold, pods, running_pod,
    running_pod_object, running_pods, setting, several_servers,
};

use refloat_core::driver::Permission;

/// What reading pods and running commands in them needs.
pub(crate) const EXEC_PERMISSIONS: &[Permission] = &[
    Permission {
        group: "",
        resource: "pods",
        verbs: &["get", "list"],
    },
    Permission {
        group: "",
        resource: "pods/exec",
        verbs: &["get", "create"],
    },
];
