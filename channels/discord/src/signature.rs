//! What Discord signs: the time and the body of an interaction, with Ed25519.

use std::time::Duration;

use ring::signature::{ED25519, UnparsedPublicKey};
use tandem_domain::Timestamp;

use crate::config::PublicKey;

/// How far the signed time may be from ours. Discord waits three seconds and does not repeat.
const WINDOW: Duration = Duration::from_secs(300);

/// Whether Discord signed it, a moment ago.
#[must_use]
pub fn is_signed(
    key: &PublicKey,
    timestamp: &[u8],
    signature: &[u8],
    body: &[u8],
    now: Timestamp,
) -> bool {
    let Some(at) = seconds(timestamp) else {
        return false;
    };
    let off = now.since(at).max(at.since(now));
    let mut bytes = [0; 64];
    // Capitals would be a second form of one signature.
    let plain = signature.iter().all(|b| !b.is_ascii_uppercase());
    if off > WINDOW || !plain || hex::decode_to_slice(signature, &mut bytes).is_err() {
        return false;
    }
    let signed = [timestamp, body].concat();
    UnparsedPublicKey::new(&ED25519, key.0)
        .verify(&signed, &bytes)
        .is_ok()
}

/// A time that is nothing but digits.
fn seconds(text: &[u8]) -> Option<Timestamp> {
    if text.is_empty() || text.len() > 12 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Timestamp(seconds.checked_mul(1000)?))
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn only_a_signature_of_a_moment_ago_counts() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = PublicKey(pair.public_key().as_ref().try_into().unwrap());
        let signature = hex::encode(pair.sign(b"1760000000{}"));
        let judge = |timestamp: &str, signature: &str, body: &str, now: i64| {
            let (timestamp, signature) = (timestamp.as_bytes(), signature.as_bytes());
            is_signed(&key, timestamp, signature, body.as_bytes(), Timestamp(now))
        };
        let now = 1_760_000_000_000;
        assert!(judge("1760000000", &signature, "{}", now));
        assert!(judge("1760000000", &signature, "{}", now + 300_000));
        assert!(!judge("1760000000", &signature, "{}", now + 300_001));
        assert!(!judge("1760000000", &signature, "{}", now - 300_001));
        assert!(!judge("1760000000", &signature, "{ }", now));
        assert!(!judge("176000000", &signature, "0{}", now));
        assert!(!judge("1760000000", &signature.to_uppercase(), "{}", now));
        assert!(!judge("1760000000", "", "{}", now));
        assert!(!judge("+1760000000", &signature, "{}", now));
    }
}
