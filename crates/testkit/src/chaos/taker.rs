//! Somebody who deletes what is Refloat's own just when a mover is started: its access to the vault, or the claim that it is to fill. The
//! run goes on by itself. Drawn apart, so that what else a seed means stays. Called by `run` and `adversary`.

use refloat_core::driver::{Effect, ObjectRef};
use refloat_core::names::{LABEL_RUN, SYSTEM_NAMESPACE};
use refloat_core::recovery::vault_secret_name;

use super::lots::Lots;
use super::scene::Scene;
use crate::sim::resource;

/// What somebody deletes.
#[derive(Debug, Clone, Copy)]
enum What {
    Access,
    Claim,
}

/// What is deleted, and at the how manieth mover from now, from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    what: What,
    nth: usize,
}

/// Somebody may do so in this run. The claims of a backup are views of its cut: nobody can make them again once they are let go.
pub(super) fn wish(scene: &Scene<'_>, seed: u64) {
    let mut lots = Lots::new(seed ^ 0x7461_6b65_7300_0000);
    let is_backup = scene.plan.point.is_none();
    let what = *lots.pick(&[What::Access, What::Claim]);
    let nth = 1 + lots.below(3);
    if lots.chance(25) && !(is_backup && matches!(what, What::Claim)) {
        scene.script.borrow_mut().taking = Some(Taking { what, nth });
    }
}

/// A mover's Job was created.
pub(super) fn take(scene: &Scene<'_>, effect: &Effect) {
    let Some(job) = effect.object().filter(|object| is_mover(effect, object)) else {
        return;
    };
    let taking = {
        let mut script = scene.script.borrow_mut();
        let Some(taking) = &mut script.taking else {
            return;
        };
        taking.nth -= 1;
        if taking.nth > 0 || script.life.late {
            return;
        }
        script.taking.take()
    };
    let object = match taking.map(|taking| taking.what) {
        None => return,
        Some(What::Claim) => {
            let claims = resource("PersistentVolumeClaim");
            ObjectRef::namespaced(claims, SYSTEM_NAMESPACE, &job.name)
        }
        Some(What::Access) => {
            let name = vault_secret_name(&scene.plan.run);
            ObjectRef::namespaced(resource("Secret"), SYSTEM_NAMESPACE, &name)
        }
    };
    scene.say(format!("somebody deletes {}", object.id()));
    scene.world.with_store(|store| store.remove(&object));
    scene.judge.borrow_mut().created.remove(&object);
}

fn is_mover(effect: &Effect, object: &ObjectRef) -> bool {
    let Effect::Create { object: body, .. } = effect else {
        return false;
    };
    object.resource.kind == "Job"
        && object.namespace.as_deref() == Some(SYSTEM_NAMESPACE)
        && body["metadata"]["labels"].get(LABEL_RUN).is_some()
}
