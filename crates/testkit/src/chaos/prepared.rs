//! What runs of one application are held against: its undisturbed backup and recovery, and how often each deed is done in them, from which
//! mishaps are drawn. Called by `run`.

use std::collections::{BTreeMap, BTreeSet};

use refloat_core::backup::PointContent;
use refloat_core::run::{End, Progress, RunPlan};

use super::coverage::Coverage;
use super::deed::Deed;
use super::ground::Ground;
use super::lots::Lots;
use super::mishap::Mishap;
use super::run::{backup, restore};
use super::scene::{Planned, Scene, Story};
use super::state::{State, state};
use crate::sim::SimWorld;

/// How often each deed is done in an undisturbed run.
pub(super) struct Profile {
    done: BTreeMap<Deed, usize>,
    announced: BTreeMap<Deed, usize>,
    words: usize,
    pub(super) said: BTreeMap<String, usize>,
    /// Members whose quiesce may outlive its session.
    sticky: BTreeSet<String>,
}

impl Profile {
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let script = scene.script.borrow();
        Self {
            done: script.done.clone(),
            announced: script.announced.clone(),
            words: script.words,
            said: script.said.clone(),
            sticky: scene.judge.borrow().sticky.clone(),
        }
    }

    /// How often this deed is done where the mishap can come.
    fn places(&self, deed: Deed, mishap: Mishap) -> usize {
        let counts = if mishap.is_at_entry() {
            &self.announced
        } else {
            &self.done
        };
        match mishap {
            Mishap::DiesAtWord => self.words,
            Mishap::SessionStaysHeld => self.sticky.len(),
            _ if mishap.is_of_session() => self.said.len(),
            _ => counts.get(&deed).copied().unwrap_or(0),
        }
    }

    /// Draws one mishap that can happen in such a run; every pair is as likely as any other.
    pub(super) fn draw(&self, lots: &mut Lots) -> Option<Planned> {
        let pairs: Vec<(Deed, Mishap)> = Coverage::pairs()
            .filter(|(deed, mishap)| self.places(*deed, *mishap) > 0)
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let (deed, mishap) = *lots.pick(&pairs);
        let place = lots.below(self.places(deed, mishap));
        if !mishap.is_of_session() {
            return Some(Planned::new(deed, 1 + place, mishap));
        }
        // What has let go in order stays held no more: only the statement that begins it counts.
        let stays = mishap == Mishap::SessionStaysHeld;
        let member = if stays {
            self.sticky.iter().nth(place)
        } else {
            self.said.keys().nth(place)
        }?;
        let said = self.said.get(member).copied().unwrap_or(1);
        let nth = if stays { 1 } else { 1 + lots.below(said) };
        let mut planned = Planned::new(deed, nth, mishap);
        planned.member.clone_from(member);
        Some(planned)
    }
}

/// An application, its undisturbed backup and its undisturbed recovery.
pub(super) struct Prepared {
    pub(super) ground: Ground,
    pub(super) before: State,
    pub(super) point: PointContent,
    pub(super) restore: RunPlan,
    pub(super) wanted: State,
    pub(super) of_backup: Profile,
    pub(super) of_restore: Profile,
}

impl Prepared {
    pub(super) fn of(seed: u64, story: &Story) -> Result<Self, String> {
        let ground = Ground::of(seed)?;
        let mut lines = story.lines.borrow_mut();
        lines.extend(ground.application.lines.iter().cloned());
        drop(lines);
        let before = ground.source_state();
        let scene = undisturbed(ground.source(), &ground.backup, story);
        backup(&scene, &before, None)?;
        if Progress::of(scene.records.borrow().iter()).ended() != Some(End::Completed) {
            return Err(format!(
                "the undisturbed backup failed: {}",
                failing(&scene)
            ));
        }
        let of_backup = Profile::of(&scene);
        let sealed = ground.sealed(&scene.world)?;
        drop(scene);
        let scene = undisturbed(ground.target(), &sealed.restore, story);
        restore(&scene, None)?;
        let of_restore = Profile::of(&scene);
        let wanted = state(&scene.world);
        drop(scene);
        Ok(Self {
            before,
            point: sealed.point,
            restore: sealed.restore,
            wanted,
            of_backup,
            of_restore,
            ground,
        })
    }
}

pub(super) fn undisturbed<'s>(world: SimWorld, plan: &'s RunPlan, story: &'s Story) -> Scene<'s> {
    Scene::new(world, plan, Vec::new(), Lots::new(0), story)
}

pub(super) fn failing(scene: &Scene<'_>) -> String {
    let progress = Progress::of(scene.records.borrow().iter());
    progress.failing().map_or_else(
        || "it does not say why".to_owned(),
        |problem| format!("{}: {}", problem.code, problem.message),
    )
}
