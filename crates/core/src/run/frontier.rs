//! Which steps may run now, kept up to date as steps get done, so that no turn looks at the whole plan.
//!
//! [`eligible`](super::eligible) is the definition; this is the same without reading the plan anew. Called by `drive`.

use std::collections::{BTreeMap, BTreeSet};

use crate::planted::{self, Bug};

use super::{Progress, RunPlan, Step, StepState};

/// Steps whose edges are open, of one plan.
pub(crate) struct Frontier<'a> {
    plan: &'a RunPlan,
    places: BTreeMap<&'a str, usize>,
    /// Steps that need this one.
    dependents: Vec<Vec<usize>>,
    /// Needs that are not done. While a run is being given up only those among the clean-up steps count.
    left: Vec<usize>,
    open: BTreeSet<usize>,
    /// Those of them that nobody was told of.
    opened: Vec<usize>,
    giving_up: bool,
}

impl<'a> Frontier<'a> {
    pub(crate) fn new(plan: &'a RunPlan, progress: &Progress) -> Self {
        let places: BTreeMap<&str, usize> = plan
            .steps
            .iter()
            .enumerate()
            .map(|(place, step)| (step.id.as_str(), place))
            .collect();
        let mut frontier = Self {
            plan,
            places,
            dependents: vec![Vec::new(); plan.steps.len()],
            left: vec![0; plan.steps.len()],
            open: BTreeSet::new(),
            opened: Vec::new(),
            giving_up: progress.failing().is_some(),
        };
        for (place, step) in plan.steps.iter().enumerate() {
            let stuck = matches!(progress.state(&step.id), Some(StepState::Stuck { .. }));
            let out = frontier.giving_up && !step.cleanup;
            if out || stuck || progress.is_done(&step.id) {
                continue;
            }
            // Several edges may lead to one step.
            let forgotten = usize::from(planted::is(Bug::EdgeForgotten));
            let edges = step.needs.iter().rev().skip(forgotten);
            let needs: BTreeSet<&str> = edges.map(|edge| edge.on.as_str()).collect();
            for on in needs {
                if frontier.counts(on) && !progress.is_done(on) {
                    frontier.left[place] += 1;
                    if let Some(on) = frontier.places.get(on) {
                        frontier.dependents[*on].push(place);
                    }
                }
            }
            if frontier.left[place] == 0 {
                frontier.opens(place);
            }
        }
        frontier
    }

    fn opens(&mut self, place: usize) {
        self.open.insert(place);
        self.opened.push(place);
    }

    fn counts(&self, on: &str) -> bool {
        !self.giving_up || self.step(on).is_some_and(|step| step.cleanup)
    }

    fn step(&self, id: &str) -> Option<&'a Step> {
        Some(&self.plan.steps[*self.places.get(id)?])
    }

    /// A step is done: those that waited for nothing else are open now.
    pub(crate) fn done(&mut self, id: &str) {
        let Some(place) = self.places.get(id).copied() else {
            return;
        };
        self.open.remove(&place);
        for dependent in std::mem::take(&mut self.dependents[place]) {
            self.left[dependent] = self.left[dependent].saturating_sub(1);
            if self.left[dependent] == 0 {
                self.opens(dependent);
            }
        }
    }

    /// A step needs a person: it is not looked at again.
    pub(crate) fn stuck(&mut self, id: &str) {
        if let Some(place) = self.places.get(id) {
            self.open.remove(place);
        }
    }

    /// Steps that may run now and could not when this was last asked, in plan order.
    pub(crate) fn opened(&mut self) -> impl Iterator<Item = &'a Step> + use<'a> {
        let mut opened = std::mem::take(&mut self.opened);
        opened.sort_unstable();
        let plan = self.plan;
        opened.into_iter().map(|place| &plan.steps[place])
    }

    /// Steps that may run now, in plan order.
    #[cfg(test)]
    pub(crate) fn open(&self) -> impl Iterator<Item = &'a Step> + '_ {
        self.open.iter().map(|place| &self.plan.steps[*place])
    }

    /// True when no step may run.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}
