//! What runs of one application are held against: its undisturbed backup and recovery, and how often each deed is done in them, from which
//! mishaps are drawn. Called by `run`.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use refloat_core::recovery::Existing;
use refloat_core::run::{End, Progress, RunPlan};

use super::coverage::Coverage;
use super::deed::Deed;
use super::ground::{self, Ground, Sealed};
use super::judge::Before;
use super::lots::Lots;
use super::mishap::Mishap;
use super::run::{backup, restore};
use super::scene::{Planned, Scene, Story};
use super::state::{State, difference, state};
use super::ways::names::{self, Names};
use super::ways::{self, Way};
use crate::sim::{SimWorld, Store};

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

/// An application, its undisturbed backup and its undisturbed recoveries.
pub(super) struct Prepared {
    seed: u64,
    pub(super) ground: Ground,
    pub(super) before: State,
    pub(super) sealed: Sealed,
    pub(super) of_backup: Profile,
    first: Recovered,
    /// Made when the first run goes that way.
    other: OnceCell<Result<Recovered, String>>,
}

/// A recovery that goes one way, undisturbed.
pub(super) struct Recovered {
    target: Store,
    names: Names,
    pub(super) plan: RunPlan,
    /// What was there before it.
    pub(super) before: Rc<Before>,
    pub(super) wanted: State,
    pub(super) profile: Profile,
}

impl Prepared {
    pub(super) fn of(seed: u64, story: &Story) -> Result<Self, String> {
        let ground = Ground::of(seed)?;
        story.tell(&ground.application.lines);
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
        let first = Way::first(&ground.application);
        Ok(Self {
            seed,
            first: Recovered::of(&ground, &sealed, &first, story)?,
            other: OnceCell::new(),
            before,
            sealed,
            of_backup,
            ground,
        })
    }

    /// The undisturbed recovery that a seed's is held against.
    pub(super) fn recovered(&self, seed: u64, story: &Story) -> Result<&Recovered, String> {
        if !ways::is_other(seed) {
            return Ok(&self.first);
        }
        let other = self.other.get_or_init(|| {
            let way = Way::other(self.seed, &self.ground.application);
            story.tell(&way.lines);
            let recovered = Recovered::of(&self.ground, &self.sealed, &way, story);
            recovered
                .and_then(|recovered| self.same(&way, recovered, story))
                .map_err(|wrong| format!("{wrong} ({})", way.title()))
        });
        other.as_ref().map_err(Clone::clone)
    }
}

impl Prepared {
    /// Under other names, the end must be that of a recovery into an empty site, with those names.
    fn same(&self, way: &Way, recovered: Recovered, story: &Story) -> Result<Recovered, String> {
        if way.existing != Existing::Fail {
            return Ok(recovered);
        }
        let empty = Way {
            existing: Existing::Fail,
            there: Vec::new(),
            names: Names::new(),
            ..Way::first(&self.ground.application)
        };
        let empty = Recovered::of(&self.ground, &self.sealed, &empty, story)?;
        let mut now = names::renamed(&recovered.wanted, &Names::new());
        now.retain(|id, _| !is_beside(id, &way.names));
        let wanted = names::renamed(&empty.wanted, &way.names);
        match difference(&wanted, &now, &[]) {
            None => Ok(recovered),
            Some(differs) => Err(format!("not the end under other names: {differs}")),
        }
    }
}

/// Whether something is in a namespace that was the point's and is not the recovery's, or is that namespace.
fn is_beside(id: &str, names: &Names) -> bool {
    let place = id.split_once(' ').map_or(id, |(_, place)| place);
    let namespace = place
        .split_once('/')
        .map_or(place, |(namespace, _)| namespace);
    names.contains_key(namespace)
}

impl Recovered {
    fn of(ground: &Ground, sealed: &Sealed, way: &Way, story: &Story) -> Result<Self, String> {
        let target = ground::target(way);
        let plan = sealed.planned(way, &ground.application, &target)?;
        let before = Rc::new(Before::of(&target, &way.names));
        let scene = undisturbed(ground.site(&target, &way.names), &plan, story);
        scene.judge.borrow_mut().before = Rc::clone(&before);
        restore(&scene, None, None)?;
        let profile = Profile::of(&scene);
        let wanted = state(&scene.world);
        drop(scene);
        Ok(Self {
            target,
            names: way.names.clone(),
            plan,
            before,
            wanted,
            profile,
        })
    }

    /// The second site as it is before the recovery.
    pub(super) fn site(&self, ground: &Ground) -> SimWorld {
        ground.site(&self.target, &self.names)
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
