//! A run's journal: create-only objects in a chain. Whoever loses the race for a number stops: that is the fence between
//! two engines.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use refloat_core::drive::{Journal, JournalError};
use refloat_core::names::RunId;
use refloat_core::run::{Record, RunPlan};

use super::patience::{Patience, Tell, Wait};
use super::vault::Vault;
use crate::error::VaultError;
use crate::format::{self, Entry, EntryError};

/// A run's journal, read to its end.
pub struct RunJournal {
    vault: Vault,
    run: RunId,
    writer: String,
    sequence: u64,
    previous: Option<String>,
    records: Vec<Record>,
    last_writer: Option<String>,
    /// This process has said that it lives.
    marked: bool,
    patience: Patience,
    tell: Box<Tell>,
}

fn entry_error(path: &str, error: EntryError) -> VaultError {
    let path = path.to_owned();
    match error {
        EntryError::Newer(format) => VaultError::Newer { path, format },
        EntryError::Sealed | EntryError::Chain => VaultError::Untrusted {
            path,
            why: error.to_string(),
        },
        EntryError::Malformed(_) | EntryError::TooLarge(_) | EntryError::Random(_) => {
            VaultError::Unreadable {
                path,
                why: error.to_string(),
            }
        }
    }
}

/// An empty object for each run that has no end yet, so that nobody has to read every journal to find those.
const OPEN_RUNS: &str = "open-runs";

fn ends(record: &Record) -> bool {
    matches!(record, Record::Ended { .. })
}

fn path(run: &RunId, sequence: u64) -> String {
    format!("runs/{run}/journal/{sequence:010}")
}

impl Vault {
    /// Runs that have a journal.
    pub async fn runs(&self) -> Result<Vec<RunId>, VaultError> {
        let names = self.names("runs").await?;
        Ok(names
            .into_iter()
            .filter_map(|name| RunId::new(name).ok())
            .collect())
    }
}

impl Vault {
    /// Runs that were begun and, as far as is marked, not ended; their journals know.
    pub async fn open_runs(&self) -> Result<Vec<RunId>, VaultError> {
        let names = self.names(OPEN_RUNS).await?;
        Ok(names
            .into_iter()
            .filter_map(|name| RunId::new(name).ok())
            .collect())
    }

    /// Marks a run as open, again and again while its engine lives.
    pub async fn mark_run(&self, run: &RunId) -> Result<(), VaultError> {
        self.put(&format!("{OPEN_RUNS}/{run}"), Vec::new()).await
    }

    /// When a run was last marked, by the store's clock; `None` without a mark.
    pub async fn run_seen(&self, run: &RunId) -> Result<Option<Timestamp>, VaultError> {
        match self.modified(&format!("{OPEN_RUNS}/{run}")).await {
            Ok(seen) => Ok(Some(seen)),
            Err(VaultError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// True when the last entry of a run's journal ends it. Costs one small read, however long the journal is; false also when there is
    /// no telling without reading all of it.
    pub async fn has_ended(&self, run: &RunId) -> Result<bool, VaultError> {
        let names = self.names(&format!("runs/{run}/journal")).await?;
        let Some(last) = names.iter().filter_map(|name| name.parse().ok()).max() else {
            return Ok(false);
        };
        let bytes = match self.read(&path(run, last)).await {
            Ok(bytes) => bytes,
            Err(VaultError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(Entry::unseal(&self.journal, run, &bytes, last)
            .is_ok_and(|entry| entry.records.iter().any(ends)))
    }

    /// Takes the mark of a run away; one that stays is only looked at in vain.
    pub async fn close_run(&self, run: &RunId) {
        if let Err(error) = self.remove(&format!("{OPEN_RUNS}/{run}")).await {
            tracing::debug!(%error, %run, "the mark of an ended run stays");
        }
    }
}

impl RunJournal {
    /// Reads the journal of a run, also one that has none yet. `writer` says who writes, should this process write.
    pub async fn open(vault: &Vault, run: &RunId, writer: &str) -> Result<Self, VaultError> {
        let mut journal = Self {
            vault: vault.clone(),
            run: run.clone(),
            writer: writer.to_owned(),
            sequence: 0,
            previous: None,
            records: Vec::new(),
            last_writer: None,
            marked: false,
            patience: Patience::default(),
            tell: Box::new(|why| tracing::warn!(%why, "a journal waits")),
        };
        while journal.read_next().await? {}
        Ok(journal)
    }

    /// The same journal with another patience for a store that does not answer.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Who is told that it waits; a warning in the log without it.
    pub fn tell(&mut self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.tell = Box::new(tell);
    }

    async fn read_next(&mut self) -> Result<bool, VaultError> {
        let path = path(&self.run, self.sequence + 1);
        let bytes = match self.vault.read(&path).await {
            Ok(bytes) => bytes,
            Err(VaultError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let entry = self
            .read_entry(&bytes, self.sequence + 1)
            .map_err(|error| entry_error(&path, error))?;
        self.sequence += 1;
        self.previous = Some(format::digest(&bytes));
        self.last_writer = Some(entry.writer);
        self.records.extend(entry.records);
        Ok(true)
    }

    fn read_entry(&self, bytes: &[u8], sequence: u64) -> Result<Entry, EntryError> {
        let key = &self.vault.journal;
        Entry::read(key, &self.run, bytes, sequence, self.previous.as_deref())
    }

    /// Whose journal it is.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Everything that was read, and that was written but by an engine that drives.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Who wrote last.
    pub fn last_writer(&self) -> Option<&str> {
        self.last_writer.as_deref()
    }

    /// The plan that the run was started with.
    pub fn plan(&self) -> Option<&Arc<RunPlan>> {
        self.records.iter().find_map(|record| match record {
            Record::Started { plan, .. } => Some(plan),
            Record::Resumed { .. }
            | Record::Began { .. }
            | Record::Intent { .. }
            | Record::MustRelease { .. }
            | Record::Kept { .. }
            | Record::Created { .. }
            | Record::Done { .. }
            | Record::Stuck { .. }
            | Record::Failing { .. }
            | Record::Until { .. }
            | Record::Paused { .. }
            | Record::Ended { .. } => None,
        })
    }

    /// Appends an entry, or says who was faster. A reply that was lost is told from a race by the bytes.
    ///
    /// Whoever begins to write a run marks it first: from its first record on, others see that it lives.
    pub async fn append_records(&mut self, records: &[Record]) -> Result<(), VaultError> {
        self.write(records).await?;
        self.records.extend(records.iter().cloned());
        Ok(())
    }

    async fn write(&mut self, records: &[Record]) -> Result<(), VaultError> {
        let sequence = self.sequence + 1;
        let mut wait = Wait::new(self.patience, records);
        if !self.marked {
            self.mark(&mut wait).await?;
        }
        let now = Timestamp::now();
        let entry = Entry::new(sequence, self.previous.clone(), &self.writer, now, records);
        let bytes = entry
            .write(&self.vault.journal, &self.run)
            .map_err(|error| entry_error(&path(&self.run, sequence), error))?;
        let bytes = Bytes::from(bytes);
        while let Err(error) = self.create(sequence, &bytes).await {
            if !wait.goes_on(&error, &*self.tell).await {
                return Err(error);
            }
        }
        self.sequence = sequence;
        self.previous = Some(format::digest(&bytes));
        self.last_writer = Some(self.writer.clone());
        if wait.has_waited() {
            // No mark was taken meanwhile either: this engine must not look dead for longer than the store was away.
            self.mark(&mut wait).await?;
        }
        if records.iter().any(ends) {
            self.vault.close_run(&self.run).await;
        }
        Ok(())
    }

    /// Says that the run lives. One that is begun must have a mark, for nobody finds it without; later a mark more or less is nothing.
    async fn mark(&mut self, wait: &mut Wait) -> Result<(), VaultError> {
        while let Err(error) = self.vault.mark_run(&self.run).await {
            if self.sequence > 0 {
                tracing::debug!(%error, run = %self.run, "the run could not be marked");
                break;
            }
            if !wait.goes_on(&error, &*self.tell).await {
                return Err(error);
            }
        }
        self.marked = true;
        Ok(())
    }

    /// Creates an entry. It may be there already, when a reply was lost after its effect: its bytes tell it from another engine's.
    async fn create(&self, sequence: u64, bytes: &Bytes) -> Result<(), VaultError> {
        let path = path(&self.run, sequence);
        let taken = match self.vault.create(&path, bytes.clone()).await {
            Err(taken @ VaultError::Taken { .. }) => taken,
            created => return created,
        };
        let there = match self.vault.read(&path).await {
            Ok(there) => there,
            // A store may say so of a create that has not ended and leaves nothing.
            Err(VaultError::NotFound { .. }) => return Err(taken),
            Err(error) => return Err(error),
        };
        if there == *bytes {
            return Ok(());
        }
        let writer = self
            .read_entry(&there, sequence)
            .map_or_else(|_| "somebody".to_owned(), |entry| entry.writer);
        let run = self.run.to_string();
        Err(VaultError::Driven { run, writer })
    }
}

impl Journal for RunJournal {
    async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        // The engine keeps account of what it writes itself.
        self.write(records).await.map_err(|error| match error {
            VaultError::Driven { writer, .. } => JournalError::TakenOver(writer),
            other => JournalError::Unwritable(other.problem()),
        })
    }
}
