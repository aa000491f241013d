//! A plan for people and programs: the tree, why one step waits for another, how long it may take, what has changed since an
//! earlier plan, pictures. Pure and the same for the same plan; decides nothing. Called by `plan` and `recover`.

mod amount;
mod around;
mod compare;
mod document;
mod estimate;
mod explain;
mod graph;
mod index;
mod tree;
mod words;

pub use around::{Around, Conflict, Fate};
pub use compare::{ChangedStep, Difference, FieldChange, document_of};
pub use document::{DOCUMENT, Document, VERSION};
pub use estimate::{EstimateSummary, Moves};
pub use explain::{Direction, ExplainedChain, ExplainedStep, Reason};
pub use graph::Language;

use super::Planned;
use estimate::Estimate;
use index::Index;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Much alike is one line.
    Folded,
    /// Each step and each thing.
    All,
}

/// A plan, indexed to be shown.
#[derive(Debug)]
pub struct View<'a> {
    planned: &'a Planned,
    around: &'a Around,
    index: Index<'a>,
    estimate: Estimate,
}

impl Planned {
    /// The plan, to be shown with what stands beside it.
    pub fn view<'a>(&'a self, around: &'a Around) -> View<'a> {
        let index = Index::of(&self.plan.steps);
        let estimate = Estimate::of(&index, &self.plan.steps, &around.moves);
        View {
            planned: self,
            around,
            index,
            estimate,
        }
    }

    /// The plan alone, folded.
    pub fn render(&self) -> String {
        self.view(&Around::default()).tree(Detail::Folded)
    }
}

impl View<'_> {
    /// How long it may take.
    pub fn estimate(&self) -> EstimateSummary {
        self.estimate.summary(&self.index)
    }

    /// When the last of these steps may be done, in seconds from the start.
    fn phase_end(&self, places: &[usize]) -> f64 {
        places
            .iter()
            .map(|place| self.estimate.ends[*place])
            .fold(0.0, f64::max)
    }
}
