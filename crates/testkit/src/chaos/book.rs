//! The journal under mishaps: lost, unknown, unreachable, taken over.

use refloat_core::drive::{Journal, JournalError};
use refloat_core::driver::{Class, Problem};
use refloat_core::run::Record;

use super::deed::Deed;
use super::mishap::Mishap;
use super::scene::Scene;
use crate::sim::{SimJournal, moment};

/// The journal as one engine writes it.
pub(super) struct Book<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) engine: u32,
}

fn unwritable() -> JournalError {
    JournalError::Unwritable(Problem::of(
        Class::Retry,
        "vault-unreachable",
        "the store does not answer",
        "simulated: it may pass",
    ))
}

/// What is known of a capture once it is over. Its intent is written while it is still to come.
fn ends_capture(record: &Record) -> bool {
    match record {
        Record::Done { step, .. } | Record::Stuck { step, .. } => step == "capture",
        _ => false,
    }
}

impl Book<'_> {
    fn mishap(&self, records: &[Record]) -> Option<Mishap> {
        let mut script = self.scene.script.borrow_mut();
        let announced: Vec<Deed> = records
            .iter()
            .filter_map(|record| match record {
                Record::Intent { effects, .. } => Some(effects),
                _ => None,
            })
            .flatten()
            .map(|line| Deed::of_line(line).within(self.scene.plan.kind))
            .collect();
        if announced.is_empty() {
            return script.at_entry(Deed::Note);
        }
        // Every announced effect counts, whatever happens to an earlier one.
        let mishaps: Vec<Mishap> = announced
            .into_iter()
            .filter_map(|deed| script.at_entry(deed))
            .collect();
        mishaps.first().copied()
    }

    fn fence(&self, why: &'static str) {
        self.scene.script.borrow_mut().life.fenced = Some(why);
    }
}

impl Journal for Book<'_> {
    async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let scene = self.scene;
        // What an earlier entry told goes on being done meanwhile: sometimes none of it, sometimes all.
        for _ in 0..records.len() % 5 {
            moment().await;
        }
        if scene.is_dead() {
            std::future::pending::<()>().await;
        }
        let captured = {
            let mut script = scene.script.borrow_mut();
            let over = script.life.capturing && records.iter().any(ends_capture);
            script.life.capturing &= !over;
            over && std::mem::take(&mut script.life.dies_after_capture)
        };
        if captured {
            scene.die("after the capture");
            std::future::pending::<()>().await;
        }
        let owner = scene.script.borrow().owner;
        if owner != self.engine {
            self.fence("another engine has its journal");
            return Err(JournalError::TakenOver("another engine".to_owned()));
        }
        if scene.script.borrow().journal_down > 0 {
            scene.script.borrow_mut().journal_down -= 1;
            self.fence("its journal cannot be written");
            scene.say("the journal's store does not answer");
            return Err(unwritable());
        }
        let mishap = self.mishap(records);
        if let Some(mishap) = mishap {
            scene.say(format!(
                "an entry   <- {}",
                mishap.to_string().to_uppercase()
            ));
        }
        match mishap {
            Some(Mishap::EntryLost) => {
                scene.die("before the entry is written");
                std::future::pending::<()>().await;
            }
            Some(Mishap::JournalDown) => {
                let mut script = scene.script.borrow_mut();
                script.journal_down = script.lots.below(3);
                drop(script);
                self.fence("its journal cannot be written");
                return Err(unwritable());
            }
            Some(Mishap::TakenOver) => {
                scene.script.borrow_mut().owner += 1;
                self.fence("another engine has its journal");
                return Err(JournalError::TakenOver("another engine".to_owned()));
            }
            Some(_) | None => {}
        }
        let mut journal = SimJournal {
            world: &scene.world,
            records: &scene.records,
        };
        journal.append(records).await?;
        if mishap == Some(Mishap::EntryUnknown) {
            self.fence("its journal cannot be written");
            return Err(unwritable());
        }
        Ok(())
    }
}
