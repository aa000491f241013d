//! `refloat.json`: which vault this is and which sites the root has signed. The reader's anchor is never taken from here.

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use jiff::Timestamp;
use refloat_core::names::SiteName;
use serde::{Deserialize, Serialize};

use super::keys::RootKey;

/// Format of the vault that this code writes.
pub const FORMAT: u32 = 1;

/// The vault's first document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootDocument {
    /// Format of the vault; a newer one is refused.
    pub format: u32,
    /// Id of the vault: 32 hexadecimal digits.
    pub vault: String,
    /// When it was made.
    pub created: Timestamp,
    /// For people; readers bring their own.
    pub root_public_key: String,
    /// Sites that joined.
    pub sites: Vec<SiteEntry>,
}

/// A site that joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteEntry {
    /// Its name.
    pub site: SiteName,
    /// Its public key, hexadecimal.
    pub public_key: String,
    /// When it joined.
    pub joined: Timestamp,
    /// The root's signature over vault, name, key and time, hexadecimal.
    pub signature: String,
}

fn statement(vault: &str, site: &SiteName, public_key: &str, joined: Timestamp) -> Vec<u8> {
    format!("refloat.site/1\n{vault}\n{site}\n{public_key}\n{joined}").into_bytes()
}

impl SiteEntry {
    /// Signs a site's key.
    pub fn sign(root: &RootKey, site: SiteName, key: &VerifyingKey, joined: Timestamp) -> Self {
        let public_key = hex::encode(key.as_bytes());
        let message = statement(&root.vault, &site, &public_key, joined);
        Self {
            signature: hex::encode(root.signing.sign(&message).to_bytes()),
            site,
            public_key,
            joined,
        }
    }

    /// The site's key, if the root has signed it for this vault.
    pub fn trusted_key(&self, vault: &str, root: &VerifyingKey) -> Option<VerifyingKey> {
        let signature: [u8; 64] = hex::decode(&self.signature).ok()?.try_into().ok()?;
        let message = statement(vault, &self.site, &self.public_key, self.joined);
        root.verify_strict(&message, &Signature::from_bytes(&signature))
            .ok()?;
        let key: [u8; 32] = hex::decode(&self.public_key).ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&key).ok()
    }
}
