//! First looks, as old as the engine puts up with: they tell what was there when the first of them was asked for, but never less than what
//! this world itself has done since.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use refloat_core::driver::{Answer, Effect, ObjectRef, Query, Seen};
use refloat_core::world::FIRST_LOOK_AGE;
use serde_json::Value;

use super::SimWorld;

/// What was there.
#[derive(Default)]
pub(super) struct First {
    /// When, and what.
    taken: Option<(Duration, BTreeMap<ObjectRef, Value>)>,
    /// What was written since.
    written: BTreeSet<ObjectRef>,
}

impl First {
    /// An effect was tried.
    pub(super) fn wrote(&mut self, effect: &Effect) {
        match effect {
            Effect::Create { .. } | Effect::Patch { .. } if effect.object().is_some() => {
                self.written.extend(effect.object());
            }
            Effect::Keep(_) | Effect::StoreObjects | Effect::Seal(_) => {}
            Effect::Create { .. }
            | Effect::Patch { .. }
            | Effect::Delete { .. }
            | Effect::Exec { .. }
            | Effect::GrantVault { .. }
            | Effect::Capture(_) => *self = Self::default(),
        }
    }
}

impl SimWorld {
    pub(super) fn first_look(&self, queries: &[Query]) -> Seen {
        let now = self.elapsed.get();
        let mut first = self.first.borrow_mut();
        first
            .taken
            .take_if(|(taken, _)| now.saturating_sub(*taken) >= FIRST_LOOK_AGE);
        if first.taken.is_none() {
            let store = self.store.borrow();
            let all = store.iter();
            let all = all.map(|(reference, object)| (reference.clone(), object.clone()));
            first.taken = Some((now, all.collect()));
            first.written.clear();
        }
        let mut seen = Seen::default();
        for query in queries {
            let old = match (query, &first.taken) {
                (Query::Object(object), Some((_, all))) if !first.written.contains(object) => {
                    Some(Answer::Object(all.get(object).cloned()))
                }
                _ => None,
            };
            let answer = old.unwrap_or_else(|| self.answer(query));
            seen.insert(query.clone(), answer.folded());
        }
        seen
    }
}
