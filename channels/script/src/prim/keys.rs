//! Signatures with keys in two halves: Ed25519, RSA, and the tokens signed with such keys.

use ring::{
    rand::SystemRandom,
    signature::{
        self, ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use tandem_domain::{Map, Value};

use super::codec::{base64_decode, base64url_decode};

/// Longest token that is looked at, in bytes.
const TOKEN_MAX: usize = 16 << 10;

/// `None` unless the seed has 32 bytes.
#[must_use]
pub fn ed25519_sign(seed: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    Some(pair.sign(data).as_ref().to_vec())
}

/// The public half; `None` unless the seed has 32 bytes.
#[must_use]
pub fn ed25519_public(seed: &[u8]) -> Option<Vec<u8>> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

#[must_use]
pub fn ed25519_verify(public: &[u8], data: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public)
        .verify(data, signature)
        .is_ok()
}

/// PKCS#1 v1.5 over SHA-256, with a private key in PEM (PKCS#8, or PKCS#1). `None` when it is
/// none, or has fewer than 2048 bits.
#[must_use]
pub fn rsa_sign(pem: &str, data: &[u8]) -> Option<Vec<u8>> {
    let (label, der) = unwrap_pem(pem)?;
    let pair = match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
        _ => return None,
    };
    let pair = pair.ok()?;
    let mut out = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut out)
        .ok()?;
    Some(out)
}

/// With a public key in PEM: as certificates carry it, or PKCS#1.
#[must_use]
pub fn rsa_verify(pem: &str, data: &[u8], signature: &[u8]) -> bool {
    let Some((label, der)) = unwrap_pem(pem) else {
        return false;
    };
    let key = match label {
        "RSA PUBLIC KEY" => Some(der),
        "PUBLIC KEY" => inner_key(&der),
        _ => None,
    };
    key.is_some_and(|key| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(data, signature)
            .is_ok()
    })
}

/// What a token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    /// Seconds by which clocks may differ.
    pub leeway: i64,
    /// Milliseconds since 1970.
    pub now: i64,
}

/// The claims of a token signed with one of these keys (a JWK set), for us, and not expired.
/// RS256 and ES256 only; an algorithm is never taken on the token's word alone: the key must be
/// of its kind.
#[must_use]
pub fn jwt_verify(token: &str, keys: &Value, expected: &Expected<'_>) -> Option<Map> {
    if token.len() > TOKEN_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let signature = base64url_decode(signature.as_bytes())?;
    let header: Map = serde_json::from_slice(&base64url_decode(header.as_bytes())?).ok()?;
    if header.contains_key("crit") {
        return None;
    }
    let algorithm = header.get("alg")?.as_str()?;
    let kid = header.get("kid").and_then(Value::as_str);
    let good = keys.get("keys")?.as_array()?.iter().any(|key| {
        let named = kid.is_none() || key.get("kid").and_then(Value::as_str) == kid;
        named && signed_by(key, algorithm, signed.as_bytes(), &signature)
    });
    if !good {
        return None;
    }
    let claims: Map = serde_json::from_slice(&base64url_decode(claims.as_bytes())?).ok()?;
    let now = expected.now.div_euclid(1000);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let (now, leeway) = (now as f64, expected.leeway as f64);
    let live = time("exp").is_some_and(|until| now < until + leeway)
        && time("nbf").is_none_or(|from| now >= from - leeway);
    let issued = claims.get("iss").and_then(Value::as_str) == Some(expected.issuer);
    let ours = match claims.get("aud") {
        Some(Value::String(one)) => one == expected.audience,
        Some(Value::Array(many)) => many.iter().any(|one| one == expected.audience),
        _ => false,
    };
    (live && issued && ours).then_some(claims)
}

/// Whether a public JWK made the signature, with the algorithm of its own kind.
fn signed_by(key: &Value, algorithm: &str, data: &[u8], signature: &[u8]) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|field| base64url_decode(field.as_bytes()));
    match (algorithm, text("kty")) {
        ("RS256", Some("RSA")) => {
            let (Some(n), Some(e)) = (bytes("n"), bytes("e")) else {
                return false;
            };
            RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, data, signature)
                .is_ok()
        }
        ("ES256", Some("EC")) if text("crv") == Some("P-256") => {
            let (Some(x), Some(y)) = (bytes("x"), bytes("y")) else {
                return false;
            };
            let point = [&[4][..], &x, &y].concat();
            signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(data, signature)
                .is_ok()
        }
        _ => false,
    }
}

/// Label and content of the first block.
fn unwrap_pem(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, rest) = rest.split_once("-----END ")?;
    rest.starts_with(label).then_some(())?;
    let plain: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label, base64_decode(plain.as_bytes())?))
}

/// The RSA key inside a SubjectPublicKeyInfo: a sequence of an algorithm and a bit string.
fn inner_key(der: &[u8]) -> Option<Vec<u8>> {
    /// rsaEncryption without parameters but NULL.
    const RSA: &[u8] = &[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let (content, rest) = tlv(der, 0x30)?;
    let (algorithm, content) = tlv(content, 0x30)?;
    let (bits, after) = tlv(content, 0x03)?;
    let whole = rest.is_empty() && after.is_empty() && algorithm == RSA;
    let (unused, key) = bits.split_first()?;
    (whole && *unused == 0).then(|| key.to_vec())
}

/// The content of a DER value with this tag, and what follows it.
fn tlv(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let high = usize::from(*rest.first()?);
            (high << 8 | usize::from(*rest.get(1)?), &rest[2..])
        }
        _ => return None,
    };
    (*found == tag && rest.len() >= length).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prim::codec::base64url_encode;

    /// Made for these tests with OpenSSL 3; it guards nothing.
    const PRIVATE: &str = include_str!("testdata/rsa.pem");
    const PUBLIC: &str = include_str!("testdata/rsa.pub.pem");

    #[test]
    fn ed25519_is_that_of_the_standard() {
        // RFC 8032, 7.1, the second test.
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
            .unwrap();
        let public =
            hex::decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
                .unwrap();
        let signature = ed25519_sign(&seed, &[0x72]).unwrap();
        assert!(hex::encode(&signature).starts_with("92a009a9f0d4cab8720e820b5f642540"));
        assert_eq!(ed25519_public(&seed), Some(public.clone()));
        assert!(ed25519_verify(&public, &[0x72], &signature));
        assert!(!ed25519_verify(&public, &[0x73], &signature));
        assert!(!ed25519_verify(&public, &[0x72], &signature[..63]));
        assert!(!ed25519_verify(&public[..31], &[0x72], &signature));
        assert_eq!(ed25519_sign(&seed[..31], b""), None);
        assert_eq!(ed25519_public(b""), None);
    }

    #[test]
    fn rsa_signs_and_verifies() {
        let signature = rsa_sign(PRIVATE, b"data").unwrap();
        assert_eq!(signature.len(), 256);
        assert!(rsa_verify(PUBLIC, b"data", &signature));
        assert!(!rsa_verify(PUBLIC, b"date", &signature));
        assert!(!rsa_verify(PUBLIC, b"data", &signature[1..]));
        assert!(!rsa_verify(PRIVATE, b"data", &signature));
        assert_eq!(rsa_sign(PUBLIC, b"data"), None);
        for bad in ["", "-----BEGIN PUBLIC KEY-----", "x", &PUBLIC[..200]] {
            assert!(!rsa_verify(bad, b"data", &signature));
            assert_eq!(rsa_sign(bad, b""), None);
        }
    }

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url_encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = rsa_sign(PRIVATE, signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64url_encode(&signature))
    }

    fn key_set() -> Value {
        let (_, der) = unwrap_pem(PUBLIC).unwrap();
        let key = inner_key(&der).unwrap();
        let (content, _) = tlv(&key, 0x30).unwrap();
        let (n, rest) = tlv(content, 2).unwrap();
        let (e, _) = tlv(rest, 2).unwrap();
        let n = n.strip_prefix(&[0]).unwrap_or(n);
        json!({"keys": [
            {"kty": "RSA", "kid": "a", "n": base64url_encode(n), "e": base64url_encode(e)},
        ]})
    }

    #[test]
    fn a_token_is_believed_only_whole() {
        let keys = key_set();
        let expected = Expected {
            issuer: "them",
            audience: "us",
            leeway: 300,
            now: 1_700_000_000_000,
        };
        let header = json!({"alg": "RS256", "kid": "a"});
        let claims = json!({"iss": "them", "aud": ["x", "us"], "exp": 1_700_000_100, "n": 7});
        let read = |header: &Value, claims: &Value| {
            jwt_verify(&token(header, claims), &keys, &expected).is_some()
        };
        assert!(read(&header, &claims));
        let changed = |field: &str, value: Value| {
            let mut claims = claims.clone();
            claims[field] = value;
            claims
        };
        for wrong in [
            changed("iss", json!("others")),
            changed("aud", json!("you")),
            changed("aud", json!(null)),
            changed("exp", json!(1_699_999_600)),
            changed("exp", json!(null)),
            changed("nbf", json!(1_700_000_400)),
        ] {
            assert!(!read(&header, &wrong), "{wrong}");
        }
        assert!(
            read(&header, &changed("exp", json!(1_699_999_800))),
            "clocks differ"
        );
        for wrong in [
            json!({"alg": "none", "kid": "a"}),
            json!({"alg": "HS256", "kid": "a"}),
            json!({"alg": "ES256", "kid": "a"}),
            json!({"alg": "RS256", "kid": "b"}),
            json!({"alg": "RS256", "kid": "a", "crit": ["x"]}),
        ] {
            assert!(!read(&wrong, &claims), "{wrong}");
        }
        let good = token(&header, &claims);
        for bad in ["", ".", "..", &good[..good.len() - 2], &good[1..]] {
            assert_eq!(jwt_verify(bad, &keys, &expected), None);
        }
        assert_eq!(jwt_verify(&good, &json!({}), &expected), None);
    }
}
