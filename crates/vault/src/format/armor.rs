//! How keys look in files: a text for people, then a block with a checksum, so that a typo is told from a wrong key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Longest key file that is looked at.
const FILE_BYTES_MAX: usize = 64 * 1024;
const CHECKSUM_BYTES: usize = 8;
const LINE: usize = 64;

/// A key file cannot be used. Never quotes the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// There is no block of any kind.
    #[error("there is no Refloat key in it")]
    NoKey,
    /// There is a key of another kind.
    #[error("it holds a {found}, and a {wanted} is needed")]
    OtherKind {
        /// What is in it.
        found: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// The block has no end.
    #[error("the key is cut off")]
    CutOff,
    /// A character is wrong.
    #[error("the key is damaged: its checksum does not fit (a character changed?)")]
    Checksum,
    /// The content is not what it should be.
    #[error("the key is of a form that this refloat does not know: {0}")]
    Unknown(String),
}

/// Writes a block of this kind below a text for people.
pub(super) fn armor(kind: &str, heading: &str, payload: &[u8]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(payload.to_vec());
    let checksum = Sha256::digest(payload);
    bytes.extend_from_slice(&checksum[..CHECKSUM_BYTES]);
    let encoded = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
    let mut text = Zeroizing::new(String::new());
    text.push_str(heading);
    text.push_str(&format!("-----BEGIN REFLOAT {kind}-----\n"));
    for line in encoded.as_bytes().chunks(LINE) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END REFLOAT {kind}-----\n"));
    text
}

/// Reads a block of this kind; whitespace, line ends and text around it do not matter.
pub(super) fn unarmor(kind: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let text = text.get(..FILE_BYTES_MAX).unwrap_or(text);
    let begin = format!("-----BEGIN REFLOAT {kind}-----");
    let Some((_, rest)) = text.split_once(&begin) else {
        let other = text
            .split_once("-----BEGIN REFLOAT ")
            .and_then(|(_, rest)| rest.split_once("-----"));
        return Err(match other {
            Some((found, _)) if found.len() < 40 => KeyFileError::OtherKind {
                found: found.to_lowercase(),
                wanted: kind,
            },
            Some(_) | None => KeyFileError::NoKey,
        });
    };
    let Some((body, _)) = rest.split_once("-----END REFLOAT ") else {
        return Err(KeyFileError::CutOff);
    };
    let compact: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_whitespace()).collect());
    let bytes = Zeroizing::new(
        STANDARD
            .decode(compact.as_bytes())
            .map_err(|_| KeyFileError::Checksum)?,
    );
    let Some(length) = bytes.len().checked_sub(CHECKSUM_BYTES) else {
        return Err(KeyFileError::CutOff);
    };
    let (payload, checksum) = bytes.split_at(length);
    if Sha256::digest(payload)[..CHECKSUM_BYTES] != *checksum {
        return Err(KeyFileError::Checksum);
    }
    Ok(Zeroizing::new(payload.to_vec()))
}
