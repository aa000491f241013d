//! One life of an engine: it drives the run until it ends, stops, or dies.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use refloat_core::capture::Sessions;
use refloat_core::drive::{Drive, DriveError, Engine, Event, Observer, TURN_STEPS_MAX};
use refloat_core::driver::{Driver, Effect};
use refloat_core::run::{Progress, Workers};
use refloat_drivers::CATALOGUE;

use super::adversary::Adversary;
use super::book::Book;
use super::deed::Deed;
use super::judge;
use super::mishap::Mishap;
use super::once::Once;
use super::scene::{Life, Scene};
use crate::sim::block_on;

/// Polls of one life; more is an endless run.
const POLLS_MAX: usize = 200_000;

/// The catalogue, and the driver that is for simulation only.
pub(super) fn drivers() -> &'static [&'static dyn Driver] {
    static ALL: LazyLock<Vec<&'static dyn Driver>> = LazyLock::new(|| {
        let once: &'static dyn Driver = &Once;
        std::iter::once(once)
            .chain(CATALOGUE.iter().copied())
            .collect()
    });
    &ALL
}

/// How a life ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lived {
    /// The engine itself came to an end.
    Out(Result<Drive, DriveError>),
    /// It died.
    Died,
}

/// Watches the engine, as a terminal does.
struct Watcher<'a> {
    scene: &'a Scene<'a>,
}

impl Observer for Watcher<'_> {
    fn event(&self, event: &Event<'_>) {
        let scene = self.scene;
        match event {
            Event::Acting(_, effects) => {
                if let Some(Effect::Capture(capture)) = effects.first() {
                    let line = effects[0].describe();
                    judge::capturing(scene, capture);
                    let mishap = {
                        let mut script = scene.script.borrow_mut();
                        script.life.capturing = true;
                        script.at_effect(Deed::Capture, |_| true)
                    };
                    scene.say(match mishap {
                        Some(mishap) => {
                            format!("{line}   <- {}", mishap.to_string().to_uppercase())
                        }
                        None => line,
                    });
                    match mishap {
                        Some(Mishap::DiesBefore) => scene.die("before the capture"),
                        Some(Mishap::DiesAfter) => {
                            scene.script.borrow_mut().life.dies_after_capture = true;
                        }
                        Some(mishap) => scene.lasts(mishap),
                        None => {}
                    }
                }
            }
            Event::Began(_) | Event::Waiting(..) => {}
            Event::Done(step, _) => scene.say(format!("done: {}", step.title)),
            Event::Stuck(step, problem) => {
                scene.say(format!(
                    "stuck: {}: {}: {problem}",
                    step.title, problem.code
                ));
            }
            Event::GivingUp(problem) => scene.say(format!("giving up: {}", problem.code)),
        }
    }

    fn interrupted(&self) -> bool {
        self.scene.script.borrow().life.interrupted
    }
}

/// Drives the run on with the journal that there is.
pub(super) fn live(scene: &Scene<'_>) -> Lived {
    let (engine, turn_steps_max) = {
        let mut script = scene.script.borrow_mut();
        let number = script.life.number + 1;
        script.life = Life {
            number,
            ..Life::default()
        };
        // Plans are small here: turns are smaller still in most lives, so that steps are looked at ahead. Draws no lot that others would miss.
        let turn = *script.lots.clone().pick(&[2, 7, TURN_STEPS_MAX]);
        (script.owner, turn)
    };
    let mut progress = Progress::of(scene.records.borrow().iter());
    let world = Adversary {
        inner: &scene.world,
        scene,
    };
    let mut journal = Book { scene, engine };
    let watcher = Watcher { scene };
    let mut engine = Engine {
        world: &world,
        journal: &mut journal,
        observer: &watcher,
        workers: Workers { drivers: drivers() },
        turn_steps_max,
    };
    let lived = {
        let mut future = pin!(engine.drive(scene.plan, &mut progress));
        let mut context = Context::from_waker(Waker::noop());
        let mut polls = 0;
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                break Lived::Out(result);
            }
            if scene.is_dead() {
                break Lived::Died;
            }
            polls += 1;
            if polls > POLLS_MAX {
                scene.is_wrong("an endless run: it waits for what never comes");
                break Lived::Died;
            }
        }
    };
    // An engine that lives lets go by itself, not by its end.
    let mut held = scene.world.held();
    let script = scene.script.borrow();
    held.retain(|member| script.life.sessions.contains_key(member));
    drop(script);
    if let (Lived::Out(Ok(_)), Some(member)) = (&lived, held.first()) {
        scene.is_wrong(format!("the run is over and {member} is still held"));
    }
    bury(scene);
    lived
}

/// The streams of an engine that is gone are closed by its kernel.
fn bury(scene: &Scene<'_>) {
    let open = std::mem::take(&mut scene.script.borrow_mut().life.sessions);
    for name in open.keys() {
        scene.world.close(name);
    }
    while block_on(scene.world.next(Duration::ZERO)).is_some() {}
}
