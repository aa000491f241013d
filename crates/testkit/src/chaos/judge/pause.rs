//! A recovery that is paused, held against its promise: nothing of what comes later has been made, and nothing of ours is left
//! in between.

use std::collections::BTreeSet;

use refloat_core::driver::{ObjectRef, Op};
use refloat_core::names::SYSTEM_NAMESPACE;
use refloat_core::run::{Phase, Step, Work, left, until};

use super::end::{leftovers, remove_late};
use crate::chaos::scene::Scene;
use crate::sim::resource;

/// What a step would have made.
pub(super) fn makes(scene: &Scene<'_>, step: &Step) -> Option<ObjectRef> {
    match &step.work {
        Work::Write(writing) => Some(writing.target()),
        Work::Driver {
            op: Op::Restore,
            claim,
            ..
        } => Some(ObjectRef::namespaced(
            resource("PersistentVolumeClaim"),
            claim.thing.namespace.as_deref().unwrap_or_default(),
            &claim.thing.name,
        )),
        Work::Fill(filling) => Some(ObjectRef::namespaced(
            resource("Job"),
            SYSTEM_NAMESPACE,
            &filling.object_name(&scene.plan.run),
        )),
        Work::Driver { .. }
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::SystemNamespace
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Gate(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::StoreObjects
        | Work::Seal { .. } => None,
    }
}

/// What is wrong with a pause after this phase.
pub(in crate::chaos) fn of_pause(scene: &Scene<'_>, phase: Phase) -> Option<String> {
    let Some(part) = until(scene.plan, phase) else {
        return Some(format!("paused after {}, the last phase", phase.label()));
    };
    let inside: BTreeSet<&str> = part.steps.iter().map(|step| step.id.as_str()).collect();
    let later = scene
        .plan
        .steps
        .iter()
        .filter(|step| !inside.contains(step.id.as_str()));
    let judge = scene.judge.borrow();
    for step in later {
        if makes(scene, step).is_some_and(|made| judge.ever.contains(&made)) {
            return Some(format!(
                "paused after {} with `{}` begun",
                phase.label(),
                step.id
            ));
        }
    }
    drop(judge);
    if left(scene.plan, phase).is_empty() {
        return None;
    }
    remove_late(scene);
    let left = leftovers(scene);
    (!left.is_empty()).then(|| format!("left in the pause: {}", left.join(", ")))
}
