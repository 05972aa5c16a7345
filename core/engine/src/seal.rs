//! Sensitive values at rest. Each lane that holds some has a data key of its own, wrapped by the
//! server's key; erasing the wrapped key makes everything sealed under it unreadable.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, Key, KeyInit},
};

/// Length of an XChaCha20 nonce in bytes; sealed bytes begin with one.
const NONCE: usize = 24;

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("sealed data could not be opened: the key is another one, or the data was changed")]
    Opened,
    #[error("a sealing key has 32 bytes, this one has {0}")]
    KeyLength(usize),
}

/// A 256-bit key for XChaCha20-Poly1305.
#[derive(Clone)]
pub struct SealKey(Key<XChaCha20Poly1305>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl SealKey {
    /// # Errors
    /// When `bytes` are not 32.
    pub fn new(bytes: &[u8]) -> Result<Self, SealError> {
        Key::<XChaCha20Poly1305>::try_from(bytes)
            .map(Self)
            .map_err(|_| SealError::KeyLength(bytes.len()))
    }

    #[must_use]
    pub fn generate() -> Self {
        Self(Key::<XChaCha20Poly1305>::generate())
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Nonce and ciphertext.
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let nonce = XNonce::generate();
        let sealed = XChaCha20Poly1305::new(&self.0)
            .encrypt(&nonce, plain)
            .expect("a message in memory is shorter than the cipher's limit of 256 GiB");
        let mut out = Vec::with_capacity(NONCE + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// # Errors
    /// When the bytes were not sealed under this key, or were changed since.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        if sealed.len() < NONCE {
            return Err(SealError::Opened);
        }
        let (nonce, body) = sealed.split_at(NONCE);
        let nonce = XNonce::try_from(nonce).map_err(|_| SealError::Opened)?;
        XChaCha20Poly1305::new(&self.0)
            .decrypt(&nonce, body)
            .map_err(|_| SealError::Opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_or_another_key_opens_nothing() {
        let key = SealKey::generate();
        let mut sealed = key.seal(b"ann@example.com");
        assert_eq!(key.open(&sealed).unwrap(), b"ann@example.com");
        assert!(SealKey::generate().open(&sealed).is_err());
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        assert!(key.open(&sealed).is_err());
        assert!(key.open(b"short").is_err());
    }
}
