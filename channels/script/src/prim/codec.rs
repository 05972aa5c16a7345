//! Bytes as text and back: base64, hex, percent escapes, forms.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Padding may be missing, and the bits that the last character has to spare may be anything:
/// keys that platforms hand out are written so.
const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, TOLERANT);
const BASE64URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, TOLERANT.with_encode_padding(false));
/// What a component of a URL carries as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// Fields of a form that are looked at.
const FIELDS_MAX: usize = 1000;

/// A form's fields in their order, decoded; names may repeat, and bytes need not be UTF-8.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[must_use]
pub fn base64_encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[must_use]
pub fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

#[must_use]
pub fn base64url_encode(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

#[must_use]
pub fn base64url_decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

#[must_use]
pub fn hex_encode(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

#[must_use]
pub fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    hex::decode(text).ok()
}

#[must_use]
pub fn url_encode(bytes: &[u8]) -> String {
    percent_encode(bytes, COMPONENT).to_string()
}

/// `None` where a percent sign is not followed by two hex digits.
#[must_use]
pub fn url_decode(text: &[u8]) -> Option<Vec<u8>> {
    unescape(text, false)
}

/// As `application/x-www-form-urlencoded`: a space is `+`.
#[must_use]
pub fn form_encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        let plus = |bytes: &[u8]| url_encode(bytes).replace("%20", "+");
        out.push_str(&plus(name.as_ref()));
        out.push('=');
        out.push_str(&plus(value.as_ref()));
    }
    out
}

/// The fields of a form or a query. `None` for a bad escape or more fields than anyone sends.
#[must_use]
pub fn form_decode(text: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    for field in text.split(|b| *b == b'&').filter(|f| !f.is_empty()) {
        if fields.len() == FIELDS_MAX {
            return None;
        }
        let at = field.iter().position(|b| *b == b'=');
        let (name, value) = match at {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &[][..]),
        };
        fields.push((unescape(name, true)?, unescape(value, true)?));
    }
    Some(fields)
}

fn unescape(text: &[u8], plus: bool) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (high, low) = (digit(after.first()?)?, digit(after.get(1)?)?);
                out.push(u8::try_from(high * 16 + low).ok()?);
                rest = &after[2..];
            }
            b'+' if plus => out.push(b' '),
            other => out.push(*other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_there_and_back() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", b"\xff\xfe\x00"] {
            assert_eq!(
                base64_decode(base64_encode(bytes).as_bytes()).as_deref(),
                Some(bytes)
            );
            assert_eq!(
                base64url_decode(base64url_encode(bytes).as_bytes()).as_deref(),
                Some(bytes)
            );
        }
        assert_eq!(base64_encode(b"\xff\xfe"), "//4=");
        assert_eq!(base64url_encode(b"\xff\xfe"), "__4");
    }

    #[test]
    fn base64_takes_what_platforms_write_and_nothing_else() {
        assert_eq!(base64_decode(b"//4").as_deref(), Some(&b"\xff\xfe"[..]));
        assert_eq!(base64_decode(b"//5=").as_deref(), Some(&b"\xff\xfe"[..]));
        let key = "G".repeat(43);
        assert_eq!(
            base64_decode(format!("{key}=").as_bytes()).unwrap().len(),
            32
        );
        for bad in ["__4=", "a", "ab\n", "YWJj!", "YWJj=YWJj", "YWJj =="] {
            assert_eq!(base64_decode(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(base64url_decode(b"//4"), None);
    }

    #[test]
    fn hex_takes_both_cases_and_whole_bytes() {
        assert_eq!(hex_decode(b"00fFAb").as_deref(), Some(&b"\x00\xff\xab"[..]));
        for bad in ["0", "0g", "00 ", " 00"] {
            assert_eq!(hex_decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn urls_are_escaped_in_all_but_plain_characters() {
        assert_eq!(
            url_encode("a-b_c.d~e f/é".as_bytes()),
            "a-b_c.d~e%20f%2F%C3%A9"
        );
        assert_eq!(url_decode(b"%C3%a9+").as_deref(), Some("é+".as_bytes()));
        for bad in ["%", "%4", "%4g", "a%"] {
            assert_eq!(url_decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn forms_keep_order_repeats_and_bytes() {
        let fields = form_decode(b"b=2&a=%ff+1&b=3&c&=x&&d=").unwrap();
        let expected: Fields = [
            (&b"b"[..], &b"2"[..]),
            (b"a", b"\xff 1"),
            (b"b", b"3"),
            (b"c", b""),
            (b"", b"x"),
            (b"d", b""),
        ]
        .map(|(n, v)| (n.to_vec(), v.to_vec()))
        .to_vec();
        assert_eq!(fields, expected);
        assert_eq!(form_encode(fields), "b=2&a=%FF+1&b=3&c=&=x&d=");
        assert_eq!(form_decode(b"a=%zz"), None);
        assert_eq!(form_decode("a&".repeat(1001).as_bytes()), None);
    }
}
