//! What a preflight found: problems that stop, warnings that do not, notes. Alike findings are folded into one.

use std::collections::BTreeMap;

use crate::driver::Problem;
use crate::inventory::ThingId;

/// Things that a folded finding names before it counts the rest.
const NAMED_MAX: usize = 3;

/// Everything that was found, in an order that depends on nothing but what was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What makes the recovery fail.
    pub problems: Vec<Problem>,
    /// What may make it fail, or come back other than it was.
    pub warnings: Vec<Problem>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

impl Findings {
    /// Problems told as warnings: nothing stops any more.
    #[must_use]
    pub fn stopping_for_nothing(mut self) -> Self {
        self.problems.append(&mut self.warnings);
        Self {
            problems: Vec::new(),
            warnings: self.problems,
            notes: self.notes,
        }
    }
}

/// One line for a warning: message, code and next step.
pub fn warning_line(warning: &Problem) -> String {
    format!(
        "{} [{}]; next: {}",
        warning.message, warning.code, warning.hint
    )
}

/// Whether a finding stops the recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Problem,
    Warning,
}

/// Collects findings; those with one weight, code, cause and hint become one.
#[derive(Debug, Default)]
pub(super) struct Raised {
    /// In the order in which they were first raised.
    groups: Vec<Group>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug)]
struct Group {
    weight: Weight,
    code: &'static str,
    cause: String,
    hint: String,
    things: Vec<ThingId>,
}

impl Raised {
    /// About one thing: the message becomes `THING: CAUSE`, with all other things of the same cause.
    pub(super) fn about(
        &mut self,
        weight: Weight,
        code: &'static str,
        thing: &ThingId,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.raise(weight, code, Some(thing), cause.into(), hint.into());
    }

    /// About no single thing.
    pub(super) fn say(
        &mut self,
        weight: Weight,
        code: &'static str,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.raise(weight, code, None, cause.into(), hint.into());
    }

    fn raise(
        &mut self,
        weight: Weight,
        code: &'static str,
        thing: Option<&ThingId>,
        cause: String,
        hint: String,
    ) {
        let alike = |group: &&mut Group| {
            (group.weight, group.code) == (weight, code)
                && group.cause == cause
                && group.hint == hint
                && group.things.is_empty() == thing.is_none()
        };
        match self.groups.iter_mut().find(alike) {
            Some(group) => group.things.extend(thing.cloned()),
            None => self.groups.push(Group {
                weight,
                code,
                cause,
                hint,
                things: thing.cloned().into_iter().collect(),
            }),
        }
    }

    /// Something with these words in its cause was raised already.
    pub(super) fn tells(&self, words: &str) -> bool {
        self.groups.iter().any(|group| group.cause.contains(words))
    }

    pub(super) fn has(&self, code: &str) -> bool {
        self.groups.iter().any(|group| group.code == code)
    }

    pub(super) fn finish(self) -> Findings {
        let mut findings = Findings {
            notes: self.notes,
            ..Findings::default()
        };
        for mut group in self.groups {
            group.things.sort();
            group.things.dedup();
            let message = match named(&group.things) {
                None => group.cause,
                Some(names) => format!("{names}: {}", group.cause),
            };
            let problem = Problem::stuck(group.code, message, group.hint);
            match group.weight {
                Weight::Problem => findings.problems.push(problem),
                Weight::Warning => findings.warnings.push(problem),
            }
        }
        findings
    }
}

/// `A, B, C and 41 more of kind Deployment`.
fn named(things: &[ThingId]) -> Option<String> {
    let first: Vec<String> = things
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let rest = things.get(NAMED_MAX..).unwrap_or_default();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for thing in rest {
        *kinds.entry(&thing.kind).or_default() += 1;
    }
    let names = first.join(", ");
    let mut all = kinds.iter();
    match (all.next(), all.next()) {
        _ if things.is_empty() => None,
        (None, _) => Some(names),
        (Some((kind, count)), None) => Some(format!("{names} and {count} more of kind {kind}")),
        (Some(_), Some(_)) => Some(format!(
            "{names} and {} more of {} kinds",
            rest.len(),
            kinds.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(kinds: &[&str]) -> String {
        let mut raised = Raised::default();
        for (number, kind) in kinds.iter().enumerate() {
            let thing = ThingId::namespaced("", kind, "shop", &format!("n{number:02}"));
            raised.about(Weight::Problem, "code", &thing, "it is bad", "mend it");
        }
        let findings = raised.finish();
        assert_eq!(findings.problems.len(), 1, "{findings:?}");
        findings.problems[0].message.clone()
    }

    #[test]
    fn alike_findings_are_one_that_names_some_and_counts_the_rest() {
        assert_eq!(raised(&["Secret"]), "Secret shop/n00: it is bad");
        assert_eq!(
            raised(&["Secret"; 44]),
            "Secret shop/n00, Secret shop/n01, Secret shop/n02 and 41 more of kind Secret: it is bad"
        );
        assert_eq!(
            raised(&["A", "A", "A", "B", "C"]),
            "A shop/n00, A shop/n01, A shop/n02 and 2 more of 2 kinds: it is bad"
        );
    }

    #[test]
    fn another_cause_hint_or_weight_is_another_finding() {
        let thing = ThingId::namespaced("", "Secret", "shop", "a");
        let mut raised = Raised::default();
        for (weight, cause, hint) in [
            (Weight::Problem, "x", "y"),
            (Weight::Problem, "x", "z"),
            (Weight::Problem, "z", "y"),
            (Weight::Warning, "x", "y"),
            (Weight::Warning, "x", "y"),
        ] {
            raised.about(weight, "code", &thing, cause, hint);
        }
        let findings = raised.finish();
        assert_eq!((findings.problems.len(), findings.warnings.len()), (3, 1));
        let told = findings.stopping_for_nothing();
        assert_eq!((told.problems.len(), told.warnings.len()), (0, 4));
    }
}
