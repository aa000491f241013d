//! Carries the machine's actions out: sessions and cuts through the World, records through the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;

use super::looking::{Look, checks, look_at};
use super::machine::{Action, Event, Machine};
use super::outcome::Captured;
use super::sessions::SessionEvent;
use super::spec::{Capture, Cut};
use crate::drive::{DriveError, Engine, Journal, Observer};
use crate::driver::{Effect, Outcome, Problem};
use crate::run::{Progress, Record, RunPlan, Step};
use crate::world::World;

/// Between two looks at cuts that are awaited.
const CUT_PAUSE: Duration = Duration::from_millis(25);
/// Longest wait for a session's event while nothing is cut.
const SESSION_PAUSE: Duration = Duration::from_millis(100);

/// The time of one capture: it runs on from the capture's begin whatever the clock does, so that a clock that jumps neither ends a hold
/// nor lengthens it.
#[derive(Clone, Copy)]
struct Steady {
    start: Timestamp,
    from: Duration,
}

impl Steady {
    fn begin<W: World>(world: &W) -> Self {
        Self {
            start: world.now(),
            from: world.elapsed(),
        }
    }

    fn now<W: World>(self, world: &W) -> Timestamp {
        let passed = world.elapsed().saturating_sub(self.from);
        self.start.checked_add(passed).unwrap_or(self.start)
    }
}

/// What is being cut.
struct Cutting<'a> {
    cuts: Vec<&'a Cut>,
    open: BTreeSet<String>,
}

/// A look that is going on.
type Looking<'a> = Pin<Box<dyn Future<Output = Vec<Event>> + 'a>>;

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
            let prior = progress.outcomes();
            let prior = prior
                .map(|(step, outcome)| (step.to_owned(), outcome.clone()))
                .collect();
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
        let world = self.world;
        let steady = Steady::begin(world);
        let mut machine = Machine::new(capture.clone(), steady.now(world));
        let checks = checks(capture, prior);
        let mut cutting = Cutting {
            cuts: capture.cuts.iter().collect(),
            open: BTreeSet::new(),
        };
        let mut broken = None;
        let look = Look {
            plan,
            drivers: self.workers.drivers,
            checks: &checks,
        };
        // A look that hangs in the API server must not keep the machine from letting go.
        let mut looking: Option<Looking<'_>> = None;
        let mut rested = true;
        let mut actions: VecDeque<Action> = machine.step(Event::Start, steady.now(world)).into();
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
                        if action == Action::StopCutting {
                            looking = None;
                        }
                        self.perform_action(capture, &mut cutting, action);
                        None
                    }
                };
                if let Some(event) = event {
                    actions.extend(machine.step(event, steady.now(world)));
                }
            }
            let news = next_news(world, look, &mut cutting, &mut looking, &mut rested).await;
            for event in news {
                actions.extend(machine.step(event, steady.now(world)));
            }
            if self.observer.interrupted() {
                let problem = Problem::stuck(
                    "interrupted",
                    "interrupted by the user",
                    "run the same command again",
                );
                actions.extend(machine.step(Event::Abandon(problem), steady.now(world)));
            }
            actions.extend(machine.step(Event::Tick, steady.now(world)));
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
}

/// What happened to cuts and sessions; waits a little when nothing did. One look at a time, sessions beside it.
async fn next_news<'a, W: World>(
    world: &'a W,
    look: Look<'a>,
    cutting: &mut Cutting<'a>,
    looking: &mut Option<Looking<'a>>,
    rested: &mut bool,
) -> Vec<Event> {
    if looking.is_none() && *rested && !cutting.open.is_empty() {
        let open = cutting.cuts.iter().copied();
        let open: Vec<&Cut> = open
            .filter(|cut| cutting.open.contains(&cut.part))
            .collect();
        *looking = Some(Box::pin(look_at(world, look, open)));
    }
    let pause = if looking.is_none() && !cutting.open.is_empty() {
        CUT_PAUSE
    } else {
        SESSION_PAUSE
    };
    let mut events = match first(looking, world.next(pause)).await {
        First::Looked(events) => {
            *looking = None;
            let is_news = |event: &Event| !matches!(event, Event::CutWaits(..));
            *rested = events.iter().any(is_news);
            for event in &events {
                if let Event::CutDone(part, _) | Event::CutFailed(part, _) = event {
                    cutting.open.remove(part);
                }
            }
            events
        }
        First::Said(said) => {
            *rested = true;
            said.map(|(member, event)| Event::Session(member, event))
                .into_iter()
                .collect()
        }
    };
    while let Some((member, event)) = world.next(Duration::ZERO).await {
        events.push(Event::Session(member, event));
    }
    events
}

/// What came first.
enum First {
    Looked(Vec<Event>),
    Said(Option<(String, SessionEvent)>),
}

/// Waits for the look, if one is going on, or for what a session says; the one that is not done is not lost.
async fn first(
    looking: &mut Option<Looking<'_>>,
    said: impl Future<Output = Option<(String, SessionEvent)>>,
) -> First {
    let mut said = pin!(said);
    poll_fn(|context| {
        if let Some(look) = looking
            && let Poll::Ready(events) = look.as_mut().poll(context)
        {
            return Poll::Ready(First::Looked(events));
        }
        said.as_mut().poll(context).map(First::Said)
    })
    .await
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
