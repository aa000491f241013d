//! One entry of a run's journal: records, and the digest of the entry before. Create-only objects make the chain.
//!
//! An entry is sealed with the vault's journal key (XChaCha20-Poly1305, RFC draft-irtf-cfrg-xchacha): a plan carries
//! Secrets, and whoever can only write to the bucket must not be able to tell an engine what to do. The object is the
//! line `refloat.journal/2`, 24 bytes of nonce and the ciphertext; the line, the run and the number are bound to it. What is sealed is
//! JSON, packed: a plan repeats itself. Entries of format 1 are not packed, and are read for ever.

use chacha20poly1305::aead::{Aead, AeadInOut, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use jiff::Timestamp;
use refloat_core::names::RunId;
use refloat_core::run::Record;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::keys::RecoveryKey;
use super::packed::{self, PackedError};

const HEADER: &[u8] = b"refloat.journal/2\n";
const HEADER_UNPACKED: &[u8] = b"refloat.journal/1\n";
const HEADER_START: &[u8] = b"refloat.journal/";
const NONCE_BYTES: usize = 24;
/// Largest entry that is read: a plan of many thousand steps fits, also one that is not packed.
const BYTES_MAX: usize = 256 << 20;
/// Longest text that an entry is unpacked to, and that is packed. Tests do with less: they look at every byte with debug code.
const TEXT_BYTES_MAX: u64 = if cfg!(test) { 1 << 20 } else { 512 << 20 };

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
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
    /// It holds more than is read.
    #[error("it holds more than {0} bytes of records")]
    TooLarge(u64),
    /// Written by a newer Refloat.
    #[error("its format is `{0}`")]
    Newer(String),
    /// It was not sealed with this vault's key, for this run and this number.
    #[error("it was not sealed by a holder of this vault's keys, or was changed since")]
    Sealed,
    /// No random numbers were to be had.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// It does not follow the entry before.
    #[error("it does not follow the entry before it")]
    Chain,
}

/// Seals journal entries; derived from the recovery key, so that nothing more has to be kept.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct JournalKey([u8; 32]);

impl From<PackedError> for EntryError {
    fn from(error: PackedError) -> Self {
        match error {
            PackedError::TooLong(bytes_max) => Self::TooLarge(bytes_max),
            PackedError::Json(_) | PackedError::Trailing(_) | PackedError::Packer(_) => {
                Self::Malformed(error.to_string())
            }
        }
    }
}

fn bound(header: &[u8], run: &RunId, sequence: u64) -> Vec<u8> {
    let mut bound = header.to_vec();
    bound.extend_from_slice(run.as_str().as_bytes());
    bound.push(b'/');
    bound.extend_from_slice(&sequence.to_be_bytes());
    bound
}

impl JournalKey {
    /// The key of a vault.
    pub fn of(recovery: &RecoveryKey) -> Self {
        Self(recovery.derive(b"refloat journal key v1"))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
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
            sequence,
            previous,
            writer: writer.to_owned(),
            at,
            records: records.to_vec(),
        }
    }

    /// The bytes of the object, different each time.
    pub fn write(&self, key: &JournalKey, run: &RunId) -> Result<Vec<u8>, EntryError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| EntryError::Random(error.to_string()))?;
        let mut bytes = packed::pack(self, [HEADER, &nonce].concat(), TEXT_BYTES_MAX)?;
        let plain = &mut bytes[HEADER.len() + NONCE_BYTES..];
        let bound = bound(HEADER, run, self.sequence);
        let tag = key
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &bound, plain.into())
            .map_err(|_| EntryError::Sealed)?;
        bytes.extend_from_slice(&tag);
        Ok(bytes)
    }

    /// Reads an entry that must have this number and follow the entry with this digest.
    pub fn read(
        key: &JournalKey,
        run: &RunId,
        bytes: &[u8],
        sequence: u64,
        previous: Option<&str>,
    ) -> Result<Self, EntryError> {
        let entry = Self::unseal(key, run, bytes, sequence)?;
        if entry.previous.as_deref() != previous {
            return Err(EntryError::Chain);
        }
        Ok(entry)
    }

    /// Reads an entry that must have this number, whatever the entry before is: it was sealed for this place, and who can only write to
    /// the bucket can put no other one there.
    pub(crate) fn unseal(
        key: &JournalKey,
        run: &RunId,
        bytes: &[u8],
        sequence: u64,
    ) -> Result<Self, EntryError> {
        let malformed = |why: &str| EntryError::Malformed(why.to_owned());
        if bytes.len() > BYTES_MAX {
            return Err(EntryError::Malformed(format!("{} bytes", bytes.len())));
        }
        let (header, rest) = [HEADER, HEADER_UNPACKED]
            .into_iter()
            .find_map(|header| Some((header, bytes.strip_prefix(header)?)))
            .ok_or_else(|| unknown(bytes))?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(|| malformed("it is too short"))?;
        let payload = Payload {
            msg: sealed,
            aad: &bound(header, run, sequence),
        };
        let plain = key
            .cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| EntryError::Sealed)?;
        let entry: Self = if header == HEADER {
            packed::unpack(&plain, TEXT_BYTES_MAX)?
        } else {
            serde_json::from_slice(&plain)
                .map_err(|error| EntryError::Malformed(error.to_string()))?
        };
        if entry.sequence != sequence {
            return Err(EntryError::Chain);
        }
        Ok(entry)
    }
}

/// Why something that has no known first line is not read.
fn unknown(bytes: &[u8]) -> EntryError {
    if !bytes.starts_with(HEADER_START) {
        return EntryError::Malformed("it has no format".to_owned());
    }
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let line = &line[..line.len().min(60)];
    EntryError::Newer(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests;
