//! Objects of the steps that come next are read while a turn decides and journals. Where everything is there already nothing is done
//! meanwhile, and reads and entries would wait for each other.
//!
//! Looking needs no entry before it. But what was seen must not be older than what the engine itself did since: so only steps that this
//! process has never looked at are looked at ahead, and what an effect has touched is read anew.

use super::doing::{Doing, beside};
use super::rounds::Due;
use super::turn::believed_absent;
use super::{Engine, Going, Journal, Observer};
use crate::driver::{Effect, ObjectRef, Query, Seen};
use crate::readiness::is_ready_when_there;
use crate::recovery::Existing;
use crate::run::{Progress, Step, Work, first_queries};
use crate::world::World;

/// A look for the next turn.
pub(super) struct Ahead<'s> {
    looking: Doing<'s, Seen>,
    /// What was written since it began.
    touched: Vec<ObjectRef>,
}

impl<'s> Ahead<'s> {
    /// `first` may be answered by what is a little older.
    fn new<W: World>(world: &'s W, first: Vec<Query>, others: Vec<Query>) -> Self {
        let look = async move {
            let mut seen = world.see(&others).await;
            seen.extend(world.see_first(&first).await);
            seen
        };
        Self {
            looking: Doing::new(look),
            touched: Vec::new(),
        }
    }

    /// An effect has ended; false when there is no telling what it has touched.
    fn survives(&mut self, effect: &Effect) -> bool {
        match effect {
            Effect::Keep(_) | Effect::StoreObjects | Effect::Seal(_) => true,
            Effect::Create { .. } | Effect::Patch { .. } | Effect::Delete { .. } => {
                self.touched.extend(effect.object());
                true
            }
            Effect::Exec { .. } | Effect::GrantVault { .. } | Effect::Capture(_) => false,
        }
    }

    /// What was seen, but for what may have changed since by the engine's own doing.
    pub(super) async fn end(self) -> Seen {
        let mut seen = self.looking.end().await;
        for object in self.touched {
            seen.forget(&Query::Object(object));
        }
        seen
    }
}

impl Going<'_> {
    /// An effect has ended: what was read ahead may be older.
    pub(super) fn touched(&mut self, effect: &Effect) {
        self.ahead.take_if(|ahead| !ahead.survives(effect));
        self.known.touched(effect);
    }

    /// Awaits something while the look ahead goes on.
    pub(super) async fn beside_looking<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        beside(self.ahead.as_mut().map(|ahead| &mut ahead.looking), awaited).await
    }
}

impl<'e, W: World, J: Journal, O: Observer> Engine<'e, W, J, O> {
    /// Begins to read what the steps of the next turn will ask for. Objects alone: commands are not run before their time, and lists are
    /// long.
    pub(super) async fn look_ahead<'s>(
        &self,
        going: &mut Going<'s>,
        due: &Due<'_>,
        progress: &Progress,
    ) where
        'e: 's,
    {
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for step in &due.next {
            if believed_absent(step, progress).is_some() {
                continue;
            }
            for query in first_queries(going.plan, step, progress, self.workers) {
                if may_be_older(step, &query) {
                    first.push(query);
                } else if matches!(query, Query::Object(_)) {
                    others.push(query);
                }
            }
        }
        if first.is_empty() && others.is_empty() {
            return;
        }
        let mut ahead = Ahead::new(self.world, first, others);
        ahead.looking.begin().await;
        going.ahead = Some(ahead);
    }
}

/// Whether a step can decide by what was there a while ago. What is removed or replaced must not have changed since it was looked at, nor
/// what others are linked to: they would go with an owner that was made anew. What is written is written by what was read, or not at all.
fn may_be_older(step: &Step, query: &Query) -> bool {
    let Work::Write(writing) = &step.work else {
        return false;
    };
    writing.existing != Existing::Replace
        && writing.owns.is_empty()
        && matches!(query, Query::Object(object) if is_ready_when_there(&object.resource))
}

#[cfg(test)]
mod tests;
