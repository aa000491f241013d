//! One entry of a run's journal: records, and the digest of the entry before. Create-only objects make the chain.

use jiff::Timestamp;
use refloat_core::run::Record;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "refloat.journal/1";
/// Largest entry that is read: a plan of many thousand steps fits.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `refloat.journal/1`.
    pub format: String,
    /// From 1, without holes.
    pub sequence: u64,
    /// Digest of the entry before, `None` for the first.
    pub previous: Option<String>,
    /// Who wrote it: a random id of the process, and where it ran.
    pub writer: String,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub records: Vec<Record>,
}

/// An entry is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is no entry.
    #[error("it is no journal entry: {0}")]
    Malformed(String),
    /// Written by a newer Refloat.
    #[error("its format is `{0}`")]
    Newer(String),
    /// It does not follow the entry before.
    #[error("it does not follow the entry before it")]
    Chain,
}

impl Entry {
    /// A new entry.
    pub fn new(
        sequence: u64,
        previous: Option<String>,
        writer: &str,
        at: Timestamp,
        records: &[Record],
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            sequence,
            previous,
            writer: writer.to_owned(),
            at,
            records: records.to_vec(),
        }
    }

    /// The bytes of the object.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a journal entry is plain data with text keys")
    }

    /// Reads an entry that must have this number and follow the entry with this digest.
    pub fn read(bytes: &[u8], sequence: u64, previous: Option<&str>) -> Result<Self, EntryError> {
        if bytes.len() > BYTES_MAX {
            return Err(EntryError::Malformed(format!("{} bytes", bytes.len())));
        }
        let value: serde_json::Value = serde_json::from_slice(bytes)
            .map_err(|error| EntryError::Malformed(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(EntryError::Newer(other.chars().take(60).collect())),
            None => return Err(EntryError::Malformed("it has no format".to_owned())),
        }
        let entry: Self = serde_json::from_value(value)
            .map_err(|error| EntryError::Malformed(error.to_string()))?;
        if entry.sequence != sequence || entry.previous.as_deref() != previous {
            return Err(EntryError::Chain);
        }
        Ok(entry)
    }
}
