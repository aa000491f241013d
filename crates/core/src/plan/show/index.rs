//! A plan's steps by id, and who waits for whom, by place: what is shown of big plans must not search them. Called by all
//! of this room.

use std::collections::BTreeMap;

use crate::run::{Edge, Step, Work};

/// Steps by place, edges both ways.
#[derive(Debug)]
pub(super) struct Index<'a> {
    steps: &'a [Step],
    places: BTreeMap<&'a str, usize>,
    dependents: Vec<Vec<usize>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(steps: &'a [Step]) -> Self {
        let places: BTreeMap<&str, usize> = steps
            .iter()
            .enumerate()
            .map(|(place, step)| (step.id.as_str(), place))
            .collect();
        let mut dependents = vec![Vec::new(); steps.len()];
        for (place, step) in steps.iter().enumerate() {
            for edge in &step.needs {
                if let Some(on) = places.get(edge.on.as_str()) {
                    let all: &mut Vec<usize> = &mut dependents[*on];
                    if all.last() != Some(&place) {
                        all.push(place);
                    }
                }
            }
        }
        Self {
            steps,
            places,
            dependents,
        }
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(super) fn step(&self, place: usize) -> &'a Step {
        &self.steps[place]
    }

    /// What a step waits for, with the places of those steps.
    pub(super) fn needs(&self, place: usize) -> impl Iterator<Item = (usize, &'a Edge)> + '_ {
        let needs = self.steps[place].needs.iter();
        needs.filter_map(|edge| Some((self.place(&edge.on)?, edge)))
    }

    /// Steps that wait for this one, in the plan's order.
    pub(super) fn dependents(&self, place: usize) -> &[usize] {
        &self.dependents[place]
    }
}

/// An id without the word that nearly all have.
pub(super) fn plain(id: &str) -> &str {
    id.strip_prefix("write ").unwrap_or(id)
}

/// What a step has in common with others like it: the kind that it writes, or its verb.
pub(super) fn class(step: &Step) -> &str {
    match plain(&step.id).rsplit_once(' ') {
        Some((class, _)) => class,
        None => &step.id,
    }
}

/// The namespace of what a step is about.
pub(super) fn namespace(step: &Step) -> Option<&str> {
    let (_, about) = step.id.rsplit_once(' ')?;
    Some(about.split_once('/')?.0)
}

/// Bytes that a step moves.
pub(super) fn bytes(step: &Step) -> Option<u64> {
    if let Work::Fill(filling) = &step.work {
        filling.bytes
    } else {
        None
    }
}
