//! The secret that Telegram repeats with every webhook. It is all that tells its requests from
//! anybody's: nothing is computed over the body.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header it stands in.
pub const HEADER: &str = "x-telegram-bot-api-secret-token";

/// Whether Telegram takes this as a secret.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The secret of an account whose operator set none. It says nothing of the token it is made of,
/// and changes with it.
#[must_use]
pub fn secret_of(token: &str, account: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("any key will do");
    mac.update(b"the secret of Telegram's webhook of ");
    mac.update(account.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Whether a request carries the secret; takes as long whatever it carries.
#[must_use]
pub fn matches(secret: &str, carried: Option<&[u8]>) -> bool {
    let carried = carried.unwrap_or_default();
    !secret.is_empty() && bool::from(secret.as_bytes().ct_eq(carried))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_secret_matches() {
        assert!(matches("s3cret", Some(b"s3cret")));
        for other in [None, Some(b"".as_slice()), Some(b"s3cre"), Some(b"s3cret ")] {
            assert!(!matches("s3cret", other));
        }
        assert!(!matches("", None));
        assert!(!matches("", Some(b"")));
    }

    #[test]
    fn a_secret_is_made_where_none_is_set() {
        let made = secret_of("123:abc", "shop");
        assert!(is_secret(&made) && !made.contains("abc"));
        assert_eq!(made, secret_of("123:abc", "shop"));
        assert_ne!(made, secret_of("123:abd", "shop"));
        assert_ne!(made, secret_of("123:abc", "shop2"));
        assert!(!is_secret("") && !is_secret("a b") && !is_secret(&"a".repeat(257)));
    }
}
