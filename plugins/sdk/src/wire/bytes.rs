//! Bytes in JSON: standard base64 with padding.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Any bytes; base64 in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Bytes {
    #[must_use]
    pub fn to_base64(&self) -> String {
        let mut text = String::with_capacity(self.0.len().div_ceil(3) * 4);
        for chunk in self.0.chunks(3) {
            let mut three = [0; 3];
            three[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for place in 0..4 {
                if place <= chunk.len() {
                    let six = (bits >> (18 - 6 * place)) & 63;
                    text.push(char::from(ALPHABET[six as usize]));
                } else {
                    text.push('=');
                }
            }
        }
        text
    }

    /// `None` for anything but the one right spelling.
    #[must_use]
    pub fn of_base64(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if !text.len().is_multiple_of(4) {
            return None;
        }
        let padding = text.iter().rev().take_while(|c| **c == b'=').count();
        if padding > 2 {
            return None;
        }
        let digits = &text[..text.len() - padding];
        let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
        for four in digits.chunks(4) {
            let mut bits = 0u32;
            for (place, digit) in four.iter().enumerate() {
                bits |= value(*digit)? << (18 - 6 * place);
            }
            let [_, three @ ..] = bits.to_be_bytes();
            let whole = four.len() - 1;
            // What is left over behind the last whole byte has to be zero.
            if three[whole..].iter().any(|byte| *byte != 0) {
                return None;
            }
            bytes.extend_from_slice(&three[..whole]);
        }
        Some(Self(bytes))
    }
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::of_base64(&text).ok_or_else(|| D::Error::custom("this is not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    const VECTORS: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    #[test]
    fn the_standards_vectors_hold_both_ways() {
        for (plain, coded) in VECTORS {
            let bytes = Bytes(plain.as_bytes().to_vec());
            assert_eq!(bytes.to_base64(), coded);
            assert_eq!(Bytes::of_base64(coded), Some(bytes));
        }
        let all = Bytes((0..=255).collect());
        assert_eq!(Bytes::of_base64(&all.to_base64()), Some(all));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "Zg", "Zg=", "Zh==", "Z===", "====", "Zm 9", "Zm9v\n", "Zm9_", "Z=9v",
        ] {
            assert_eq!(Bytes::of_base64(text), None, "{text}");
        }
    }
}
