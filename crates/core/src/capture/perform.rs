//! Carries the machine's actions out: sessions and cuts through the World, records through the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::machine::{Action, Event, Machine};
use super::outcome::Captured;
use super::spec::{Capture, Cut};
use crate::drive::{DriveError, Engine, Journal, Observer};
use crate::driver::{
    Effect, Effected, LOOK_ROUNDS_MAX, Op, Outcome, Problem, Query, Seen, Task, Verdict,
};
use crate::run::{Progress, Record, RunPlan, Step};
use crate::world::World;

/// Between two looks at cuts that are awaited.
const CUT_PAUSE: Duration = Duration::from_millis(25);
/// Longest wait for a session's event while nothing is cut.
const SESSION_PAUSE: Duration = Duration::from_millis(100);

/// What is being cut.
struct Cutting<'a> {
    plan: &'a RunPlan,
    cuts: Vec<&'a Cut>,
    /// By part: what its own check brought.
    checks: BTreeMap<String, BTreeMap<String, Outcome>>,
    open: BTreeSet<String>,
}

/// What came of an action: an event at once, or it is still to be done.
enum Performed {
    Event(Event),
    ToDo(Action),
}

impl<W: World, J: Journal, O: Observer> Engine<'_, W, J, O> {
    /// Captures by themselves, with nothing else going on beside them.
    pub(crate) async fn perform_capture(
        &mut self,
        plan: &RunPlan,
        step: &Step,
        effects: &[Effect],
        progress: &mut Progress,
        brought: &mut BTreeMap<String, Outcome>,
    ) -> Result<(), DriveError> {
        for effect in effects {
            let Effect::Capture(capture) = effect else {
                continue;
            };
            let prior = progress.outcomes().clone();
            match self.capture(plan, step, capture, &prior, progress).await? {
                Ok(captured) => {
                    brought.insert(step.id.clone(), captured.outcome());
                }
                Err(problem) => {
                    let news = crate::drive::Event::Stuck(step, &problem);
                    self.observer.event(&news);
                    let at = self.world.now();
                    let step = step.id.clone();
                    let stuck = Record::Stuck { at, step, problem };
                    self.write(progress, vec![stuck]).await?;
                }
            }
        }
        Ok(())
    }

    /// One capture, to its end. The inner failure is of the capture, the outer one of the journal.
    async fn capture(
        &mut self,
        plan: &RunPlan,
        step: &Step,
        capture: &Capture,
        prior: &BTreeMap<String, Outcome>,
        progress: &mut Progress,
    ) -> Result<Result<Captured, Problem>, DriveError> {
        let mut machine = Machine::new(capture.clone(), self.world.now());
        let mut cutting = Cutting {
            plan,
            cuts: capture.cuts.iter().collect(),
            checks: checks(capture, prior),
            open: BTreeSet::new(),
        };
        let mut broken = None;
        let mut actions: VecDeque<Action> = machine.step(Event::Start, self.world.now()).into();
        loop {
            while let Some(action) = actions.pop_front() {
                let action = match action {
                    Action::Finish(result) => {
                        return match broken {
                            Some(error) => Err(error),
                            None => Ok(*result),
                        };
                    }
                    action => {
                        self.record(step, capture, action, progress, &mut broken)
                            .await
                    }
                };
                let event = match action {
                    Performed::Event(event) => Some(event),
                    Performed::ToDo(action) => {
                        self.perform_action(capture, &mut cutting, action);
                        None
                    }
                };
                if let Some(event) = event {
                    actions.extend(machine.step(event, self.world.now()));
                }
            }
            for event in self.events(&mut cutting).await {
                actions.extend(machine.step(event, self.world.now()));
            }
            if self.observer.interrupted() {
                let problem = Problem::stuck(
                    "interrupted",
                    "interrupted by the user",
                    "run the same command again",
                );
                actions.extend(machine.step(Event::Abandon(problem), self.world.now()));
            }
            actions.extend(machine.step(Event::Tick, self.world.now()));
        }
    }

    /// Writes what must be durable first; hands every other action back.
    async fn record(
        &mut self,
        step: &Step,
        capture: &Capture,
        action: Action,
        progress: &mut Progress,
        broken: &mut Option<DriveError>,
    ) -> Performed {
        let at = self.world.now();
        let (record, then) = match action {
            Action::Record(members) => (must_release(at, step, capture, &members), Event::Recorded),
            Action::Keep(facts) => {
                let step = step.id.clone();
                (Record::Kept { at, step, facts }, Event::Kept)
            }
            action => return Performed::ToDo(action),
        };
        Performed::Event(self.written(record, then, progress, broken).await)
    }

    fn perform_action(&self, capture: &Capture, cutting: &mut Cutting<'_>, action: Action) {
        match action {
            Action::Open(member) => {
                if let Some(hold) = capture.holds.iter().find(|hold| hold.member == member) {
                    self.world.open(&member, &hold.session);
                }
            }
            Action::Send(member, statement) => {
                self.world.send(&member, &statement.text, &statement.until);
            }
            Action::Close(member) => self.world.close(&member),
            Action::Cut(parts) => cutting.open.extend(parts),
            Action::StopCutting => cutting.open.clear(),
            Action::Record(_) | Action::Keep(_) | Action::Finish(_) => {}
        }
    }

    /// Writes a record; a journal that does not take it ends the capture.
    async fn written(
        &mut self,
        record: Record,
        then: Event,
        progress: &mut Progress,
        broken: &mut Option<DriveError>,
    ) -> Event {
        match self.write(progress, vec![record]).await {
            Ok(()) => then,
            Err(error) => {
                let problem = Problem::stuck(
                    "journal-unwritable",
                    error.to_string(),
                    "see to the vault, then run the same command again",
                );
                broken.get_or_insert(error);
                Event::Abandon(problem)
            }
        }
    }

    /// What happened to cuts and sessions; waits a little when nothing did.
    async fn events(&mut self, cutting: &mut Cutting<'_>) -> Vec<Event> {
        let mut events = self.cut(cutting).await;
        let is_news = |event: &Event| !matches!(event, Event::CutWaits(..));
        let mut wait = if events.iter().any(is_news) {
            Duration::ZERO
        } else if cutting.open.is_empty() {
            SESSION_PAUSE
        } else {
            CUT_PAUSE
        };
        while let Some((member, event)) = self.world.next(wait).await {
            events.push(Event::Session(member, event));
            wait = Duration::ZERO;
        }
        events
    }

    /// One look at every cut that is awaited, and what follows from it.
    async fn cut(&self, cutting: &mut Cutting<'_>) -> Vec<Event> {
        let mut events = Vec::new();
        let mut seen = Seen::default();
        let mut open: Vec<&Cut> = cutting
            .cuts
            .iter()
            .copied()
            .filter(|cut| cutting.open.contains(&cut.part))
            .collect();
        if open.is_empty() {
            return events;
        }
        let mut queries: Vec<Query> = Vec::new();
        for cut in &open {
            let step = step_id(cut);
            if let Some(driver) = self.driver(&cut.claim.driver) {
                queries.extend(driver.look(&task_of(cutting, cut, &step)));
            }
        }
        let mut batches: Vec<(&Cut, Vec<Effect>)> = Vec::new();
        for round in 0..=LOOK_ROUNDS_MAX {
            queries.sort();
            queries.dedup();
            queries.retain(|query| !seen.has(query));
            seen.extend(self.world.see(&queries).await);
            queries = Vec::new();
            let mut again = Vec::new();
            for cut in open {
                let step = step_id(cut);
                let verdict = match self.driver(&cut.claim.driver) {
                    Some(driver) => {
                        driver.decide(&task_of(cutting, cut, &step), &seen, self.world.now())
                    }
                    None => Verdict::Stuck(no_driver(cut)),
                };
                match verdict {
                    Verdict::Look(more) if round < LOOK_ROUNDS_MAX => {
                        queries.extend(more);
                        again.push(cut);
                    }
                    Verdict::Look(_) => {
                        let why = format!("{}: it never stops reading", cut.part);
                        events.push(Event::CutWaits(cut.part.clone(), why));
                    }
                    Verdict::Act(effects) => batches.push((cut, effects)),
                    Verdict::Wait(why) => {
                        events.push(Event::CutWaits(cut.part.clone(), why.message));
                    }
                    Verdict::Done(outcome) => {
                        events.push(Event::CutDone(cut.part.clone(), outcome));
                    }
                    Verdict::Stuck(problem) => {
                        events.push(Event::CutFailed(cut.part.clone(), problem));
                    }
                }
            }
            open = again;
            if open.is_empty() {
                break;
            }
        }
        events.extend(self.act_on_cuts(batches).await);
        for event in &events {
            if let Event::CutDone(part, _) | Event::CutFailed(part, _) = event {
                cutting.open.remove(part);
            }
        }
        events
    }

    async fn act_on_cuts(&self, batches: Vec<(&Cut, Vec<Effect>)>) -> Vec<Event> {
        if batches.is_empty() {
            return Vec::new();
        }
        let effects: Vec<Vec<Effect>> = batches.iter().map(|(_, one)| one.clone()).collect();
        let results = self.world.act(&effects).await;
        let mut events = Vec::new();
        for ((cut, _), results) in batches.iter().zip(results) {
            let failed = results
                .into_iter()
                .find_map(|result: Result<Effected, Problem>| result.err());
            match failed.map(Verdict::from) {
                Some(Verdict::Stuck(problem)) => {
                    events.push(Event::CutFailed(cut.part.clone(), problem));
                }
                Some(Verdict::Wait(why)) => {
                    events.push(Event::CutWaits(cut.part.clone(), why.message));
                }
                Some(Verdict::Look(_) | Verdict::Act(_) | Verdict::Done(_)) | None => {}
            }
        }
        events
    }

    fn driver(&self, id: &str) -> Option<&'static dyn crate::driver::Driver> {
        let drivers = self.workers.drivers.iter();
        drivers.copied().find(|driver| driver.facts().id == id)
    }
}

/// What the check of each volume brought, by part.
fn checks(
    capture: &Capture,
    prior: &BTreeMap<String, Outcome>,
) -> BTreeMap<String, BTreeMap<String, Outcome>> {
    let of_cut = |cut: &Cut| {
        let step = format!("check volume {}", cut.part);
        let own = prior.get_key_value(&step);
        let own = own.map(|(step, outcome)| (step.clone(), outcome.clone()));
        (cut.part.clone(), own.into_iter().collect())
    };
    capture.cuts.iter().map(of_cut).collect()
}

fn step_id(cut: &Cut) -> String {
    format!("cut {}", cut.part)
}

fn task_of<'t>(cutting: &'t Cutting<'_>, cut: &'t Cut, step: &'t str) -> Task<'t> {
    Task {
        op: Op::Capture,
        run: &cutting.plan.run,
        step,
        claim: &cut.claim,
        inputs: &cut.inputs,
        prior: &cutting.checks[&cut.part],
        ran: None,
    }
}

fn no_driver(cut: &Cut) -> Problem {
    Problem::stuck(
        "driver-missing",
        format!("this refloat has no driver `{}`", cut.claim.driver),
        "use a refloat at least as new as the one that planned this",
    )
}

fn must_release(at: jiff::Timestamp, step: &Step, capture: &Capture, members: &[String]) -> Record {
    let sessions = capture
        .holds
        .iter()
        .filter(|hold| members.contains(&hold.member))
        .filter_map(|hold| Some((hold.member.clone(), hold.sticky.clone()?, &hold.session)))
        .map(|(member, undo, session)| crate::run::MustRelease {
            member,
            namespace: session.namespace.clone(),
            pod: session.pod.clone(),
            container: session.container.clone(),
            command: undo.command,
            deadline_seconds: undo.deadline_seconds,
        })
        .collect();
    Record::MustRelease {
        at,
        step: step.id.clone(),
        sessions,
    }
}
