//! The vault's format, pure: decided once, read for ever. `docs/src/reference/vault-format.md` describes it; a fixture of
//! every object that was ever written is in `tests/fixtures`.

mod armor;
mod envelope;
mod journal;
mod keys;
mod packed;
mod point;
mod root;

pub use armor::KeyFileError;
pub use envelope::{Envelope, EnvelopeError, Kind};
pub use journal::{Entry, EntryError, JournalKey};
pub use keys::{RecoveryKey, RepositorySecret, RootKey, SiteKey};
pub use point::{Heartbeat, POINT_FORMAT, PointDocument, PointId, Verification, point_format};
pub use root::{FORMAT as VAULT_FORMAT, RootDocument, SiteEntry};

use sha2::{Digest, Sha256};

/// Hex SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
