//! A rollback after a recovery: of one that is complete, or of one that a person gives up while it is stuck or its engine is dead.
//!
//! Played on copies of the world, first undisturbed and then with mishaps of its own, so that the run itself goes on as it did. Drawn apart.
//! Called by `run`.

use std::cell::RefCell;
use std::rc::Rc;

use refloat_core::drive::Drive;
use refloat_core::driver::Problem;
use refloat_core::names::SiteName;
use refloat_core::plan::{Changed, Data, RollbackGoal, RolledBack, rollback, rollback_look};
use refloat_core::run::{End, Progress, Record};
use refloat_core::world::World;

use super::deed::Deed;
use super::ground::run_id;
use super::judge::{self, Judge, Rolling};
use super::live::{Lived, live};
use super::lots::Lots;
use super::mishap::Mishap;
use super::prepared::Profile;
use super::run::to_its_end;
use super::scene::{Planned, Scene, Story};
use super::state::{State, difference, state};
use crate::sim::{SimWorld, block_on};

/// Whether and how a recovery is rolled back.
const SALT: u64 = 0x726f_6c6c_0000_0000;

/// What a person does about one recovery.
pub(super) struct Undoing<'s> {
    story: &'s Story,
    seed: u64,
    /// At which of its open ends somebody gives it up, from 1; 0 for none.
    gives_up: usize,
    /// Whether it is rolled back once it is complete.
    at_end: bool,
    data: Data,
    ends: RefCell<usize>,
    /// What went wrong at removals.
    pub(super) hits: RefCell<Vec<(Deed, Mishap)>>,
}

impl<'s> Undoing<'s> {
    pub(super) fn of(seed: u64, story: &'s Story) -> Self {
        let mut lots = Lots::new(seed ^ SALT);
        Self {
            story,
            seed,
            gives_up: *lots.pick(&[0, 0, 1, 1, 2]),
            at_end: lots.chance(30),
            data: *lots.pick(&[Data::Keep, Data::Keep, Data::Remove]),
            ends: RefCell::default(),
            hits: RefCell::default(),
        }
    }

    /// The recovery stands still.
    pub(super) fn open(&self, scene: &Scene<'_>) -> Result<(), String> {
        *self.ends.borrow_mut() += 1;
        if *self.ends.borrow() != self.gives_up {
            return Ok(());
        }
        scene.say("--- somebody gives it up and rolls it back, in another world");
        let given_up = self.given_up(scene)?;
        self.play(&given_up, scene.script.borrow().meddled)
    }

    /// The recovery is complete.
    pub(super) fn complete(&self, scene: &Scene<'_>) -> Result<(), String> {
        if !self.at_end {
            return Ok(());
        }
        scene.say("--- it is rolled back");
        self.play(scene, scene.script.borrow().meddled)
    }

    /// The recovery, given up as `refloat rollback` does it.
    fn given_up<'g>(&self, scene: &Scene<'g>) -> Result<Scene<'g>, String>
    where
        's: 'g,
    {
        let copy = copied(scene, self.story);
        let mut records = scene.records.borrow().clone();
        let at = copy.now();
        records.push(Record::Resumed {
            at,
            why: "clean-up".to_owned(),
            evidence: None,
        });
        if Progress::of(records.iter()).failing().is_none() {
            let problem = Problem::stuck("abandoned", "its engine died", "run it again");
            records.push(Record::Failing { at, problem });
        }
        *copy.records.borrow_mut() = records;
        copy.judge.borrow_mut().given_up = true;
        let mut script = copy.script.borrow_mut();
        script.late.clone_from(&scene.script.borrow().late);
        drop(script);
        let lived = live(&copy);
        if let Some(wrong) = copy.wrong() {
            return Err(format!("given up: {wrong}"));
        }
        match lived {
            Lived::Out(Ok(Drive::Ended(End::Failed))) => {}
            other => {
                return Err(format!(
                    "a recovery that is given up does not end: {other:?}"
                ));
            }
        }
        match judge::of_given_up(&copy) {
            Some(wrong) => Err(format!("given up: {wrong}")),
            None => Ok(copy),
        }
    }

    /// Rolls it back twice: undisturbed, and disturbed to the same end.
    fn play(&self, scene: &Scene<'_>, meddled: bool) -> Result<(), String> {
        let planned = self.planned(scene, meddled)?;
        let rolling = Rc::new(Rolling::of(scene, self.data == Data::Keep));
        let mut lots = Lots::new(self.seed ^ SALT ^ 1);
        let (wanted, profile) = {
            let quiet = self.scene(&scene.world, &planned, &rolling, Vec::new());
            let wanted = ended(&quiet)?;
            (wanted, Profile::of(&quiet))
        };
        let count = *lots.pick(&[0, 1, 1, 2, 3]);
        let mishaps: Vec<Planned> = (0..count).filter_map(|_| profile.draw(&mut lots)).collect();
        if mishaps.is_empty() {
            return Ok(());
        }
        let disturbed = self.scene(&scene.world, &planned, &rolling, mishaps);
        let now = ended(&disturbed);
        let hits = disturbed.script.borrow().hits.clone();
        let hits = hits.into_iter().filter(|(deed, _)| *deed == Deed::Remove);
        self.hits.borrow_mut().extend(hits);
        match difference(&wanted, &now?, &[]) {
            None => Ok(()),
            Some(differs) => Err(format!("not the undisturbed rollback: {differs}")),
        }
    }

    /// Plans it. It may ask about changes only when somebody else was at work.
    fn planned(&self, scene: &Scene<'_>, meddled: bool) -> Result<RolledBack, String> {
        let seen = block_on(scene.world.see(&rollback_look(scene.plan)));
        let progress = Progress::of(scene.records.borrow().iter());
        let served = scene.world.inventory().served;
        let plan = |changed| {
            let goal = RollbackGoal {
                run: run_id("rollback-restore-1-1"),
                site: SiteName::new("secondary").expect("a constant name keeps the rules"),
                changed,
                data: self.data,
            };
            rollback(scene.plan, &progress, &seen, &served, &goal)
        };
        let asks = |problems: &[Problem]| problems.iter().all(|one| one.code == "changed-since");
        match plan(Changed::Refuse) {
            Err(problems) if meddled && asks(&problems) => plan(Changed::Remove),
            planned => planned,
        }
        .map_err(|problems| format!("the rollback cannot be planned: {problems:?}"))
    }

    fn scene<'g>(
        &self,
        world: &SimWorld,
        planned: &'g RolledBack,
        rolling: &Rc<Rolling>,
        mishaps: Vec<Planned>,
    ) -> Scene<'g>
    where
        's: 'g,
    {
        let lots = Lots::new(self.seed ^ SALT ^ 2);
        let scene = Scene::new(world.copy(), &planned.plan, mishaps, lots, self.story);
        for one in &scene.script.borrow().planned {
            scene.say(format!(
                "planned: {} at {} {}",
                one.mishap, one.deed, one.nth
            ));
        }
        *scene.judge.borrow_mut() = Judge::of_rollback(rolling);
        scene
    }
}

/// The same recovery in a copy of its world, by an engine whose clock is right.
fn copied<'g>(scene: &Scene<'g>, story: &'g Story) -> Scene<'g> {
    let copy = Scene::new(
        scene.world.copy(),
        scene.plan,
        Vec::new(),
        Lots::new(0),
        story,
    );
    *copy.judge.borrow_mut() = scene.judge.borrow().clone();
    copy
}

/// Brings a rollback to its end.
fn ended(scene: &Scene<'_>) -> Result<State, String> {
    let end = to_its_end(scene, &mut |_| Ok(())).map_err(|wrong| format!("rollback: {wrong}"))?;
    if end != End::Completed {
        return Err("a rollback was given up".to_owned());
    }
    match judge::of_rollback(scene) {
        Some(wrong) => Err(format!("after the rollback: {wrong}")),
        None => Ok(state(&scene.world)),
    }
}
