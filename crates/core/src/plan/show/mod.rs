//! A plan for people: the steps by phase, and why one waits for another.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use crate::plan::Planned;
use crate::run::{Edge, Step, Work};

impl Planned {
    /// The steps by phase, what each waits for, what is left out.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut by_phase: BTreeMap<_, Vec<&Step>> = BTreeMap::new();
        for step in &self.plan.steps {
            by_phase.entry(step.phase).or_default().push(step);
        }
        for (phase, steps) in by_phase {
            let noun = if steps.len() == 1 { "step" } else { "steps" };
            line(
                &mut text,
                &format!("{} ({} {noun})", phase.label(), steps.len()),
            );
            for step in steps {
                line(&mut text, &format!("  {}", step.title));
                let waits = short(&step.needs);
                if !waits.is_empty() {
                    line(&mut text, &format!("      after {}", waits.join(", ")));
                }
            }
        }
        if !self.left_out.is_empty() {
            line(&mut text, &format!("left out ({})", self.left_out.len()));
            for one in &self.left_out {
                line(&mut text, &format!("  {}: {}", one.thing, one.why));
            }
        }
        for warning in &self.warnings {
            line(&mut text, &format!("warning: {warning}"));
        }
        text
    }

    /// The step that a person means: its id, or what it writes.
    pub fn find(&self, words: &str) -> Option<&Step> {
        let words = words.to_lowercase();
        let fits = |step: &&Step| {
            let id = step.id.to_lowercase();
            let plain = id.strip_prefix("write ").unwrap_or(&id);
            let without_group = match plain.split_once(' ') {
                Some((kind, name)) => {
                    format!("{} {name}", kind.split('.').next().unwrap_or(kind))
                }
                None => plain.to_owned(),
            };
            id == words
                || plain == words
                || without_group == words
                || without_group.replace(' ', "/") == words
        };
        self.plan.steps.iter().find(fits)
    }

    /// Everything that a step waits for, with rule and evidence.
    pub fn explain_one(&self, step: &Step) -> String {
        let mut text = format!("{}\n  phase: {}\n", step.id, step.phase.label());
        if let Work::Write(writing) = &step.work {
            let how = if writing.owner.apply {
                "Apply"
            } else {
                "Update"
            };
            line(
                &mut text,
                &format!("  owner: {} ({how})", writing.owner.manager),
            );
        }
        for edge in &step.needs {
            line(&mut text, &format!("  waits for {}", edge.on));
            line(
                &mut text,
                &format!("      by {}: {}", edge.rule, edge.evidence),
            );
        }
        text
    }

    /// Why one step waits for another: the shortest chain of edges.
    pub fn explain(&self, from: &Step, to: &Step) -> String {
        let Some(path) = self.path(from, to) else {
            return match self.path(to, from) {
                Some(_) => format!(
                    "{} does not wait for {}: it is the other way round\n",
                    from.id, to.id
                ),
                None => format!("{} and {} do not wait for each other\n", from.id, to.id),
            };
        };
        let mut text = String::new();
        for (step, edge) in path {
            line(&mut text, &format!("{} waits for {}", step.id, edge.on));
            line(
                &mut text,
                &format!("    by {}: {}", edge.rule, edge.evidence),
            );
        }
        text
    }

    fn path<'a>(&'a self, from: &'a Step, to: &Step) -> Option<Vec<(&'a Step, &'a Edge)>> {
        let mut came: BTreeMap<&str, (&Step, &Edge)> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(step) = queue.pop_front() {
            for edge in &step.needs {
                let Some(next) = self.plan.step(&edge.on) else {
                    continue;
                };
                if next.id == from.id || came.contains_key(next.id.as_str()) {
                    continue;
                }
                came.insert(&next.id, (step, edge));
                if next.id == to.id {
                    return Some(walk(&came, from, &to.id));
                }
                queue.push_back(next);
            }
        }
        None
    }
}

fn walk<'a>(
    came: &BTreeMap<&str, (&'a Step, &'a Edge)>,
    from: &Step,
    to: &str,
) -> Vec<(&'a Step, &'a Edge)> {
    let mut path = Vec::new();
    let mut at = to.to_owned();
    while at != from.id {
        let Some((step, edge)) = came.get(at.as_str()) else {
            break;
        };
        path.push((*step, *edge));
        at.clone_from(&step.id);
    }
    path.reverse();
    path
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String does not fail");
}

/// What a step waits for, in few words: many of one rule are counted.
fn short(needs: &std::collections::BTreeSet<Edge>) -> Vec<String> {
    let mut by_rule: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in needs.iter().filter(|edge| edge.rule != "GUARD_BEFORE_ALL") {
        by_rule.entry(&edge.rule).or_default().push(&edge.on);
    }
    let mut all = Vec::new();
    for (rule, on) in by_rule {
        if on.len() > 3 {
            all.push(format!("{} steps by {rule}", on.len()));
        } else {
            all.extend(
                on.iter()
                    .map(|one| one.strip_prefix("write ").unwrap_or(one).to_owned()),
            );
        }
    }
    all.sort();
    all.dedup();
    all
}
