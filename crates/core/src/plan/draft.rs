//! All steps of a recovery with all that the rules say of them, before anything is chosen among them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::thread;

use ecow::EcoString;

use super::context::Context;
use super::cycles::{self, Broken};
use super::rules::{self, Drawn, RULES};
use super::{Goal, steps};
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::lookup::Lookup;
use crate::run::{Edge, Step};

/// The steps with all their edges, before anything is chosen among them.
pub(super) struct Draft {
    pub(super) steps: BTreeMap<String, Step>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) broken: Vec<Broken>,
}

pub(super) fn draft(context: &Context<'_>, point: &PointContent, goal: &Goal) -> Draft {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let mut steps = thread::scope(|threads| {
        let drawn = threads.spawn(|| RULES.iter().map(|rule| (rule.draw)(context)).collect());
        let mut steps = steps::steps(context, point, goal, &mut problems);
        let drawn: Vec<Vec<Drawn>> = drawn
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        draw(drawn, &mut steps);
        steps
    });
    rules::take_away(context, &mut steps, &mut problems, &mut warnings);
    let broken = cycles::break_cycles(&mut steps).unwrap_or_else(|found| {
        problems.extend(found);
        Vec::new()
    });
    Draft {
        steps,
        problems,
        warnings,
        broken,
    }
}

/// An edge that a rule has drawn, by places: of the steps in the order of their ids, of the rule, and in what the rule has drawn.
struct Found {
    step: u32,
    on: u32,
    rule: u32,
    drawn: u32,
}

/// Puts in what each of the rules says. Of several places in which one rule sees the same edge the surest is kept, then the first.
fn draw(mut of_rules: Vec<Vec<Drawn>>, steps: &mut BTreeMap<String, Step>) {
    let ids: Vec<EcoString> = steps.keys().map(EcoString::from).collect();
    let places: Lookup<&str, u32> = ids.iter().map(EcoString::as_str).zip(0..).collect();
    let mut found = Vec::with_capacity(of_rules.iter().map(Vec::len).sum());
    for (rule, all) in (0..).zip(&of_rules) {
        for (drawn, one) in (0..).zip(all) {
            let place = |id: &str| places.get(id).copied();
            if let (Some(step), Some(on)) = (place(&one.step), place(&one.on))
                && step != on
            {
                found.push(Found {
                    step,
                    on,
                    rule,
                    drawn,
                });
            }
        }
    }
    let drawn = |one: &Found| &of_rules[one.rule as usize][one.drawn as usize];
    let name = |one: &Found| RULES[one.rule as usize].name;
    // Stable: what was drawn first stays first.
    found.sort_by(|a, b| {
        let degree = |one| Reverse(drawn(one).confidence);
        (a.step, a.on, name(a), degree(a)).cmp(&(b.step, b.on, name(b), degree(b)))
    });
    found.dedup_by(|one, kept| (one.step, one.on, name(one)) == (kept.step, kept.on, name(kept)));
    let names: Vec<EcoString> = RULES
        .iter()
        .map(|rule| EcoString::from(rule.name))
        .collect();
    let mut found = found.as_slice();
    for (place, step) in (0..).zip(steps.values_mut()) {
        let own = std::mem::take(&mut step.needs).into_iter();
        let own: Vec<Edge> = own.filter(|edge| places.has(edge.on.as_str())).collect();
        let (of_step, rest) = found.split_at(found.partition_point(|one| one.step == place));
        found = rest;
        let mut needs = Vec::with_capacity(of_step.len() + own.len());
        needs.extend(of_step.iter().map(|one| {
            let drawn = &mut of_rules[one.rule as usize][one.drawn as usize];
            let evidence = std::mem::take(&mut drawn.evidence);
            let edge = Edge::new(
                ids[one.on as usize].clone(),
                names[one.rule as usize].clone(),
                evidence,
            );
            edge.with(drawn.confidence)
        }));
        needs.extend(own);
        step.needs = needs.into_iter().collect();
    }
}
