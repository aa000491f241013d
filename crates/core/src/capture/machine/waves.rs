//! The waves of cuts, and what a capture brought in the end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Action, Machine, Stage};
use crate::capture::outcome::{Captured, CutMade, HoldMade};
use crate::capture::spec::Statement;
use crate::driver::Outcome;

impl Machine {
    pub(super) fn is_awaited(&self, part: &str) -> bool {
        let Stage::Cutting(_) = self.stage else {
            return false;
        };
        self.cuts
            .get(part)
            .is_some_and(|cut| cut.asked.is_some() && cut.made.is_none())
    }

    /// Begins a wave; an empty one is over at once.
    pub(super) fn cut(&mut self, late: bool, now: Timestamp) {
        self.enter(Stage::Cutting(late), now);
        let mut wave = Vec::new();
        for (part, cut) in &mut self.cuts {
            if self.capture.is_late(part) == late {
                cut.asked = Some(now);
                wave.push(part.clone());
            }
        }
        if wave.is_empty() {
            self.wave_over(late, now);
        } else {
            self.actions.push(Action::Cut(wave));
        }
    }

    pub(super) fn cut_done(&mut self, part: &str, outcome: Outcome, now: Timestamp) {
        if !self.is_awaited(part) {
            return;
        }
        let Stage::Cutting(late) = self.stage else {
            return;
        };
        if let Some(cut) = self.cuts.get_mut(part) {
            cut.made = Some(CutMade {
                asked: cut.asked.unwrap_or(now),
                seen: now,
                late,
                facts: outcome.facts,
            });
        }
        let mut wave = self
            .cuts
            .iter()
            .filter(|(part, _)| self.capture.is_late(part) == late);
        if wave.all(|(_, cut)| cut.made.is_some()) {
            self.wave_over(late, now);
        }
    }

    pub(super) fn wave_over(&mut self, late: bool, now: Timestamp) {
        if self.holds.is_empty() {
            self.close_all(now);
            return;
        }
        if late {
            self.prove_late(now);
            return;
        }
        self.prove(false, now);
    }

    /// Proves the holds that freeze nothing, or those that freeze. Writers are let go last: what the others are recovered
    /// to, their stop, is then not later than the moment at which writers stood still.
    fn prove(&mut self, freezing: bool, now: Timestamp) {
        self.enter(Stage::Proving(freezing), now);
        let of_stage = self.capture.holds.iter();
        let of_stage = of_stage.filter(|hold| hold.freezes == freezing);
        let of_stage: Vec<(String, Vec<Statement>)> = of_stage
            .map(|hold| (hold.member.clone(), hold.prove.clone()))
            .collect();
        for (member, statements) in of_stage {
            let nothing_to_say = statements.is_empty();
            if let Some(state) = self.holds.get_mut(&member) {
                state.queue = statements.into();
            }
            self.issued(&member, now);
            if nothing_to_say {
                self.mark_proven(&member, now);
            } else {
                self.say(&member, now);
            }
        }
        self.prove_on(now);
    }

    /// Goes on once every hold of the stage is proven.
    pub(super) fn prove_on(&mut self, now: Timestamp) {
        let Stage::Proving(freezing) = self.stage else {
            return;
        };
        let of_stage = self.capture.holds.iter();
        let mut of_stage = of_stage
            .filter(|hold| hold.freezes == freezing)
            .filter_map(|hold| self.holds.get(&hold.member));
        if !of_stage.all(|state| state.proven) {
            return;
        }
        if freezing {
            self.keep(now);
        } else {
            self.prove(true, now);
        }
    }

    /// Sessions that were kept for late parts say that nothing was lost for them.
    fn prove_late(&mut self, now: Timestamp) {
        self.enter(Stage::ProvingLate, now);
        let late = self.capture.holds.iter();
        let late = late.filter(|hold| !hold.late_parts.is_empty());
        let late: Vec<(String, Vec<Statement>)> = late
            .map(|hold| (hold.member.clone(), hold.prove_late.clone()))
            .collect();
        for (member, statements) in late {
            if let Some(state) = self.holds.get_mut(&member) {
                state.queue = statements.into();
            }
            self.say(&member, now);
        }
        self.close_when_proven(now);
    }

    /// Nothing is left to be proven of the late parts.
    pub(super) fn close_when_proven(&mut self, now: Timestamp) {
        if self.holds.values().all(|state| state.queue.is_empty()) {
            self.close_all(now);
        }
    }

    pub(super) fn captured(&self) -> Captured {
        let cuts = self
            .cuts
            .iter()
            .filter_map(|(part, cut)| Some((part.clone(), cut.made.clone()?)));
        let holds: BTreeMap<String, HoldMade> = self
            .capture
            .holds
            .iter()
            .filter_map(|hold| {
                let state = self.holds.get(&hold.member)?;
                let made = HoldMade {
                    held: state.held?,
                    released: state.released?,
                    proof: hold.proof.clone(),
                    freezes: hold.freezes,
                    facts: state.facts.clone(),
                };
                Some((hold.member.clone(), made))
            })
            .collect();
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let (Some(from), Some(to)) = (from, to) else {
                return 0;
            };
            u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
        };
        let last_held = holds.values().map(|hold| hold.held).max();
        let freezing = || holds.values().filter(|hold| hold.freezes);
        Captured {
            cuts: cuts.collect(),
            barrier_milliseconds: between(
                freezing().map(|hold| hold.held).min(),
                freezing().map(|hold| hold.held).max(),
            ),
            held_milliseconds: between(last_held, holds.values().map(|hold| hold.released).max()),
            holds,
        }
    }
}
