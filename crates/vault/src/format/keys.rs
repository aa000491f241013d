//! The keys of a vault. The root key signs sites' keys and is kept offline; the recovery key opens the vault when nothing
//! else is left; a site key lets a site read everything and sign what it writes.
//!
//! None of them can be printed by accident: no `Debug`, erased when dropped.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use refloat_core::names::SiteName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::armor::{KeyFileError, armor, unarmor};

const FORMAT: u32 = 1;
const RECOVERY: &str = "RECOVERY KEY";
const ROOT: &str = "ROOT KEY";
const SITE: &str = "SITE KEY";

/// Key material of the restic repository: 32 bytes to encrypt, 16 and 16 for the message authentication code
/// (restic design document, "Keys, Encryption and MAC").
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RepositorySecret([u8; 64]);

impl RepositorySecret {
    /// Takes 64 random bytes.
    pub fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// 32 bytes to encrypt with.
    pub fn encrypt(&self) -> [u8; 32] {
        let mut part = [0; 32];
        part.copy_from_slice(&self.0[..32]);
        part
    }

    /// `k` of the message authentication code.
    pub fn mac_k(&self) -> [u8; 16] {
        let mut part = [0; 16];
        part.copy_from_slice(&self.0[32..48]);
        part
    }

    /// `r` of the message authentication code.
    pub fn mac_r(&self) -> [u8; 16] {
        let mut part = [0; 16];
        part.copy_from_slice(&self.0[48..]);
        part
    }

    /// The password under which stock restic opens the repository: derived, so that nothing more has to be kept.
    pub fn password(&self) -> Zeroizing<String> {
        let mut hash = Sha256::new();
        hash.update(b"refloat restic password v1\0");
        hash.update(self.0);
        Zeroizing::new(hex::encode(&hash.finalize()[..20]))
    }
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Payload {
    format: u32,
    vault: String,
    #[serde(default)]
    root_public_key: String,
    #[serde(default)]
    root_secret_key: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    site_secret_key: String,
    #[serde(default)]
    repository_key: String,
}

impl Payload {
    fn of(vault: &str) -> Self {
        Self {
            format: FORMAT,
            vault: vault.to_owned(),
            root_public_key: String::new(),
            root_secret_key: String::new(),
            site: String::new(),
            site_secret_key: String::new(),
            repository_key: String::new(),
        }
    }

    fn write(&self, kind: &str, heading: &str) -> Zeroizing<String> {
        let bytes = Zeroizing::new(serde_json::to_vec(self).expect("a key is plain data"));
        armor(kind, heading, &bytes)
    }

    fn read(kind: &'static str, text: &str) -> Result<Self, KeyFileError> {
        let bytes = unarmor(kind, text)?;
        // serde's message may quote the input, which is secret.
        let payload: Self = serde_json::from_slice(&bytes)
            .map_err(|_| KeyFileError::Unknown("its content is not a key".to_owned()))?;
        if payload.format != FORMAT {
            let format = payload.format;
            return Err(KeyFileError::Unknown(format!("format {format}")));
        }
        Ok(payload)
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], KeyFileError> {
    let decoded = Zeroizing::new(hex::decode(text).unwrap_or_default());
    decoded
        .as_slice()
        .try_into()
        .map_err(|_| KeyFileError::Unknown(format!("a part of it is not {N} bytes")))
}

fn public(text: &str) -> Result<VerifyingKey, KeyFileError> {
    VerifyingKey::from_bytes(&bytes(text)?)
        .map_err(|_| KeyFileError::Unknown("its public key is none".to_owned()))
}

/// Opens a vault: which one, by whom its sites must be signed, and its repository.
#[derive(Clone)]
pub struct RecoveryKey {
    /// Id of the vault.
    pub vault: String,
    /// Who signs sites.
    pub root: VerifyingKey,
    /// Key of the repository.
    pub repository: RepositorySecret,
}

impl RecoveryKey {
    /// Another secret of this vault, by its purpose.
    pub(super) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update([0]);
        hash.update(self.vault.as_bytes());
        hash.update([0]);
        hash.update(self.repository.0);
        hash.finalize().into()
    }

    /// The text of the key file.
    pub fn write(&self) -> Zeroizing<String> {
        let mut payload = Payload::of(&self.vault);
        payload.root_public_key = hex::encode(self.root.as_bytes());
        payload.repository_key = hex::encode(self.repository.0);
        let heading = Zeroizing::new(format!(
            "Refloat recovery key of vault {}.\n\n\
             Whoever has this and can read the bucket can read every recovery point. Without it, and without a site\n\
             key, nobody can. Keep it where the clusters are not.\n\n\
             Stock restic opens PREFIX/repository with the password\n  {}\n\
             to list, check and restore. Never run its `prune`, `forget` or `unlock` there: they destroy points.\n\n",
            self.vault,
            *self.repository.password(),
        ));
        payload.write(RECOVERY, &heading)
    }

    /// Reads a key file.
    pub fn read(text: &str) -> Result<Self, KeyFileError> {
        let payload = Payload::read(RECOVERY, text)?;
        Ok(Self {
            vault: payload.vault.clone(),
            root: public(&payload.root_public_key)?,
            repository: RepositorySecret(bytes(&payload.repository_key)?),
        })
    }
}

/// Signs sites' keys.
#[derive(Clone)]
pub struct RootKey {
    /// Id of the vault.
    pub vault: String,
    /// The secret half.
    pub(crate) signing: SigningKey,
}

impl RootKey {
    /// Makes a key of 32 random bytes.
    pub fn new(vault: &str, random: [u8; 32]) -> Self {
        Self {
            vault: vault.to_owned(),
            signing: SigningKey::from_bytes(&random),
        }
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.signing.verifying_key()
    }

    /// The text of the key file.
    pub fn write(&self) -> Zeroizing<String> {
        let mut payload = Payload::of(&self.vault);
        payload.root_secret_key = hex::encode(self.signing.to_bytes());
        let heading = format!(
            "Refloat root key of vault {}.\n\nNeeded only to let a site join. Keep it offline.\n\n",
            self.vault
        );
        payload.write(ROOT, &heading)
    }

    /// Reads a key file.
    pub fn read(text: &str) -> Result<Self, KeyFileError> {
        let payload = Payload::read(ROOT, text)?;
        Ok(Self::new(&payload.vault, bytes(&payload.root_secret_key)?))
    }
}

/// Lets a site read the vault and sign what it writes.
#[derive(Clone)]
pub struct SiteKey {
    /// Name of the site.
    pub site: SiteName,
    /// What opens the vault.
    pub recovery: RecoveryKey,
    signing: SigningKey,
}

impl SiteKey {
    /// Makes a key of 32 random bytes.
    pub fn new(site: SiteName, recovery: RecoveryKey, random: [u8; 32]) -> Self {
        Self {
            site,
            recovery,
            signing: SigningKey::from_bytes(&random),
        }
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.signing.verifying_key()
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The text of the key file.
    pub fn write(&self) -> Zeroizing<String> {
        let mut payload = Payload::of(&self.recovery.vault);
        payload.root_public_key = hex::encode(self.recovery.root.as_bytes());
        payload.repository_key = hex::encode(self.recovery.repository.0);
        payload.site = self.site.to_string();
        payload.site_secret_key = hex::encode(self.signing.to_bytes());
        let heading = format!(
            "Refloat key of site {} for vault {}.\n\nWhoever has it can read every point and write as this site.\n\n",
            self.site, self.recovery.vault
        );
        payload.write(SITE, &heading)
    }

    /// Reads a key file.
    pub fn read(text: &str) -> Result<Self, KeyFileError> {
        let payload = Payload::read(SITE, text)?;
        let site = SiteName::new(payload.site.clone())
            .map_err(|error| KeyFileError::Unknown(error.to_string()))?;
        let recovery = RecoveryKey {
            vault: payload.vault.clone(),
            root: public(&payload.root_public_key)?,
            repository: RepositorySecret(bytes(&payload.repository_key)?),
        };
        Ok(Self::new(site, recovery, bytes(&payload.site_secret_key)?))
    }
}
