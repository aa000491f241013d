//! What is due is looked at, round by round, and decided.
//!
//! Whoever has decided waits for nobody who wants to see more: as soon as there is something to do or to write down, the turn ends, and
//! the others go on in the next one with what they have seen so far.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rounds::Due;
use super::turn::believed_absent;
use super::verdicts::overdue;
use super::{Engine, Going, Journal, Observer};
use crate::driver::{Answer, Effect, LOOK_ROUNDS_MAX, Query, Seen, Verdict};
use crate::run::{Decision, Moment, Progress, Step, advance, first_queries};
use crate::world::{Changed, Labels, World};

/// Events are read anew after this time: they only explain why a gate is closed, and a long list of them takes a busy server long.
const EVENTS_AGE: Duration = Duration::from_secs(2);

/// What a step decided, and what it had asked for.
pub(super) type Decided<'s> = (&'s Step, Decision, Vec<Query>);

/// What is known from the looks of former turns.
#[derive(Default)]
pub(super) struct Known<'s> {
    /// What those had seen who wanted to see more when the last turn ended.
    seen: Seen,
    /// Those whose turn has ended so.
    cut_short: BTreeMap<&'s str, CutShort>,
    /// Lists of events, and when they were read.
    events: Vec<(Query, Duration, Answer)>,
}

/// A step that wanted to see more when its turn ended.
#[derive(Default)]
struct CutShort {
    /// How often, one turn after the other.
    times: usize,
    /// What it has asked for.
    asked: Vec<Query>,
}

impl Known<'_> {
    /// What was seen is too old.
    pub(super) fn forget(&mut self) {
        self.seen = Seen::default();
        self.events.clear();
    }

    /// An effect has ended: what was seen before it may be older.
    pub(super) fn touched(&mut self, effect: &Effect) {
        match effect {
            Effect::Keep(_) | Effect::StoreObjects | Effect::Seal(_) => {}
            Effect::Create { .. } | Effect::Patch { .. } | Effect::Delete { .. } => {
                let mut changed = Changed::default();
                if let Some(object) = effect.object() {
                    changed.saw(object, Labels::unknown());
                }
                self.seen
                    .retain(|query| is_of_objects(query) && !changed.concerns(query));
            }
            Effect::Exec { .. } | Effect::GrantVault { .. } | Effect::Capture(_) => {
                self.seen = Seen::default();
            }
        }
    }
}

/// One turn's look.
struct Look<'s> {
    seen: Seen,
    /// What each step has asked for.
    asked: BTreeMap<&'s str, Vec<Query>>,
    /// Those whose turns were cut short before this one.
    cut_short: BTreeMap<&'s str, CutShort>,
    /// Lists of events that are known, and when they were read.
    events: BTreeMap<Query, Duration>,
    decisions: Vec<Decided<'s>>,
}

impl<'s> Look<'s> {
    /// What is known before anything is asked.
    async fn begin(going: &mut Going<'s>, now: Duration) -> Self {
        let mut seen = match going.ahead.take() {
            Some(ahead) => ahead.end().await,
            None => Seen::default(),
        };
        let known = std::mem::take(&mut going.known);
        seen.extend(known.seen);
        let mut events = BTreeMap::new();
        for (query, read, answer) in known.events {
            if now.saturating_sub(read) < EVENTS_AGE {
                events.insert(query.clone(), read);
                seen.insert(query, answer);
            }
        }
        Self {
            seen,
            asked: BTreeMap::new(),
            cut_short: known.cut_short,
            events,
            decisions: Vec::new(),
        }
    }

    /// The queries among these that were not answered yet, each once.
    fn unseen(&self, mut queries: Vec<Query>) -> Vec<Query> {
        queries.sort();
        queries.dedup();
        queries.retain(|query| !self.seen.has(query));
        queries
    }

    /// This is being read.
    fn reads(&mut self, queries: &[Query], now: Duration) {
        let lists = queries.iter().filter(|query| is_of_events(query));
        self.events.extend(lists.map(|query| (query.clone(), now)));
    }

    /// Somebody has decided something that is to be done or written down, and nobody of these who want to see more was put off too often.
    fn is_to_end(&self, open: &[&'s Step]) -> bool {
        let mut all = self.decisions.iter();
        let has_news = |(_, decision, _): &Decided<'_>| {
            !matches!(decision, Decision::Verdict(Verdict::Wait(_)))
        };
        all.any(has_news)
            && open
                .iter()
                .all(|step| self.times_cut_short(step) < LOOK_ROUNDS_MAX)
    }

    fn times_cut_short(&self, step: &Step) -> usize {
        let before = self.cut_short.get(step.id.as_str());
        before.map_or(0, |before| before.times)
    }

    /// The look is over; these want to see more.
    fn end(mut self, going: &mut Going<'s>, open: &[&'s Step]) -> Vec<Decided<'s>> {
        for (query, read) in std::mem::take(&mut self.events) {
            if let Some(answer @ Answer::List(_)) = self.seen.take(&query) {
                going.known.events.push((query, read, answer));
            }
        }
        for step in open {
            let id = step.id.as_str();
            let asked = self.asked.remove(id).unwrap_or_default();
            for query in &asked {
                if let Some(answer) = self.seen.answer(query) {
                    going.known.seen.insert(query.clone(), answer.clone());
                }
            }
            let times = self.times_cut_short(step) + 1;
            let cut = CutShort { times, asked };
            going.known.cut_short.insert(id, cut);
            going.rounds.goes_on(id);
        }
        self.decisions
    }
}

/// What is served, and what commands and trials say, may depend on any object.
fn is_of_objects(query: &Query) -> bool {
    match query {
        Query::Object(_) | Query::List(_) => true,
        Query::Exec(_) | Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => false,
    }
}

fn is_of_events(query: &Query) -> bool {
    matches!(query, Query::List(request) if request.resource.kind == "Event")
}

impl<'e, W: World, J: Journal, O: Observer> Engine<'e, W, J, O> {
    /// Looks at what is due until something is decided.
    pub(super) async fn decide<'s>(
        &self,
        going: &mut Going<'s>,
        due: &Due<'s>,
        progress: &Progress,
    ) -> Vec<Decided<'s>>
    where
        'e: 's,
    {
        let mut look = Look::begin(going, self.world.elapsed()).await;
        for step in &due.now {
            for (query, answer) in going.rounds.fresh(&step.id) {
                look.seen.insert(query, answer);
            }
            if let Some(target) = believed_absent(step, progress) {
                look.seen
                    .insert(Query::Object(target), Answer::Object(None));
            }
            let mut queries = first_queries(going.plan, step, progress, self.workers);
            queries.extend(going.rounds.asked(&step.id).cloned());
            if let Some(before) = look.cut_short.get_mut(step.id.as_str()) {
                queries.append(&mut before.asked);
            }
            look.asked.insert(&step.id, queries);
        }
        let first = look.unseen(look.asked.values().flatten().cloned().collect());
        look.reads(&first, self.world.elapsed());
        look.seen.extend(self.world.see(&first).await);
        self.look_ahead(going, due, progress).await;
        let mut open: Vec<&'s Step> = due.now.clone();
        let mut rounds = 0..LOOK_ROUNDS_MAX;
        loop {
            let more;
            let is_last = rounds.next().is_none();
            (open, more) = self.round(going, &mut look, open, progress, is_last);
            if open.is_empty() || look.is_to_end(&open) {
                return look.end(going, &open);
            }
            let more = look.unseen(more);
            look.reads(&more, self.world.elapsed());
            let fresh = going.beside_looking(self.world.see(&more)).await;
            look.seen.extend(fresh);
        }
    }

    /// Lets these steps decide by what was seen; those that want to see more, and what. In the last round nobody may.
    fn round<'s>(
        &self,
        going: &mut Going<'s>,
        look: &mut Look<'s>,
        open: Vec<&'s Step>,
        progress: &Progress,
        is_last: bool,
    ) -> (Vec<&'s Step>, Vec<Query>)
    where
        'e: 's,
    {
        let (mut again, mut more) = (Vec::new(), Vec::new());
        for step in open {
            let moment = Moment {
                now: self.world.now(),
                waited: going.rounds.waited(&step.id, self.world.elapsed()),
            };
            let decision = advance(
                going.plan,
                step,
                progress,
                self.workers,
                &look.seen,
                going.brought.get(&step.id),
                moment,
            );
            match decision {
                Decision::Verdict(Verdict::Look(queries)) if !is_last => {
                    more.extend(queries.iter().cloned());
                    look.asked.entry(&step.id).or_default().extend(queries);
                    again.push(step);
                }
                decision => {
                    let decision = match decision {
                        Decision::Verdict(Verdict::Wait(why)) => {
                            let now = self.world.elapsed();
                            Decision::Verdict(going.rounds.judged(&step.id, why, now))
                        }
                        Decision::Overdue(problem) => {
                            Decision::Overdue(overdue(problem, going.rounds.refused(&step.id)))
                        }
                        other @ Decision::Verdict(_) => other,
                    };
                    let asked = look.asked.remove(step.id.as_str()).unwrap_or_default();
                    look.decisions.push((step, decision, asked));
                }
            }
        }
        (again, more)
    }
}

#[cfg(test)]
mod tests;
