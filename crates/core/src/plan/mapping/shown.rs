//! What the mappings did, for people.

use super::Mapped;
use super::MappedKind;

/// Fields that a warning names; the rest is counted.
const NAMED_MAX: usize = 5;

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

impl Mapped {
    /// `namespace shop -> shop-drill`.
    fn title(&self) -> String {
        match self.kind {
            MappedKind::Patch => format!("{} patch of {}", self.to, self.from),
            MappedKind::Namespace
            | MappedKind::StorageClass
            | MappedKind::Registry
            | MappedKind::Host => {
                format!("{} {} -> {}", self.kind.as_str(), self.from, self.to)
            }
        }
    }
}

/// A line for each mapping: what it is, how many objects it changed, how many fields it could not.
pub(in super::super) fn lines(mapped: &[Mapped]) -> Vec<String> {
    let line = |one: &Mapped| {
        let objects = count(one.objects, "object");
        match one.remains.len() {
            0 => format!("{}: {objects}", one.title()),
            fields => format!(
                "{}: {objects}; {} with the old name unchanged",
                one.title(),
                count(fields, "field")
            ),
        }
    };
    mapped.iter().map(line).collect()
}

/// A warning for each mapping whose old name still stands in configuration.
pub(in super::super) fn warnings(mapped: &[Mapped]) -> Vec<String> {
    mapped
        .iter()
        .filter(|one| !one.remains.is_empty())
        .map(|one| {
            let mut named: Vec<String> = one
                .remains
                .iter()
                .take(NAMED_MAX)
                .map(|remain| format!("{} ({})", remain.thing, remain.field))
                .collect();
            if let Some(more) = one.remains.len().checked_sub(NAMED_MAX).filter(|&more| more > 0) {
                named.push(format!("{more} more"));
            }
            format!(
                "{}: {} still with the old name, which nobody changes for you: {}; change what is meant with `--patch FILE`",
                one.title(),
                count(one.remains.len(), "field"),
                named.join(", ")
            )
        })
        .collect()
}
