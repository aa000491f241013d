//! One run of a seed: what is drawn for it, what goes wrong in it, and what the judge says was not as promised.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use refloat_core::backup::PointContent;
use refloat_core::drive::{Drive, DriveError};
use refloat_core::driver::Problem;
use refloat_core::run::{End, Progress, Record};

use super::deed::Deed;
use super::live::{Lived, live};
use super::lots::Lots;
use super::mishap::Mishap;
use super::prepared::{Prepared, failing, undisturbed};
use super::rollback::Undoing;
use super::scene::{Planned, Scene, Story};
use super::state::State;
use super::{foreign, judge, pauses, taker};
use crate::sim::SimWorld;

/// Runs of one application: so many seeds in a row share it.
pub const RUNS_PER_APPLICATION: u64 = 16;
/// Engines that one run may take.
const LIVES_MAX: u32 = 40;

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What was not as promised.
    pub wrong: Option<String>,
    /// What happened, a line each, if it was asked for.
    pub story: Vec<String>,
    /// What went wrong at what.
    pub hits: Vec<(Deed, Mishap)>,
}

/// Runs seeds one after the other; the application of the last one is kept.
#[derive(Default)]
pub struct Runner {
    last: Option<(u64, Result<Prepared, String>)>,
}

impl Runner {
    /// Runs one seed.
    pub fn run(&mut self, seed: u64) -> Outcome {
        self.tell(seed, false)
    }

    /// Runs one seed and tells what happened.
    pub fn story(&mut self, seed: u64) -> Outcome {
        self.last = None;
        self.tell(seed, true)
    }

    fn tell(&mut self, seed: u64, is_told: bool) -> Outcome {
        let story = Story {
            is_told,
            lines: RefCell::default(),
        };
        let hits = RefCell::default();
        // A panic of the simulator or of an assertion is a finding like any other.
        let ran = catch_unwind(AssertUnwindSafe(|| self.disturbed(seed, &story, &hits)));
        let wrong = match ran {
            Ok(Ok(())) => None,
            Ok(Err(wrong)) => Some(wrong),
            Err(panic) => {
                self.last = None;
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Some(format!("panic: {}", text.unwrap_or("without words")))
            }
        };
        Outcome {
            wrong,
            story: story.lines.into_inner(),
            hits: hits.into_inner(),
        }
    }

    fn disturbed(
        &mut self,
        seed: u64,
        story: &Story,
        hits: &RefCell<Vec<(Deed, Mishap)>>,
    ) -> Result<(), String> {
        let of = seed / RUNS_PER_APPLICATION;
        if self.last.as_ref().is_none_or(|(last, _)| *last != of) {
            self.last = None;
            self.last = Some((of, Prepared::of(of, story)));
        }
        let Some((_, prepared)) = &self.last else {
            return Ok(());
        };
        let prepared = prepared.as_ref().map_err(Clone::clone)?;
        let mut lots = Lots::new(seed ^ 0x5eed_0000_0000_0000);
        let is_backup = lots.chance(50);
        let recovered = if is_backup {
            None
        } else {
            Some(prepared.recovered(seed, story)?)
        };
        let profile = recovered.map_or(&prepared.of_backup, |one| &one.profile);
        let count = *lots.pick(&[0, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
        let planned: Vec<Planned> = (0..count).filter_map(|_| profile.draw(&mut lots)).collect();
        let (world, plan) = match recovered {
            None => (prepared.ground.source(), &prepared.ground.backup),
            Some(recovered) => (recovered.site(&prepared.ground), &recovered.plan),
        };
        let next_too = lots.chance(20);
        let scene = Scene::new(world, plan, planned, lots, story);
        for one in &scene.script.borrow().planned {
            scene.say(format!(
                "planned: {} at {} {}",
                one.mishap, one.deed, one.nth
            ));
        }
        taker::wish(&scene, seed);
        let undoing = Undoing::of(seed, story);
        let ended = match recovered {
            None => backup(&scene, &prepared.before, Some(&prepared.sealed.point)),
            Some(recovered) => {
                scene.judge.borrow_mut().before = Rc::clone(&recovered.before);
                let wanted = Some(&recovered.wanted);
                restore(pauses::wish(&scene, seed), wanted, Some(&undoing))
            }
        };
        hits.borrow_mut().clone_from(&scene.script.borrow().hits);
        hits.borrow_mut().append(&mut undoing.hits.borrow_mut());
        ended?;
        if is_backup && next_too {
            scene.say("the next backup");
            let plan = prepared.ground.next_backup(&scene.world)?;
            scene.world.sealed.borrow_mut().clear();
            mend(&scene.world);
            for member in prepared.of_backup.said.keys() {
                let trouble = crate::sim::Trouble::Breaks;
                let never = crate::sim::SessionFault { at: 0, trouble };
                scene.world.plan_session_fault(member, never);
            }
            let next = undisturbed(scene.world, &plan, story);
            backup(&next, &prepared.before, Some(&prepared.sealed.point))?;
            if Progress::of(next.records.borrow().iter()).ended() != Some(End::Completed) {
                return Err(format!("the next backup failed: {}", failing(&next)));
            }
        }
        Ok(())
    }
}

/// How a life left the run.
enum Left {
    Over(End),
    Open(String),
}

/// One life, and what may be said of it at once.
fn lived(scene: &Scene<'_>) -> Result<Left, String> {
    let lived = live(scene);
    if let Some(wrong) = scene.wrong() {
        return Err(wrong);
    }
    if let Some(wrong) = judge::of_problems(&scene.records.borrow()) {
        return Err(wrong);
    }
    match lived {
        Lived::Died => Ok(Left::Open("its engine died".to_owned())),
        Lived::Out(Ok(Drive::Ended(end))) => Ok(Left::Over(end)),
        Lived::Out(Ok(Drive::Paused(phase))) => {
            pauses::over(scene, phase)?;
            self::lived(scene)
        }
        Lived::Out(Ok(Drive::Stuck(problem))) => {
            scene.say(format!("STUCK: {}: {problem}", problem.code));
            Ok(Left::Open(format!("stuck: {}: {problem}", problem.code)))
        }
        Lived::Out(Err(DriveError::Journal(error))) => {
            scene.say(format!("STOPS: {error}"));
            Ok(Left::Open(error.to_string()))
        }
        Lived::Out(Err(error @ DriveError::Deadlock { .. })) => Err(error.to_string()),
    }
}

/// A life in which nothing goes wrong any more must bring the run to its end.
fn must_go_on(scene: &Scene<'_>, why: &str) -> Result<(), String> {
    let script = scene.script.borrow();
    if script.life.mishaps == 0 {
        return Err(format!(
            "nothing goes wrong any more, and it does not end: {why}"
        ));
    }
    if script.life.number > LIVES_MAX {
        return Err(format!("no end after {LIVES_MAX} engines: {why}"));
    }
    Ok(())
}

/// A person mends what a person must: databases, foreign objects. Then another engine writes that it goes on.
fn hand_on(scene: &Scene<'_>) {
    scene.say("--- another engine goes on");
    let mut script = scene.script.borrow_mut();
    let mut databases = scene.world.databases.borrow_mut();
    databases.extend(std::mem::take(&mut script.down));
    drop(databases);
    if foreign::is_in_the_way(scene) {
        for foreign in std::mem::take(&mut script.foreign) {
            foreign::remove(scene, &foreign);
        }
    }
    mend(&scene.world);
    script.journal_down = 0;
    drop(script);
    // A person takes longer than a moment.
    scene.world.settle(8);
    let records = going_on(scene);
    scene.records.borrow_mut().extend(records);
}

/// The storage cuts again, movers reach the vault again.
fn mend(world: &SimWorld) {
    world.with_store(|store| {
        store.cut_failure = None;
        store.mover_failure = None;
    });
}

/// What another engine writes first: it resumes a recovery, or gives a backup up and cleans up behind it, as
/// `clean_up_dead_run` of the CLI does.
pub(super) fn going_on(scene: &Scene<'_>) -> Vec<Record> {
    let at = scene.now();
    let resumed = |why: &str| Record::Resumed {
        at,
        why: why.to_owned(),
        evidence: None,
    };
    if !scene.plan.kind.cleans_up_on_failure() {
        return vec![resumed("resume")];
    }
    let mut records = vec![resumed("clean-up")];
    if Progress::of(scene.records.borrow().iter())
        .failing()
        .is_none()
    {
        let problem = Problem::stuck("abandoned", "its engine died", "run it again");
        records.push(Record::Failing { at, problem });
    }
    records
}

/// Drives a run until it has ended, one engine after the other; `open` is told each time it has not.
pub(super) fn to_its_end<'g>(
    scene: &Scene<'g>,
    open: &mut dyn FnMut(&Scene<'g>) -> Result<(), String>,
) -> Result<End, String> {
    loop {
        match lived(scene)? {
            Left::Over(end) => return Ok(end),
            Left::Open(why) => must_go_on(scene, &why)?,
        }
        if let Some(end) = Progress::of(scene.records.borrow().iter()).ended() {
            return Ok(end);
        }
        open(scene)?;
        hand_on(scene);
    }
}

/// Drives a recovery to its end, as `refloat recover` does when it is given again and again.
pub(super) fn restore(
    scene: &Scene<'_>,
    wanted: Option<&State>,
    undoing: Option<&Undoing<'_>>,
) -> Result<(), String> {
    let mut open = |scene: &Scene<'_>| undoing.map_or(Ok(()), |undoing| undoing.open(scene));
    if to_its_end(scene, &mut open)? == End::Failed {
        return Err("a recovery was given up".to_owned());
    }
    let skipped = std::mem::take(&mut scene.script.borrow_mut().foreign);
    let skipped = skipped.iter().map(|one| one.id().to_string());
    scene.script.borrow_mut().touched.extend(skipped);
    judge::of_restore(scene, wanted).map_or(Ok(()), Err)?;
    undoing.map_or(Ok(()), |undoing| undoing.complete(scene))
}

/// Drives a backup to its end; one whose engine died is cleaned up by another.
pub(super) fn backup(
    scene: &Scene<'_>,
    before: &State,
    wanted: Option<&PointContent>,
) -> Result<(), String> {
    let completed = to_its_end(scene, &mut |_| Ok(()))? == End::Completed;
    judge::of_backup(scene, before, wanted, completed).map_or(Ok(()), Err)
}
