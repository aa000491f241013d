//! A part of a recovery that a person chooses: `--only` and `--skip`, with what the chosen ones need, and another name for one.
//!
//! Pure. `what` is what a person writes, `choose` finds it in a point, `needs` says what it waits for, `inert` whether anything is
//! started by it, `rename` gives the one another name. Called by `plan`.

mod choose;
mod inert;
mod kinds;
mod labels;
mod needs;
mod rename;
#[cfg(test)]
mod tests;
mod what;

use std::collections::{BTreeMap, BTreeSet};

use super::conflicts::there;
use super::context::{Context, role};
use super::{Goal, preflight};
use crate::backup::{Part, PointContent};
use crate::driver::{Problem, Role};
use crate::inventory::{Inventory, LeftOut, ThingId, scope};
use crate::recovery::Existing;
use crate::run::Step;

pub(super) use inert::starts_nothing;
pub use rename::{NewName, NewNameError};
pub use what::{What, WhatError};

/// What of a point is wanted; all of it by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What any of these means; everything when there are none.
    pub only: Vec<What>,
    /// Without what any of these means.
    pub skip: Vec<What>,
    /// With all that the chosen ones need and the target lacks, but for what is skipped.
    pub with_needs: bool,
    /// Another name for the one that is chosen.
    pub renamed: Option<NewName>,
}

impl Selection {
    /// True when nothing is left out.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }

    /// One text for equal selections, in whatever order they were given; `None` for everything.
    pub fn identity(&self) -> Option<String> {
        if self.is_whole() {
            return None;
        }
        let sorted =
            |all: &[What]| -> BTreeSet<String> { all.iter().map(What::to_string).collect() };
        let mut lines: Vec<String> = Vec::new();
        lines.extend(sorted(&self.only).iter().map(|one| format!("only {one}")));
        lines.extend(sorted(&self.skip).iter().map(|one| format!("skip {one}")));
        if self.with_needs {
            lines.push("with needs".to_owned());
        }
        lines.extend(self.renamed.iter().map(|name| format!("as {name}")));
        Some(lines.join("\n"))
    }

    /// The options that a person gave: `--only pvc/data-0 --as data-0-yesterday`.
    pub fn options(&self) -> String {
        let mut words = Vec::new();
        for (option, all) in [("--only", &self.only), ("--skip", &self.skip)] {
            words.extend(all.iter().map(|one| format!("{option} '{one}'")));
        }
        if self.with_needs {
            words.push("--with-needs".to_owned());
        }
        words.extend(self.renamed.iter().map(|name| format!("--as {name}")));
        words.join(" ")
    }
}

/// What was chosen, and what is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// `None` when everything is wanted.
    pub(super) chosen: Option<BTreeSet<ThingId>>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// A line each, for people.
    pub(super) lines: Vec<String>,
}

/// Takes out of the steps what is not wanted.
pub(super) fn select(
    context: &Context<'_>,
    target: &Inventory,
    goal: &Goal,
    left_out: &[LeftOut],
    steps: &mut BTreeMap<String, Step>,
) -> Selected {
    let mut selected = Selected::default();
    if goal.selection.is_whole() {
        return selected;
    }
    let selection = &at_target(context, goal);
    let candidates = choose::candidates(context, steps);
    let (mut chosen, skipped) = match choose::choose(selection, &candidates, left_out) {
        Ok(found) => found,
        Err(problems) => {
            selected.problems = problems;
            selected.chosen = Some(BTreeSet::new());
            return selected;
        }
    };
    let renamed = rename::which(selection, &chosen, context, &mut selected.problems);
    let owners = needs::owners(context);
    if selection.with_needs {
        let wanted = |id: &ThingId, _: &BTreeSet<ThingId>| !skipped.contains(id);
        needs::draw_in(&owners, steps, target, wanted, &mut chosen);
    }
    let awaited = needs::comes_with_namespace;
    needs::draw_in(&owners, steps, target, awaited, &mut chosen);
    // A namespace that is there is nobody's to write.
    let is_there = |id: &ThingId| id.is("", "Namespace") && there(target, id).is_some();
    if !chosen.iter().all(is_there) {
        chosen.retain(|id| !is_there(id));
    }
    selected
        .problems
        .extend(needs::missing(&owners, steps, target, &skipped, &chosen));
    needs::keep(&owners, steps, &chosen);
    for id in &chosen {
        let new_name = renamed.as_ref().filter(|(of, _)| of == id);
        let name = new_name.map(|(_, name)| name);
        selected
            .problems
            .extend(occupied(id, name, target, goal, chosen.len()));
    }
    selected.lines = lines(context, candidates.len(), &chosen, renamed.as_ref());
    selected.warnings = warnings(context, &chosen);
    if let Some((id, name)) = &renamed {
        rename::rename(id, name, steps);
        selected
            .warnings
            .extend(rename::fits_a_workload(id, name, target));
    }
    selected.chosen = Some(chosen);
    selected
}

/// What is wanted, by its names at the target. A name that is both means the target's.
fn at_target(context: &Context<'_>, goal: &Goal) -> Selection {
    let mapped = |namespace: &str| {
        if context.is_protected(namespace) {
            namespace.to_owned()
        } else {
            goal.mappings.namespace(namespace).to_owned()
        }
    };
    let all = |whats: &[What]| whats.iter().map(|what| what.at_target(mapped)).collect();
    Selection {
        only: all(&goal.selection.only),
        skip: all(&goal.selection.skip),
        ..goal.selection.clone()
    }
}

/// The thing by its name at the target.
fn named(id: &ThingId, name: Option<&NewName>) -> ThingId {
    let mut id = id.clone();
    if let Some(name) = name {
        name.as_str().clone_into(&mut id.name);
    }
    id
}

/// Nothing that is there is overwritten.
fn occupied(
    id: &ThingId,
    name: Option<&NewName>,
    target: &Inventory,
    goal: &Goal,
    count: usize,
) -> Option<Problem> {
    let place = named(id, name);
    there(target, &place)?;
    let volume = id.is("", "PersistentVolumeClaim");
    let kept = goal.existing == Existing::Skip && !volume;
    if kept || super::adopted::is_made_by_cluster(id) {
        return None;
    }
    let mut ways = Vec::new();
    if count == 1 {
        ways.push("bring it back under another name with `--as NAME`");
    }
    ways.push("delete it");
    if !volume {
        ways.push("keep what is there with `--existing skip`");
    }
    Some(Problem::stuck(
        "already-exists",
        format!("{place} is at the target already, and nothing that is there is overwritten"),
        ways.join(", or "),
    ))
}

fn claim_of(part: &Part) -> Option<ThingId> {
    let (namespace, name) = part.id.split_once('/')?;
    Some(ThingId::namespaced(
        "",
        "PersistentVolumeClaim",
        namespace,
        name,
    ))
}

/// What is chosen, and of each volume what kind of copy it is.
fn lines(
    context: &Context<'_>,
    of: usize,
    chosen: &BTreeSet<ThingId>,
    renamed: Option<&(ThingId, NewName)>,
) -> Vec<String> {
    let mut lines = vec![format!("selected: {} of {of} things", chosen.len())];
    if let Some((id, name)) = renamed {
        lines.push(format!("  {id} comes back as `{name}`"));
    }
    for part in context.parts {
        if !claim_of(part).is_some_and(|id| chosen.contains(&id)) {
            continue;
        }
        for member in context.members {
            if !member.parts.contains(&part.id) {
                continue;
            }
            let of = match role(member) {
                Role::Volume => "of the volume itself".to_owned(),
                Role::Database | Role::Queue => format!("of {} {}", member.driver, member.name),
            };
            lines.push(format!(
                "  {}: {} copy {of}, cut {}",
                part.id,
                member.mode.as_str(),
                part.cut
            ));
        }
    }
    lines
}

/// A database does not start on a part of its volumes.
fn warnings(context: &Context<'_>, chosen: &BTreeSet<ThingId>) -> Vec<String> {
    let is_chosen = |part: &String| {
        part.split_once('/').is_some_and(|(namespace, name)| {
            let id = ThingId::namespaced("", "PersistentVolumeClaim", namespace, name);
            chosen.contains(&id)
        })
    };
    let mut warnings = Vec::new();
    for member in context.engines() {
        let (with, without): (Vec<&String>, Vec<&String>) =
            member.parts.iter().partition(|part| is_chosen(part));
        if with.is_empty() || without.is_empty() {
            continue;
        }
        let without: Vec<&str> = without.into_iter().map(String::as_str).collect();
        warnings.push(format!(
            "{} {} lies on several volumes: a server that is started on what is selected needs the others as well: {}",
            member.driver,
            member.name,
            without.join(", ")
        ));
    }
    warnings
}

/// Everything that stands against what is chosen, as if the point held nothing else.
pub(super) fn check(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
    chosen: &BTreeSet<ThingId>,
) -> Vec<Problem> {
    let narrow = narrow(point, context.objects, chosen);
    let context = context.narrowed(&narrow, chosen);
    preflight::check(&context, &narrow, context.objects, target, goal)
}

/// What of what is chosen is at the target already.
pub(super) fn conflicts(
    context: &Context<'_>,
    point: &PointContent,
    target: &Inventory,
    goal: &Goal,
    chosen: &BTreeSet<ThingId>,
) -> (Vec<Problem>, Vec<String>) {
    let narrow = narrow(point, context.objects, chosen);
    let context = context.narrowed(&narrow, chosen);
    super::conflicts::check(&context, &narrow, target, goal)
}

/// The point as if it held only what is chosen: what stands against a recovery is looked for in this.
pub(super) fn narrow(
    point: &PointContent,
    objects: &Inventory,
    chosen: &BTreeSet<ThingId>,
) -> PointContent {
    let mut narrow = point.clone();
    narrow
        .parts
        .retain(|part| claim_of(part).is_some_and(|id| chosen.contains(&id)));
    narrow.members.retain(|member| {
        chosen.contains(&member.thing)
            || narrow
                .parts
                .iter()
                .any(|part| member.parts.contains(&part.id))
    });
    let things: Vec<_> = objects
        .iter()
        .filter(|thing| chosen.contains(&thing.id()))
        .cloned()
        .collect();
    let reach = scope(&Inventory::of(things.iter().cloned()), &point.namespaces);
    narrow.required.retain(|need| {
        let named = reach.required.iter().any(|one| one.thing == need.thing);
        let bound = things.iter().any(|thing| {
            thing.text("/roleRef/kind") == Some("ClusterRole")
                && need.thing.kind == "ClusterRole"
                && thing.text("/roleRef/name") == Some(&need.thing.name)
        });
        let defined = things.iter().any(|thing| {
            let resource = &thing.resource;
            need.thing.kind == "CustomResourceDefinition"
                && need.thing.name == format!("{}.{}", resource.plural, resource.group)
        });
        named || bound || defined
    });
    narrow
}

impl<'a> Context<'a> {
    /// The context as if the point held only what is chosen.
    pub(super) fn narrowed<'b>(
        &self,
        point: &'b PointContent,
        chosen: &BTreeSet<ThingId>,
    ) -> Context<'b>
    where
        'a: 'b,
    {
        let mut context = Context::of(point, self.objects, self.target).0;
        context.source = self.source;
        context.written = self.written;
        context.connections = self.connections;
        context.retain(chosen);
        context
    }
}
