//! A signed object: exact bytes, who signed them, and a signature that binds them to vault, kind and path, so that an
//! object cannot be moved, replayed elsewhere or changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use refloat_core::names::SiteName;
use serde::{Deserialize, Serialize};

use super::keys::SiteKey;

const FORMAT: &str = "refloat.envelope/1";
/// Largest envelope that is read.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A recovery point.
    RecoveryPoint,
    /// A site's word that it opened and checked a point.
    Verification,
    /// A site's sign of life.
    Heartbeat,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point",
            Self::Verification => "verification",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// A signed object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    format: String,
    kind: Kind,
    /// Who signed.
    pub signer: SiteName,
    payload: String,
    signature: String,
}

/// An envelope is not to be trusted or not to be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is no envelope.
    #[error("it is no signed object: {0}")]
    Malformed(String),
    /// Written by a newer Refloat.
    #[error("its format is `{0}`")]
    Newer(String),
    /// It holds something else.
    #[error("it holds a {0}")]
    OtherKind(&'static str),
    /// The signature does not hold.
    #[error("the signature of site `{0}` does not hold")]
    Signature(SiteName),
    /// The signer is not a site of this vault, or the root did not sign its key.
    #[error("it is signed by `{0}`, whose key the vault's root has not signed")]
    Signer(SiteName),
}

fn message(vault: &str, kind: Kind, path: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("{FORMAT}\n{vault}\n{}\n{path}\n", kind.as_str()).into_bytes();
    message.extend_from_slice(payload);
    message
}

impl Envelope {
    /// Signs a payload for a path below the vault's prefix; the bytes of the object.
    pub fn seal(key: &SiteKey, kind: Kind, path: &str, payload: &[u8]) -> Vec<u8> {
        let signature = key.sign(&message(&key.recovery.vault, kind, path, payload));
        let envelope = Self {
            format: FORMAT.to_owned(),
            kind,
            signer: key.site.clone(),
            payload: STANDARD.encode(payload),
            signature: hex::encode(signature),
        };
        serde_json::to_vec(&envelope).expect("an envelope is plain data")
    }

    /// Opens the bytes of an object; `keys` are the sites whose keys the root has signed.
    pub fn open(
        bytes: &[u8],
        vault: &str,
        kind: Kind,
        path: &str,
        keys: &[(SiteName, VerifyingKey)],
    ) -> Result<(SiteName, Vec<u8>), EnvelopeError> {
        if bytes.len() > BYTES_MAX {
            return Err(EnvelopeError::Malformed(format!("{} bytes", bytes.len())));
        }
        let malformed = |why: &str| EnvelopeError::Malformed(why.to_owned());
        let value: serde_json::Value = serde_json::from_slice(bytes)
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(EnvelopeError::Newer(other.chars().take(60).collect())),
            None => return Err(malformed("it has no format")),
        }
        let envelope: Self = serde_json::from_value(value)
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        if envelope.kind != kind {
            return Err(EnvelopeError::OtherKind(envelope.kind.as_str()));
        }
        let payload = STANDARD
            .decode(&envelope.payload)
            .map_err(|_| malformed("its payload is not base64"))?;
        let signature: [u8; 64] = hex::decode(&envelope.signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| malformed("its signature is not 64 bytes"))?;
        let Some((_, key)) = keys.iter().find(|(site, _)| *site == envelope.signer) else {
            return Err(EnvelopeError::Signer(envelope.signer));
        };
        let message = message(vault, kind, path, &payload);
        key.verify_strict(&message, &Signature::from_bytes(&signature))
            .map_err(|_| EnvelopeError::Signature(envelope.signer.clone()))?;
        Ok((envelope.signer, payload))
    }
}
