//! The key material of a repository.
//!
//! Holds the key as it lies in a mounted Secret; must not make keys or seal them (the vault does). The
//! engine takes it at construction.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

const ENCRYPT_BYTES: usize = 32;
const MAC_BYTES: usize = 16;

/// The repository's master key, and the password under which stock restic finds it.
#[derive(Clone)]
pub struct RepositoryKey {
    encrypt: Zeroizing<[u8; ENCRYPT_BYTES]>,
    mac_k: Zeroizing<[u8; MAC_BYTES]>,
    mac_r: Zeroizing<[u8; MAC_BYTES]>,
    password: Option<Zeroizing<String>>,
}

/// Why key material cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the key file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the JSON that we write.
    #[error("the key file is not a repository key (line {line}, column {column})")]
    Parse {
        /// Where the parser gave up.
        line: usize,
        /// Where the parser gave up.
        column: usize,
    },
    /// A field is not base64 of the right length.
    #[error("the field {field} of the repository key must be base64 of {bytes} bytes")]
    Field {
        /// The field.
        field: &'static str,
        /// How long it must be.
        bytes: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyFile {
    encrypt: String,
    mac_k: String,
    mac_r: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.encrypt.zeroize();
        self.mac_k.zeroize();
        self.mac_r.zeroize();
        self.password.zeroize();
    }
}

impl RepositoryKey {
    /// Takes raw random bytes; the password is only needed to make the repository.
    pub fn new(
        encrypt: [u8; ENCRYPT_BYTES],
        mac_k: [u8; MAC_BYTES],
        mac_r: [u8; MAC_BYTES],
        password: Option<String>,
    ) -> Self {
        Self {
            encrypt: Zeroizing::new(encrypt),
            mac_k: Zeroizing::new(mac_k),
            mac_r: Zeroizing::new(mac_r),
            password: password.map(Zeroizing::new),
        }
    }

    /// Reads the key from a file, as a mounted Secret shows it.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_json(&Zeroizing::new(text))
    }

    /// Reads the key from its JSON: `encrypt`, `macK`, `macR` in base64 and, optional, `password`.
    pub fn from_json(text: &[u8]) -> Result<Self, KeyError> {
        // serde's own message may quote the input, which here is secret.
        let file: KeyFile = serde_json::from_slice(text).map_err(|error| KeyError::Parse {
            line: error.line(),
            column: error.column(),
        })?;
        Ok(Self {
            encrypt: decode("encrypt", &file.encrypt)?,
            mac_k: decode("macK", &file.mac_k)?,
            mac_r: decode("macR", &file.mac_r)?,
            password: file.password.clone().map(Zeroizing::new),
        })
    }

    /// Writes the key as JSON, for the Secret that a mover pod mounts.
    ///
    /// The password is left out: a mover never needs it.
    pub fn to_json_for_mover(&self) -> Zeroizing<String> {
        let value = serde_json::json!({
            "encrypt": STANDARD.encode(self.encrypt.as_slice()),
            "macK": STANDARD.encode(self.mac_k.as_slice()),
            "macR": STANDARD.encode(self.mac_r.as_slice()),
        });
        Zeroizing::new(value.to_string())
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.as_str())
    }

    /// The master key in restic's JSON.
    pub(crate) fn to_master_key_json(&self) -> serde_json::Value {
        serde_json::json!({
            "mac": { "k": STANDARD.encode(self.mac_k.as_slice()), "r": STANDARD.encode(self.mac_r.as_slice()) },
            "encrypt": STANDARD.encode(self.encrypt.as_slice()),
        })
    }

    /// The 64 bytes in the order of the cipher: encrypt, mac k, mac r.
    pub(crate) fn to_cipher_key(&self) -> Zeroizing<[u8; 64]> {
        let mut key = Zeroizing::new([0; 64]);
        key[..32].copy_from_slice(&*self.encrypt);
        key[32..48].copy_from_slice(&*self.mac_k);
        key[48..].copy_from_slice(&*self.mac_r);
        key
    }
}

impl std::fmt::Debug for RepositoryKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RepositoryKey(secret)")
    }
}

fn decode<const N: usize>(field: &'static str, text: &str) -> Result<Zeroizing<[u8; N]>, KeyError> {
    let wrong = || KeyError::Field { field, bytes: N };
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| wrong())?);
    let array: [u8; N] = bytes.as_slice().try_into().map_err(|_| wrong())?;
    Ok(Zeroizing::new(array))
}
