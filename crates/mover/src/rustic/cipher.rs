//! The repository's cipher: AES-256-CTR with Poly1305-AES, nonce first.
//!
//! Must not do I/O. What we read and write without the library goes through it.

use aes256ctr_poly1305aes::aead::Aead;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};

use crate::key::RepositoryKey;

const NONCE_BYTES: usize = 16;

pub(super) struct Cipher(Aes256CtrPoly1305Aes);

impl Cipher {
    pub(super) fn new(key: &RepositoryKey) -> Self {
        let key = key.to_cipher_key();
        Self(Aes256CtrPoly1305Aes::new(Key::from_slice(&*key)))
    }

    /// Decrypts, or says that this was not sealed with our key.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        self.0.decrypt(Nonce::from_slice(nonce), sealed).ok()
    }

    /// Encrypts under a fresh nonce; nothing if there is no randomness.
    pub(super) fn seal(&self, content: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let sealed = self.0.encrypt(Nonce::from_slice(&nonce), content).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }
}
