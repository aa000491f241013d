//! Recoveries that pause: whether one does, what is written for it, and the person who lets it go on. Called by `run`.

use refloat_core::run::{Phase, RECOVERY_PHASES, Record};

use super::judge;
use super::lots::Lots;
use super::scene::Scene;

/// A person may want it to pause after some phase. Drawn apart, so that what else a seed means stays.
pub(super) fn wish<'s, 'g>(scene: &'s Scene<'g>, seed: u64) -> &'s Scene<'g> {
    let mut lots = Lots::new(seed ^ 0x7061_7573_6500_0000);
    let (_, phase) = *lots.pick(RECOVERY_PHASES);
    if lots.chance(30) {
        let wish = Record::Until {
            at: scene.now(),
            phase: Some(phase),
        };
        scene.records.borrow_mut().push(wish);
    }
    scene
}

/// A person finds the recovery paused, and says some time later that it goes on.
pub(super) fn over(scene: &Scene<'_>, phase: Phase) -> Result<(), String> {
    scene.say(format!("--- paused after {}", phase.label()));
    if let Some(wrong) = judge::of_pause(scene, phase) {
        return Err(wrong);
    }
    scene.world.settle(8);
    let at = scene.now();
    let why = "resume".to_owned();
    let goes_on = [
        Record::Resumed {
            at,
            why,
            evidence: None,
        },
        Record::Until { at, phase: None },
    ];
    scene.records.borrow_mut().extend(goes_on);
    Ok(())
}
