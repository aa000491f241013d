//! The adversary: a World in front of a World, in which what is planned goes wrong. Everything that passes is shown to the
//! judge.

mod sessions;

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use refloat_core::drive::Journal;
use refloat_core::driver::{Answer, Class, Effect, Effected, Outcome, Problem, Query, Seen};
use refloat_core::run::Record;
use refloat_core::world::{Batches, Changed, World};

use super::deed::Deed;
use super::live::live;
use super::mishap::Mishap;
use super::run::going_on;
use super::scene::Scene;
use super::{foreign, judge, taker};
use crate::sim::{SimJournal, block_on, moment};

/// Pauses of one life; more is an endless run.
const PAUSES_MAX: usize = 6000;
/// Pauses after which time passes faster: whatever is waited for takes long.
const PATIENCE: usize = 12;

/// A World in front of a World.
pub(super) struct Adversary<'a, W> {
    pub(super) inner: &'a W,
    pub(super) scene: &'a Scene<'a>,
}

type Performed = Result<Effected, Problem>;

impl<W: World> Adversary<'_, W> {
    /// A dead engine goes no further.
    async fn live_on(&self) {
        if self.scene.is_dead() {
            pending::<()>().await;
        }
    }

    /// One effect; `None` when the engine is dead.
    async fn one(&self, effect: &Effect) -> Option<Performed> {
        let scene = self.scene;
        if scene.is_dead() {
            return None;
        }
        let deed = Deed::of(effect).within(scene.plan.kind);
        let line = effect.describe();
        if let Some(wrong) = judge::before(scene, effect) {
            scene.is_wrong(wrong);
            return None;
        }
        let mishap = {
            let mut script = scene.script.borrow_mut();
            script.life.idle = 0;
            script.life.stale = 0;
            script.life.cache.clear();
            let capturing = script.life.capturing;
            script.at_effect(deed, |mishap| {
                let asleep = mishap != Mishap::Overtaken || !capturing;
                asleep && foreign::fits(scene, mishap, effect)
            })
        };
        match mishap {
            Some(mishap) => scene.say(format!("{line}   <- {}", mishap.to_string().to_uppercase())),
            None => scene.say(line.clone()),
        }
        match mishap {
            Some(Mishap::DiesBefore) => {
                scene.die("before it");
                return None;
            }
            Some(
                before @ (Mishap::ErrorBefore
                | Mishap::Unreachable
                | Mishap::Throttled
                | Mishap::Conflict
                | Mishap::Refused),
            ) => return Some(Err(before.problem(deed, &line))),
            Some(Mishap::ForeignExists | Mishap::ForeignOlder | Mishap::DatabaseDown) => {
                foreign::meddle(scene, mishap, effect);
            }
            Some(Mishap::Overtaken) => {
                overtaken(scene);
                if scene.is_dead() {
                    return None;
                }
            }
            Some(_) | None => {}
        }
        let late = scene.script.borrow().life.late;
        if late {
            remember(scene, &effect.intention());
        }
        let result = self.perform(effect).await;
        if result.is_ok() {
            taker::take(scene, effect);
        }
        if let Some(wrong) = judge::after(scene, effect, &result) {
            scene.is_wrong(wrong);
            return None;
        }
        self.afterwards(mishap, effect, result)
    }

    /// What the engine learns of an effect that has happened.
    fn afterwards(
        &self,
        mishap: Option<Mishap>,
        effect: &Effect,
        result: Performed,
    ) -> Option<Performed> {
        let scene = self.scene;
        match mishap {
            Some(Mishap::DiesAfter) => {
                scene.die("after it");
                None
            }
            Some(after @ (Mishap::ReplyLost | Mishap::ErrorAfter)) => {
                Some(Err(after.problem(Deed::of(effect), &effect.describe())))
            }
            Some(Mishap::ForeignDeletes) => {
                foreign::meddle(scene, mishap, effect);
                let lost = Mishap::ReplyLost;
                Some(Err(lost.problem(Deed::of(effect), &effect.describe())))
            }
            Some(Mishap::ForeignChanges) => {
                foreign::meddle(scene, mishap, effect);
                Some(result)
            }
            Some(mishap) => {
                scene.lasts(mishap);
                Some(result)
            }
            None => Some(result),
        }
    }

    /// The vault takes a run's point once, however often it is told to (`Vault::seal`).
    async fn perform(&self, effect: &Effect) -> Performed {
        let run = self.scene.plan.run.as_str();
        let is_sealed = |point: &serde_json::Value| point["run"].as_str() == Some(run);
        if matches!(effect, Effect::Seal(_))
            && self.scene.world.sealed.borrow().iter().any(is_sealed)
        {
            let sealed = Outcome::default().with("point", "chaos/0000000001");
            return Ok(Effected::Sealed(sealed));
        }
        let mut results = self.inner.act([vec![effect.clone()]].into()).await;
        let first = results.pop().and_then(|mut batch| batch.pop());
        first.expect("a world answers every effect that it tried")
    }

    /// What a read brings while reads go wrong.
    fn astray(&self, query: &Query) -> Option<Answer> {
        let script = self.scene.script.borrow();
        let life = &script.life;
        let refuse = |code: &str, message: &str| {
            Some(Answer::Refused(Problem::of(
                Class::Retry,
                code,
                message,
                "simulated: it may pass",
            )))
        };
        if life.deaf {
            return refuse("unreachable", "the API server does not answer");
        }
        if life.refused > 0 {
            return match (life.refusal, query) {
                (Some(Mishap::ReadsExpired), Query::List(_)) => {
                    refuse("expired", "the resourceVersion is too old")
                }
                (Some(Mishap::ReadsExpired), _) => None,
                _ if life.refused.is_multiple_of(2) => refuse("server-error", "etcd has no leader"),
                _ => refuse("unreachable", "no answer within 30 s"),
            };
        }
        match query {
            Query::Object(_) | Query::List(_) if life.stale > 0 => life.cache.get(query).cloned(),
            _ => None,
        }
    }

    async fn hang(&self) {
        poll_fn(|_| {
            let mut script = self.scene.script.borrow_mut();
            if script.life.hangs == 0 {
                return Poll::Ready(());
            }
            script.life.hangs -= 1;
            Poll::Pending
        })
        .await;
    }
}

/// Another engine drives the run while this one sleeps, as a virtual machine that was paused does.
fn overtaken(scene: &Scene<'_>) {
    let (life, planned) = {
        let mut script = scene.script.borrow_mut();
        script.owner += 1;
        (
            std::mem::take(&mut script.life),
            std::mem::take(&mut script.planned),
        )
    };
    scene.say("--- another engine goes on while this one sleeps");
    let records = going_on(scene);
    scene.records.borrow_mut().extend(records);
    live(scene);
    scene.say("--- the engine that slept wakes");
    let mut script = scene.script.borrow_mut();
    script.planned = planned;
    script.life = life;
    script.life.late = true;
    script.life.dead = scene.wrong().is_some();
}

/// The simulator's own check of the journal looks at the last intents only: those of the engine that slept are older.
fn remember(scene: &Scene<'_>, line: &str) {
    let intent = Record::Intent {
        at: scene.now(),
        step: "slept".to_owned(),
        effects: vec![line.to_owned()],
    };
    let elsewhere = RefCell::default();
    let mut journal = SimJournal {
        world: &scene.world,
        records: &elsewhere,
    };
    let written = block_on(journal.append(&[intent]));
    written.expect("the simulator's journal takes every record");
}

impl Scene<'_> {
    /// What a mishap leaves behind for a while.
    pub(super) fn lasts(&self, mishap: Mishap) {
        let mut script = self.script.borrow_mut();
        let few = 1 + script.lots.below(4);
        let many = *script.lots.pick(&[30, 400]);
        let minutes = i64::try_from(1 + script.lots.below(12)).unwrap_or(1);
        let script = &mut *script;
        match mishap {
            Mishap::ReadsRefused | Mishap::ReadsExpired => {
                script.life.refused = few;
                script.life.refusal = Some(mishap);
            }
            Mishap::ReadsStale => script.life.stale = few + 1,
            Mishap::Deaf => script.life.deaf = true,
            Mishap::ReadsHang => script.life.hangs = many,
            Mishap::ClockForward => script.skew += SignedDuration::from_mins(minutes),
            Mishap::ClockBackward => script.skew -= SignedDuration::from_mins(minutes),
            Mishap::Interrupted => script.life.interrupted = true,
            Mishap::MoverFails => self.world.with_store(|store| {
                let problem =
                    Problem::stuck("vault-unreachable", "no route to the vault", "mend it");
                store.mover_failure = Some(problem);
            }),
            Mishap::CutFails => self.world.with_store(|store| {
                store.cut_failure = Some("the pool is full".to_owned());
            }),
            _ => {}
        }
    }
}

impl<W: World> Adversary<'_, W> {
    async fn look(&self, queries: &[Query], is_first: bool) -> Seen {
        self.live_on().await;
        self.hang().await;
        if let Some(wrong) = judge::look(self.scene) {
            self.scene.is_wrong(wrong);
            self.live_on().await;
        }
        let mut seen = Seen::default();
        let mut rest = Vec::new();
        for query in queries {
            match self.astray(query) {
                Some(answer) => seen.insert(query.clone(), answer),
                None => rest.push(query.clone()),
            }
        }
        let real = if is_first {
            self.inner.see_first(&rest).await
        } else {
            self.inner.see(&rest).await
        };
        let mut script = self.scene.script.borrow_mut();
        let life = &mut script.life;
        if !queries.is_empty() {
            life.refused = life.refused.saturating_sub(1);
            if life.stale > 0 {
                life.stale -= 1;
                let answers = rest
                    .iter()
                    .filter_map(|query| Some((query.clone(), real.answer(query)?.clone())));
                life.cache.extend(answers);
            } else if !life.cache.is_empty() {
                life.cache.clear();
            }
        }
        seen.extend(real);
        seen
    }
}

impl<W: World> World for Adversary<'_, W> {
    async fn see(&self, queries: &[Query]) -> Seen {
        self.look(queries, false).await
    }

    async fn see_first(&self, queries: &[Query]) -> Seen {
        self.look(queries, true).await
    }

    async fn act(&self, batches: Batches) -> Vec<Vec<Performed>> {
        self.live_on().await;
        let mut order: Vec<usize> = (0..batches.len()).collect();
        // Batches are performed side by side: any of them may be first.
        self.scene.script.borrow_mut().lots.shuffle(&mut order);
        let mut all = vec![Vec::new(); batches.len()];
        for index in order {
            // The engine decides and journals what comes next meanwhile.
            moment().await;
            for effect in &batches[index] {
                let Some(result) = self.one(effect).await else {
                    self.live_on().await;
                    break;
                };
                let failed = result.is_err();
                all[index].push(result);
                if failed {
                    break;
                }
            }
        }
        all
    }

    fn now(&self) -> Timestamp {
        self.scene.now()
    }

    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }

    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed {
        self.live_on().await;
        let idle = {
            let mut script = self.scene.script.borrow_mut();
            script.life.idle += 1;
            script.life.pauses += 1;
            script.life.idle
        };
        if self.scene.script.borrow().life.pauses > PAUSES_MAX {
            self.scene
                .is_wrong("an endless run: it neither ends nor gives up");
            self.live_on().await;
        }
        let longer = match idle {
            0..PATIENCE => at_most,
            PATIENCE..60 => at_most * 5,
            _ => at_most * 50,
        };
        // A watch may miss anything.
        let lost = self.scene.script.borrow_mut().lots.chance(25);
        let changed = self.inner.pause(longer, on).await;
        if lost { Changed::default() } else { changed }
    }
}
