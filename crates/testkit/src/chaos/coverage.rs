//! Which mishap has happened at which deed, and which pair is still missing.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::deed::Deed;
use super::mishap::Mishap;

/// Counts by pair.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    hits: BTreeMap<(Deed, Mishap), u64>,
}

impl Coverage {
    /// Takes the hits of one run into account.
    pub fn add(&mut self, hits: &[(Deed, Mishap)]) {
        for hit in hits {
            *self.hits.entry(*hit).or_default() += 1;
        }
    }

    /// Takes another table into account.
    pub fn extend(&mut self, other: &Self) {
        for (pair, count) in &other.hits {
            *self.hits.entry(*pair).or_default() += count;
        }
    }

    /// Pairs that are possible.
    pub fn possible() -> usize {
        Self::pairs().count()
    }

    pub(super) fn pairs() -> impl Iterator<Item = (Deed, Mishap)> {
        Deed::ALL.into_iter().flat_map(|deed| {
            let mishaps = Mishap::ALL.into_iter();
            mishaps.filter_map(move |one| one.is_possible(deed).then_some((deed, one)))
        })
    }

    /// Pairs that are possible and have never happened.
    pub fn missing(&self) -> Vec<(Deed, Mishap)> {
        Self::pairs()
            .filter(|pair| !self.hits.contains_key(pair))
            .collect()
    }

    /// The table: a line for each mishap, a column for each deed; `.` is impossible.
    pub fn table(&self) -> String {
        let mut text = format!("{:16}", "");
        for (index, _) in Deed::ALL.iter().enumerate() {
            write!(text, "{:>7}", format!("[{}]", index + 1)).expect("a String takes it");
        }
        text.push('\n');
        for mishap in Mishap::ALL {
            write!(text, "{mishap:16}").expect("a String takes it");
            for deed in Deed::ALL {
                let cell = if mishap.is_possible(deed) {
                    let count = self.hits.get(&(deed, mishap));
                    count.map_or_else(|| "MISS".to_owned(), u64::to_string)
                } else {
                    ".".to_owned()
                };
                write!(text, "{cell:>7}").expect("a String takes it");
            }
            text.push('\n');
        }
        let deeds = Deed::ALL.iter().enumerate();
        let deeds: Vec<String> = deeds
            .map(|(index, deed)| format!("[{}] {deed}", index + 1))
            .collect();
        text.push_str(&deeds.join("  "));
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_missing_until_it_has_happened() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.missing().len(), Coverage::possible());
        coverage.add(&[(Deed::Seal, Mishap::DiesAfter)]);
        assert_eq!(coverage.missing().len(), Coverage::possible() - 1);
        assert!(coverage.table().contains("MISS"));
    }
}
