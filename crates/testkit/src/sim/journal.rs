//! A journal in memory that dies with the engine, and an observer that looks away.

use std::cell::RefCell;

use refloat_core::drive::{Event, Journal, JournalError, Observer};
use refloat_core::run::Record;

use super::SimWorld;

/// A journal that outlives the engine.
pub struct SimJournal<'a> {
    /// The world whose engine may be dead.
    pub world: &'a SimWorld,
    /// What was written.
    pub records: &'a RefCell<Vec<Record>>,
}

impl Journal for SimJournal<'_> {
    async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if !self.world.may_write() {
            return Err(JournalError::TakenOver("the engine is dead".to_owned()));
        }
        let intended: Vec<String> = records
            .iter()
            .filter_map(|record| match record {
                Record::Intent { effects, .. } => Some(effects.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        if !intended.is_empty() {
            self.world.intends(intended);
        }
        self.records.borrow_mut().extend(records.iter().cloned());
        Ok(())
    }
}

/// Watches nothing.
pub struct Quiet;

impl Observer for Quiet {
    fn event(&self, _event: &Event<'_>) {}
}
