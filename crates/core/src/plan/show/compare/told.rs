//! A difference between two plans as text: what changed in the same way everywhere is told once. Called by who prints it.

use std::collections::BTreeMap;

use super::super::amount;
use super::super::index::plain;
use super::{ChangedStep, Difference, FieldChange, shortened};

/// More steps that changed in the same way than these are counted.
const ALIKE_MAX: usize = 3;
/// Of a step so many fields are shown.
const FIELDS_MAX: usize = 12;
/// Of steps that came or went so many are named.
const STEPS_MAX: usize = 40;

impl FieldChange {
    fn line(&self) -> String {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) if before == now => {
                format!("{}: changed", shortened(&self.field))
            }
            (Some(before), Some(now)) => format!("{}: {before} → {now}", shortened(&self.field)),
            (None, Some(now)) => format!("{}: new, {now}", shortened(&self.field)),
            (Some(before), None) => format!("{}: gone, was {before}", shortened(&self.field)),
            (None, None) => shortened(&self.field),
        }
    }
}

impl ChangedStep {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.secret {
            lines.push("what it holds: changed (not shown)".to_owned());
        }
        let fields = self.fields.iter().take(FIELDS_MAX);
        lines.extend(fields.map(FieldChange::line));
        if self.fields.len() > FIELDS_MAX {
            let more = amount::count(self.fields.len() - FIELDS_MAX);
            lines.push(format!("and {more} more fields"));
        }
        let added = self.edges_added.iter();
        lines.extend(added.map(|edge| format!("waits for {} now", shortened_edge(edge))));
        let removed = self.edges_removed.iter();
        lines.extend(removed.map(|edge| format!("no longer waits for {}", shortened_edge(edge))));
        lines
    }
}

fn shortened_edge(edge: &str) -> String {
    edge.chars().filter(|c| !c.is_control()).collect()
}

impl Difference {
    /// The text for people.
    pub fn text(&self) -> String {
        if !self.differs {
            return format!("no difference (digest {})\n", self.digest);
        }
        let mut lines: Vec<String> = self.plan.iter().map(FieldChange::line).collect();
        lines.extend(listed("+", &self.added));
        lines.extend(listed("-", &self.removed));
        lines.extend(self.changed_lines());
        lines.extend(listed("+ left out:", &self.left_out_added));
        lines.extend(listed("- left out:", &self.left_out_removed));
        if self.secrets_not_compared > 0 {
            lines.push(format!(
                "what {} hold was not compared: the earlier plan has no seals of them",
                amount::counted(self.secrets_not_compared, "Secret", "Secrets")
            ));
        }
        lines.push(format!(
            "{} added, {} removed, {} changed",
            amount::counted(self.added.len(), "step", "steps"),
            amount::count(self.removed.len()),
            amount::count(self.changed.len())
        ));
        lines.join("\n") + "\n"
    }

    /// Steps that changed in the same way are one entry.
    fn changed_lines(&self) -> Vec<String> {
        let mut alike: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
        for one in &self.changed {
            alike.entry(one.lines()).or_default().push(&one.step);
        }
        let mut lines = Vec::new();
        for (changes, steps) in alike {
            if steps.len() > ALIKE_MAX {
                lines.push(format!(
                    "~ {}, {} among them",
                    amount::counted(steps.len(), "step", "steps"),
                    plain(steps[0])
                ));
            } else {
                lines.extend(steps.iter().map(|id| format!("~ {}", plain(id))));
            }
            lines.extend(changes.iter().map(|change| format!("    {change}")));
        }
        lines
    }
}

fn listed(mark: &str, all: &[String]) -> Vec<String> {
    let shown = all.iter().take(STEPS_MAX);
    let mut lines: Vec<String> = shown
        .map(|one| format!("{mark} {}", shortened_edge(plain(one))))
        .collect();
    if all.len() > STEPS_MAX {
        let more = amount::count(all.len() - STEPS_MAX);
        lines.push(format!("{mark} and {more} more"));
    }
    lines
}
