//! Digests, HMAC, comparison, chance.

use md5::{Digest as _, Md5};
use ring::{
    digest as sha, hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use subtle::ConstantTimeEq as _;

/// Most random bytes at once.
const RANDOM_MAX: usize = 1024;

/// The digests an HMAC is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// `None` for an empty key: anyone could sign with it.
#[must_use]
pub fn hmac(hash: Hash, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    if key.is_empty() {
        return None;
    }
    let algorithm = match hash {
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    let tag = hmac::sign(&hmac::Key::new(algorithm, key), data);
    Some(tag.as_ref().to_vec())
}

#[must_use]
pub fn sha1(data: &[u8]) -> Vec<u8> {
    sha::digest(&sha::SHA1_FOR_LEGACY_USE_ONLY, data)
        .as_ref()
        .to_vec()
}

#[must_use]
pub fn sha256(data: &[u8]) -> Vec<u8> {
    sha::digest(&sha::SHA256, data).as_ref().to_vec()
}

#[must_use]
pub fn md5(data: &[u8]) -> Vec<u8> {
    Md5::digest(data).to_vec()
}

/// Whether two texts are equal, in a time that tells nothing but their lengths. Nothing equals
/// an empty text: a signature that is missing must not match one that could not be made.
#[must_use]
pub fn eq(a: &[u8], b: &[u8]) -> bool {
    !a.is_empty() && a.len() == b.len() && bool::from(a.ct_eq(b))
}

/// Unpredictable bytes; `None` for more than a kilobyte, or when the system has none to give.
#[must_use]
pub fn random(count: usize) -> Option<Vec<u8>> {
    if count > RANDOM_MAX {
        return None;
    }
    let mut bytes = vec![0; count];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hexed(bytes: &[u8]) -> String {
        hex::encode(bytes)
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        assert_eq!(
            hexed(&sha1(b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            hexed(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hexed(&md5(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn hmacs_are_those_of_the_standards() {
        // RFC 2202 and RFC 4231, the second case of each.
        let of = |hash| hexed(&hmac(hash, b"Jefe", b"what do ya want for nothing?").unwrap());
        assert_eq!(of(Hash::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            of(Hash::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(of(Hash::Sha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
    }

    #[test]
    fn an_empty_key_signs_nothing() {
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
            assert_eq!(hmac(hash, b"", b"data"), None);
        }
    }

    #[test]
    fn only_equal_texts_that_say_something_are_equal() {
        assert!(eq(b"same", b"same"));
        for (a, b) in [("same", "sama"), ("same", "sam"), ("", ""), ("", "a")] {
            assert!(!eq(a.as_bytes(), b.as_bytes()), "{a:?} {b:?}");
        }
    }

    #[test]
    fn chance_is_bounded_and_differs() {
        assert_eq!(random(0), Some(Vec::new()));
        assert_ne!(random(16), random(16));
        assert_eq!(random(1025), None);
    }
}
