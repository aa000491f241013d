//! Everything that stands against a recovery, found before anything is changed.
//!
//! `check` judges by the inventories alone and is part of planning. `Preflight` also judges by facts that a look at the target brings;
//! it is asked by `plan` and `recover`. Both are pure. One file per check.

mod answers;
mod capacity;
mod classes;
mod clock;
mod facts;
mod finding;
mod in_use;
mod labels;
mod placement;
mod quantity;
mod quota;
mod references;
mod rehearse;
mod required;
mod scene;
mod served;
mod shapes;
mod source;
mod storage;
mod versions;
mod webhooks;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use super::conflicts::{self, Staying};
use super::context::Context;
use super::mapping::MappedPoint;
use super::{Goal, mapping, selection};
use crate::backup::PointContent;
use crate::driver::{ObjectRef, Problem};
use crate::inventory::{Inventory, ThingId};

pub use facts::{Away, Facts, Refusal, Rehearsal, Rehearsed, Said, Trial};
pub use finding::{Findings, warning_line};
pub use rehearse::Rehearsals;

use finding::Raised;
use scene::Scene;

/// What is to be recovered, under its names at the target, and where.
pub struct Preflight<'a> {
    /// As it was taken.
    source: &'a PointContent,
    carried: MappedPoint<'a>,
    /// The point as if it held only what is chosen, when not all of it is.
    chosen: Option<(PointContent, BTreeSet<ThingId>)>,
    target: &'a Inventory,
    goal: &'a Goal,
}

impl<'a> Preflight<'a> {
    /// Looks at what a plan of the same would write.
    pub fn of(
        point: &'a PointContent,
        objects: &'a Inventory,
        target: &'a Inventory,
        goal: &'a Goal,
    ) -> Self {
        let carried = mapping::map(point, objects, goal);
        let chosen = (!goal.selection.is_whole()).then(|| {
            let (context, left_out) = carried.context(point, target);
            let mut steps = super::draft(&context, &carried.point, goal).steps;
            let selected = selection::select(&context, target, goal, &left_out, &mut steps);
            let chosen = selected.chosen.unwrap_or_default();
            let narrow = selection::narrow(&carried.point, &carried.objects, &chosen);
            (narrow, chosen)
        });
        Self {
            source: point,
            carried,
            chosen,
            target,
            goal,
        }
    }

    /// Goes through all of it.
    pub fn survey(&self) -> Survey<'_> {
        let (context, _) = self.carried.context(self.source, self.target);
        let (context, point) = match &self.chosen {
            Some((narrow, chosen)) => (context.narrowed(narrow, chosen), narrow),
            None => (context, self.carried.point.as_ref()),
        };
        Survey {
            asked: self,
            context,
            point,
            staying: conflicts::staying(self.target),
        }
    }
}

/// A preflight that has gone through point and target once, for the writes that are tried and for what is judged. Large.
pub struct Survey<'a> {
    asked: &'a Preflight<'a>,
    context: Context<'a>,
    point: &'a PointContent,
    /// What is at the target and stays there.
    staying: Staying<'a>,
}

impl Survey<'_> {
    fn scene<'b>(&'b self, facts: &'b Facts) -> Scene<'b> {
        Scene {
            context: &self.context,
            point: self.point,
            objects: self.asked.carried.objects.as_ref(),
            target: self.asked.target,
            goal: self.asked.goal,
            facts,
            staying: &self.staying,
        }
    }

    /// Writes that the API server is to try, of at most so many objects.
    pub fn rehearsals(&self, objects_max: usize) -> Rehearsals {
        rehearse::rehearsals(&self.scene(&Facts::default()), objects_max)
    }

    /// Things of the cluster that are named and that no inventory reads, of which it is to be known whether they are at the target; how
    /// each is asked for, or `None` where the target does not know its kind.
    pub fn named_classes(&self) -> BTreeMap<ThingId, Option<ObjectRef>> {
        classes::named(&self.scene(&Facts::default()))
    }

    /// Services behind webhooks that are asked about what is written, of which it is to be known whether they answer: namespace and name.
    pub fn webhook_services(&self) -> BTreeSet<(String, String)> {
        webhooks::services(&self.scene(&Facts::default()))
    }

    /// Everything that these facts tell beside what planning finds. The answers to tried writes are still to come.
    pub fn judge(&self, facts: &Facts) -> Judging {
        let scene = self.scene(facts);
        let mut raised = Raised::default();
        for check in [
            versions::check,
            storage::check,
            placement::check,
            capacity::check,
            quota::check,
            references::check,
            classes::check,
            labels::check,
            webhooks::check,
        ] {
            check(&scene, &mut raised);
        }
        Judging {
            raised,
            clock_ahead_milliseconds: facts.clock_ahead_milliseconds,
        }
    }
}

/// What was found before the writes that are tried were answered. Small: a plan may be made beside it.
pub struct Judging {
    raised: Raised,
    clock_ahead_milliseconds: Option<i64>,
}

impl Judging {
    /// Everything that is found, with what these answers tell.
    pub fn answered(mut self, rehearsed: &[Rehearsed]) -> Findings {
        answers::check(rehearsed, &mut self.raised);
        clock::check(self.clock_ahead_milliseconds, &mut self.raised);
        self.raised.finish()
    }
}

pub(super) fn check(
    context: &Context<'_>,
    point: &PointContent,
    objects: &Inventory,
    target: &Inventory,
    goal: &Goal,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    source::check(context, target, goal, &mut problems);
    served::check(context, &mut problems);
    required::check(point, target, goal, &mut problems);
    in_use::check(context, point, target, goal, &mut problems);
    for unread in &target.unread {
        if webhooks::is_answered_later(context, target, unread) {
            continue;
        }
        problems.push(Problem::stuck(
            "inventory-incomplete",
            format!("at the target: {unread}"),
            "grant `get` and `list`, or repair the API",
        ));
    }
    if point.parts.is_empty() && objects.is_empty() {
        problems.push(Problem::stuck(
            "point-empty",
            "the point holds nothing",
            "take another point",
        ));
    }
    problems
}
