//! How the platform signs: SHA-1 over the sorted parts, of which one is a secret token.
//!
//! In the encrypted mode the sealed message is among the parts. In the plain mode nothing of the
//! body is: who has seen one such signature can put it before any message.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use subtle::ConstantTimeEq as _;

/// The signature of these parts, in hex.
#[must_use]
pub fn sign(parts: &[&str]) -> String {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    hex::encode(digest(
        &SHA1_FOR_LEGACY_USE_ONLY,
        sorted.concat().as_bytes(),
    ))
}

/// Whether this is the signature of these parts; an empty one never is. Takes the same time for
/// every wrong one.
#[must_use]
pub fn admits(given: &str, parts: &[&str]) -> bool {
    !given.is_empty() && bool::from(given.as_bytes().ct_eq(sign(parts).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_parts_does_not_count_and_every_letter_does() {
        let signature = sign(&["token", "1760000000", "nonce"]);
        assert_eq!(signature, sign(&["nonce", "token", "1760000000"]));
        assert!(admits(&signature, &["token", "1760000000", "nonce"]));
        assert!(!admits(
            &signature.to_uppercase(),
            &["token", "1760000000", "nonce"]
        ));
        assert!(!admits(&signature, &["token", "1760000001", "nonce"]));
        assert!(!admits("", &["token", "1760000000", "nonce"]));
    }
}
