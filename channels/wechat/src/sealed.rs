//! Messages as the platform seals them: AES-256-CBC over 16 random bytes, the length, the message
//! and the id of the account it is for.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use subtle::ConstantTimeEq as _;
use tandem_channel_kit::cipher;

use crate::{fields::element, signature};

/// Padding goes to blocks of so many bytes, twice as many as AES's own.
const BLOCK: usize = 32;
/// Random bytes before everything.
const RANDOM: usize = 16;
/// The length of the message, as a big-endian number.
const LENGTH: usize = 4;

/// The 43 characters of an EncodingAESKey hold 258 bits; the platform ignores the last two.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// What one account signs and seals with. Never shown.
#[derive(Clone)]
pub struct Seal {
    token: String,
    key: Vec<u8>,
    id: String,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A sealed message with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub encrypt: String,
    pub signature: String,
}

impl Sealed {
    /// The document that an answer in the platform's request is, made at this time.
    #[must_use]
    pub fn envelope(&self, timestamp: &str, nonce: &str) -> String {
        format!(
            "<xml>{}{}<TimeStamp>{timestamp}</TimeStamp>{}</xml>",
            element("Encrypt", &self.encrypt),
            element("MsgSignature", &self.signature),
            element("Nonce", nonce),
        )
    }
}

impl Seal {
    /// `id` is the app's or the company's: it stands inside what is sealed for it. `None` unless
    /// the key has 43 characters of Base64.
    #[must_use]
    pub fn new(token: &str, encoding_aes_key: &str, id: &str) -> Option<Self> {
        let key = KEY
            .decode(encoding_aes_key)
            .ok()
            .filter(|key| key.len() == 32)?;
        Some(Self {
            token: token.to_owned(),
            key,
            id: id.to_owned(),
        })
    }

    /// Whether the platform signed this sealed message.
    #[must_use]
    pub fn admits(&self, signature: &str, timestamp: &str, nonce: &str, encrypt: &str) -> bool {
        let whole = [timestamp, nonce, encrypt]
            .iter()
            .all(|part| !part.is_empty());
        whole && signature::admits(signature, &[&self.token, timestamp, nonce, encrypt])
    }

    /// Whether the platform signed time and nonce; of a body that says nothing.
    #[must_use]
    pub fn admits_plain(&self, signature: &str, timestamp: &str, nonce: &str) -> bool {
        let whole = !timestamp.is_empty() && !nonce.is_empty();
        whole && signature::admits(signature, &[&self.token, timestamp, nonce])
    }

    /// The message inside. `None` for what was not sealed with this key for this account.
    #[must_use]
    pub fn open(&self, encrypt: &str) -> Option<Vec<u8>> {
        let sealed = STANDARD.decode(encrypt).ok()?;
        let mut plain = cipher::decrypt(&self.key, &self.key[..16], &sealed, BLOCK)
            .ok()
            .flatten()?;
        let length = plain.get(RANDOM..RANDOM + LENGTH)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let end = (RANDOM + LENGTH).checked_add(length)?;
        let id = plain.get(end..)?;
        if !bool::from(id.ct_eq(self.id.as_bytes())) {
            return None;
        }
        plain.truncate(end);
        Some(plain.split_off(RANDOM + LENGTH))
    }

    /// Seals and signs a message. `random` must differ each time.
    #[must_use]
    pub fn seal(
        &self,
        message: &[u8],
        random: [u8; RANDOM],
        timestamp: &str,
        nonce: &str,
    ) -> Sealed {
        let length = u32::try_from(message.len()).expect("a message is far shorter than 4 GB");
        let mut plain = random.to_vec();
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(message);
        plain.extend_from_slice(self.id.as_bytes());
        let sealed = cipher::encrypt(&self.key, &self.key[..16], &plain, BLOCK)
            .expect("a key of 32 bytes is one of AES");
        let encrypt = STANDARD.encode(sealed);
        let signature = signature::sign(&[&self.token, timestamp, nonce, &encrypt]);
        Sealed { encrypt, signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    fn seal(id: &str) -> Seal {
        Seal::new("token", KEY, id).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_account_alone() {
        for length in [0, 1, 31, 32, 33, 1000] {
            let message = vec![b'x'; length];
            let sealed = seal("wx1").seal(&message, [7; 16], "1", "n");
            assert!(seal("wx1").admits(&sealed.signature, "1", "n", &sealed.encrypt));
            assert_eq!(seal("wx1").open(&sealed.encrypt), Some(message));
            assert_eq!(seal("wx2").open(&sealed.encrypt), None);
            assert_eq!(seal("wx").open(&sealed.encrypt), None);
        }
    }

    #[test]
    fn a_key_has_43_characters() {
        assert!(Seal::new("token", &KEY[1..], "wx1").is_none());
        assert!(Seal::new("token", &KEY.replace('a', "*"), "wx1").is_none());
        assert!(!format!("{:?}", seal("wx1")).contains("token"));
    }

    #[test]
    fn what_was_never_sealed_does_not_open() {
        for bad in [
            "",
            "AAAA",
            "not Base64",
            &STANDARD.encode([0; 64]),
            &STANDARD.encode([9; 31]),
        ] {
            assert_eq!(seal("wx1").open(bad), None, "{bad}");
        }
        // A length beyond what is there.
        let mut plain = vec![1; 16];
        plain.extend_from_slice(&u32::MAX.to_be_bytes());
        plain.extend_from_slice(b"wx1");
        let own = seal("wx1");
        let sealed = cipher::encrypt(&own.key, &own.key[..16], &plain, BLOCK).unwrap();
        assert_eq!(own.open(&STANDARD.encode(sealed)), None);
    }
}
