//! Everything that stands against a recovery, found before anything is changed.
//!
//! `check` judges by the inventories alone and is part of planning. `Preflight` also judges by facts that a look at the target brings;
//! it is asked by `plan` and `recover`. Both are pure. One file per check.

mod answers;
mod capacity;
mod clock;
mod facts;
mod finding;
mod in_use;
mod placement;
mod quantity;
mod quota;
mod references;
mod rehearse;
mod required;
mod scene;
mod served;
mod source;
mod storage;
mod versions;
mod webhooks;
mod workloads;

use std::collections::BTreeSet;

use super::Goal;
use super::context::Context;
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::inventory::Inventory;

pub use facts::{Facts, Refusal, Rehearsal, Rehearsed, Said, Trial};
pub use finding::{Findings, warning_line};
pub use rehearse::Rehearsals;

use finding::Raised;
use scene::Scene;

/// What is to be recovered, and where.
#[derive(Debug, Clone, Copy)]
pub struct Preflight<'a> {
    /// The point.
    pub point: &'a PointContent,
    /// Its objects.
    pub objects: &'a Inventory,
    /// The target.
    pub target: &'a Inventory,
    /// What the user wants.
    pub goal: &'a Goal,
}

impl<'a> Preflight<'a> {
    fn scene(self, facts: &'a Facts) -> Scene<'a> {
        let (context, _) = Context::of(self.point, self.objects, self.target);
        Scene {
            context,
            point: self.point,
            objects: self.objects,
            target: self.target,
            goal: self.goal,
            facts,
        }
    }

    /// Writes that the API server is to try, of at most so many objects.
    pub fn rehearsals(self, objects_max: usize) -> Rehearsals {
        rehearse::rehearsals(&self.scene(&Facts::default()), objects_max)
    }

    /// Services behind webhooks of which it is to be known whether they answer: namespace and name.
    pub fn webhook_services(self) -> BTreeSet<(String, String)> {
        webhooks::services(self.target)
    }

    /// Everything that these facts tell beside what planning finds.
    pub fn judge(self, facts: &Facts) -> Findings {
        let scene = self.scene(facts);
        let mut raised = Raised::default();
        for check in [
            versions::check,
            storage::check,
            placement::check,
            capacity::check,
            quota::check,
            references::check,
            webhooks::check,
            answers::check,
            clock::check,
        ] {
            check(&scene, &mut raised);
        }
        raised.finish()
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
    source::check(point, target, goal, &mut problems);
    served::check(context, target, &mut problems);
    required::check(point, target, goal, &mut problems);
    in_use::check(context, point, target, goal, &mut problems);
    for unread in &target.unread {
        problems.push(Problem::stuck(
            "inventory-incomplete",
            format!(
                "{} at the target could not be read: {}",
                unread.resource.plural, unread.message
            ),
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
