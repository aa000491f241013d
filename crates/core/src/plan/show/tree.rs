//! The plan as a person reads it: a tree by phase, much alike folded, then how long, what is mapped, what is in the way, what
//! is left out and what to be warned of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::amount::{self, counted};
use super::index::{bytes, class, namespace, plain};
use super::{Detail, View};
use crate::plan::mapping;
use crate::run::{Phase, Step};

/// More steps of one kind in one phase than these are one line.
const ALIKE_MAX: usize = 8;
/// So many things are named of a group.
const EXAMPLES: usize = 3;
/// A shorter time is not worth a word.
const SECONDS_SHOWN: f64 = 1.0;
/// More things that one rule names than these are counted.
const WAITS_MAX: usize = 3;

pub(super) fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String does not fail");
}

impl View<'_> {
    /// The whole text.
    pub fn tree(&self, detail: Detail) -> String {
        let mut text = String::new();
        let mut by_phase: BTreeMap<Phase, Vec<usize>> = BTreeMap::new();
        for (place, step) in self.planned.plan.steps.iter().enumerate() {
            by_phase.entry(step.phase).or_default().push(place);
        }
        let mut folded = false;
        for (phase, places) in by_phase {
            line(&mut text, &self.phase_line(phase, &places));
            folded |= self.steps(&mut text, &places, detail);
        }
        self.estimated(&mut text);
        self.mapped(&mut text);
        folded |= self.in_the_way(&mut text, detail);
        folded |= self.left_out(&mut text, detail);
        if folded {
            line(&mut text, "much alike is folded: `--all` shows each");
        }
        for warning in &self.planned.warnings {
            line(&mut text, &format!("warning: {warning}"));
        }
        text
    }

    fn phase_line(&self, phase: Phase, places: &[usize]) -> String {
        let moved: u64 = places
            .iter()
            .filter_map(|place| bytes(self.index.step(*place)))
            .sum();
        let mut facts = vec![counted(places.len(), "step", "steps")];
        if moved > 0 {
            facts.push(amount::bytes(moved));
        }
        let end = self.phase_end(places);
        facts.push(format!("done after about {}", amount::seconds(end)));
        format!("{} ({})", phase.label(), facts.join(", "))
    }

    /// Steps of a phase; true when some were folded.
    fn steps(&self, text: &mut String, places: &[usize], detail: Detail) -> bool {
        let mut alike: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for place in places {
            let class = class(self.index.step(*place));
            alike.entry(class).or_default().push(*place);
        }
        let mut folded = false;
        for place in places {
            let step = self.index.step(*place);
            let group = &alike[class(step)];
            if detail == Detail::All || group.len() <= ALIKE_MAX {
                line(text, &format!("  {}{}", step.title, self.facts(*place)));
                self.waits(text, &[*place]);
            } else if group.first() == Some(place) {
                folded = true;
                line(text, &format!("  {} ({})", class(step), self.extent(group)));
                self.waits(text, group);
            }
        }
        folded
    }

    /// Bytes and time of a step, where they are worth a word.
    fn facts(&self, place: usize) -> String {
        let moved = bytes(self.index.step(place)).map(amount::bytes);
        let seconds = self.estimate.seconds[place];
        let time =
            (seconds >= SECONDS_SHOWN).then(|| format!("about {}", amount::seconds(seconds)));
        let facts: Vec<String> = moved.into_iter().chain(time).collect();
        if facts.is_empty() {
            String::new()
        } else {
            format!(" ({})", facts.join(", "))
        }
    }

    /// `1,204 in 12 namespaces`, `40 in shop, 1.2 TiB`.
    fn extent(&self, group: &[usize]) -> String {
        let steps = || group.iter().map(|place| self.index.step(*place));
        let namespaces: BTreeSet<&str> = steps().filter_map(namespace).collect();
        let moved: u64 = steps().filter_map(bytes).sum();
        let mut text = amount::count(group.len());
        match namespaces.len() {
            0 => {}
            1 => text.push_str(&format!(
                " in {}",
                namespaces.first().copied().unwrap_or_default()
            )),
            many => text.push_str(&format!(" in {} namespaces", amount::count(many))),
        }
        if moved > 0 {
            text.push_str(&format!(", {}", amount::bytes(moved)));
        }
        text
    }

    /// What steps wait for, in few words: much by one rule is counted.
    fn waits(&self, text: &mut String, group: &[usize]) {
        let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for place in group {
            let step: &Step = self.index.step(*place);
            for edge in step
                .needs
                .iter()
                .filter(|edge| edge.rule != "GUARD_BEFORE_ALL")
            {
                by_rule.entry(&edge.rule).or_default().insert(&edge.on);
            }
        }
        let mut all: BTreeSet<String> = BTreeSet::new();
        for (rule, on) in by_rule {
            if on.len() > WAITS_MAX {
                all.insert(format!("{} by {rule}", counted(on.len(), "step", "steps")));
            } else {
                all.extend(on.into_iter().map(|one| plain(one).to_owned()));
            }
        }
        if !all.is_empty() {
            let all: Vec<String> = all.into_iter().collect();
            line(text, &format!("      after {}", all.join(", ")));
        }
    }

    fn estimated(&self, text: &mut String) {
        if self.estimate.chain.is_empty() {
            return;
        }
        let chain: Vec<String> = self
            .estimate
            .chain
            .iter()
            .map(|place| {
                let id = plain(&self.index.step(*place).id);
                let seconds = self.estimate.seconds[*place];
                if seconds < SECONDS_SHOWN {
                    return id.to_owned();
                }
                format!("{id} ({})", amount::seconds(seconds))
            })
            .collect();
        line(
            text,
            &format!(
                "estimate: about {}, by the slowest chain: {}",
                amount::seconds(self.estimate.total()),
                chain.join(" → ")
            ),
        );
        for basis in &self.estimate.basis {
            line(text, &format!("  {basis}"));
        }
    }

    fn mapped(&self, text: &mut String) {
        let mapped = &self.planned.mapped;
        if mapped.is_empty() {
            return;
        }
        line(text, &format!("mapped ({})", amount::count(mapped.len())));
        for one in mapping::lines(mapped) {
            line(text, &format!("  {one}"));
        }
    }

    fn in_the_way(&self, text: &mut String, detail: Detail) -> bool {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for one in &self.around.conflicts {
            let all = groups.entry(one.fate.words()).or_default();
            all.push(one.thing.to_string());
        }
        grouped(text, "at the target already", &groups, detail)
    }

    fn left_out(&self, text: &mut String, detail: Detail) -> bool {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for one in &self.planned.left_out {
            let all = groups.entry(reason(&one.why)).or_default();
            all.push(one.thing.to_string());
        }
        grouped(text, "left out", &groups, detail)
    }
}

/// A reason without the name of an owner, so that what has many owners is one group.
fn reason(why: &str) -> &str {
    match (why.strip_prefix("made by its owner "), why.rsplit_once(' ')) {
        (Some(_), Some((shorter, _))) => shorter,
        (Some(_) | None, _) => why,
    }
}

/// Things by reason, with examples; true when not all were named.
fn grouped(
    text: &mut String,
    title: &str,
    groups: &BTreeMap<&str, Vec<String>>,
    detail: Detail,
) -> bool {
    let count: usize = groups.values().map(Vec::len).sum();
    if count == 0 {
        return false;
    }
    line(text, &format!("{title} ({})", amount::count(count)));
    let mut folded = false;
    for (reason, things) in groups {
        line(
            text,
            &format!("  {reason} ({})", amount::count(things.len())),
        );
        let shown = match detail {
            Detail::All => things.len(),
            Detail::Folded => EXAMPLES,
        };
        for thing in things.iter().take(shown) {
            line(text, &format!("      {thing}"));
        }
        if things.len() > shown {
            folded = true;
            let more = amount::count(things.len() - shown);
            line(text, &format!("      and {more} more"));
        }
    }
    folded
}
