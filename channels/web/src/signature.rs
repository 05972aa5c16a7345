//! What we sign and what others sign: visitor tokens, file links, references to uploads, and the
//! business's word on who is logged in. HMAC-SHA256 throughout, compared in constant time.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use tandem_channel_kit::Account;
use tandem_domain::{FileId, LaneId, Locale, Map, Timestamp, Value};

use crate::config::Config;

/// Longest token that is looked at.
const TOKEN_MAX: usize = 4096;

/// What a visitor's token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// Names the visitor, and with it the conversation.
    #[serde(rename = "v")]
    pub id: String,
    /// Who the business said this is.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which of the business's statements about the user we have passed on.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
}

/// A stored upload, for its visitor to put into a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub id: FileId,
    pub lane: LaneId,
    pub name: String,
    pub mime: String,
    pub size: u64,
}

/// Who is logged in, signed by the business.
///
/// `hash` is the HMAC-SHA256, in hex, of the JSON of all other fields with sorted keys, no spaces
/// and no escapes but the needed ones; in Python
/// `json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub id: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub locale: Option<Locale>,
    pub attributes: Map,
    /// Changes with anything in it.
    pub digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("it is not a token of ours")]
    Forged,
    #[error("the token has expired")]
    Expired,
    #[error("identities are not set up for this account")]
    NotConfigured,
}

/// The keys of one account.
pub struct Keys {
    account: String,
    keys: Vec<(String, Hmac<Sha256>)>,
    identity: Option<Hmac<Sha256>>,
}

impl Keys {
    /// The config's own [`validate`](Config::validate) has seen to it that there is a key.
    #[must_use]
    pub fn new(account: &Account, config: &Config) -> Self {
        let mac = |secret: &str| {
            Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .expect("HMAC takes keys of any length")
        };
        Self {
            account: format!("{}/{}", account.workspace, account.id),
            keys: config
                .keys
                .iter()
                .map(|k| (k.id.clone(), mac(&k.secret)))
                .collect(),
            identity: config.identity_secret.as_deref().map(mac),
        }
    }

    #[must_use]
    pub fn visitor_token(&self, visitor: &Visitor) -> String {
        self.sign("visitor", visitor)
    }

    /// # Errors
    /// `Forged` for anything this account did not sign, `Expired` for what it did long ago.
    pub fn visitor(&self, token: &str, now: Timestamp) -> Result<Visitor, SignatureError> {
        let visitor: Visitor = self.open("visitor", token)?;
        if visitor.expires_at <= now {
            return Err(SignatureError::Expired);
        }
        Ok(visitor)
    }

    #[must_use]
    pub fn upload_token(&self, upload: &Upload) -> String {
        self.sign("upload", upload)
    }

    /// # Errors
    /// `Forged`, also for another lane's upload.
    pub fn upload(&self, token: &str, lane: LaneId) -> Result<Upload, SignatureError> {
        let upload: Upload = self.open("upload", token)?;
        if upload.lane != lane {
            return Err(SignatureError::Forged);
        }
        Ok(upload)
    }

    /// What a link to the file carries to be opened by anyone until `until`.
    #[must_use]
    pub fn file_signature(&self, id: FileId, until: Timestamp) -> String {
        self.sign("file", &(id, until))
    }

    /// # Errors
    /// `Forged` when it was not made for this file, `Expired` when its time is over.
    pub fn file(&self, id: FileId, signature: &str, now: Timestamp) -> Result<(), SignatureError> {
        let (file, until): (FileId, Timestamp) = self.open("file", signature)?;
        if file != id {
            return Err(SignatureError::Forged);
        }
        if until <= now {
            return Err(SignatureError::Expired);
        }
        Ok(())
    }

    /// Believes an identity that the business signed.
    ///
    /// # Errors
    /// `Forged` when any field was changed, `Expired` when its `exp` (seconds since 1970) is over.
    pub fn identity(&self, claimed: &Value, now: Timestamp) -> Result<Identity, SignatureError> {
        let key = self
            .identity
            .as_ref()
            .ok_or(SignatureError::NotConfigured)?;
        let fields = claimed.as_object().ok_or(SignatureError::Forged)?;
        let hash = fields
            .get("hash")
            .and_then(Value::as_str)
            .and_then(unhex)
            .ok_or(SignatureError::Forged)?;
        let mut signed = fields.clone();
        signed.remove("hash");
        let mut mac = key.clone();
        mac.update(canonical(&Value::Object(signed)).as_bytes());
        mac.verify_slice(&hash)
            .map_err(|_| SignatureError::Forged)?;
        if let Some(exp) = fields.get("exp") {
            let exp = exp.as_i64().ok_or(SignatureError::Forged)?;
            if exp.saturating_mul(1000) <= now.0 {
                return Err(SignatureError::Expired);
            }
        }
        let text = |name: &str| {
            fields
                .get(name)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty() && t.len() <= 512)
                .map(str::to_owned)
        };
        Ok(Identity {
            id: text("id").ok_or(SignatureError::Forged)?,
            name: text("name"),
            email: text("email"),
            locale: text("locale").map(|l| Locale::new(&l)),
            attributes: fields
                .get("attributes")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            digest: BASE64.encode(&hash[..9]),
        })
    }

    /// `v1.KEY.PAYLOAD.MAC`. The purpose and the account are signed but not carried, so that one
    /// thing we signed never passes for another.
    fn sign<T: Serialize>(&self, purpose: &str, what: &T) -> String {
        let payload = serde_json::to_vec(what).expect("plain structs serialise");
        let payload = BASE64.encode(payload);
        let (id, key) = self.keys.first().expect("a config without keys is refused");
        let mac = BASE64.encode(self.mac(key, purpose, &payload).finalize().into_bytes());
        format!("v1.{id}.{payload}.{mac}")
    }

    fn open<T: DeserializeOwned>(&self, purpose: &str, token: &str) -> Result<T, SignatureError> {
        if token.len() > TOKEN_MAX {
            return Err(SignatureError::Forged);
        }
        let mut fields = token.split('.');
        let (Some("v1"), Some(id), Some(payload), Some(mac), None) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            return Err(SignatureError::Forged);
        };
        let (_, key) = self
            .keys
            .iter()
            .find(|(known, _)| known == id)
            .ok_or(SignatureError::Forged)?;
        let mac = BASE64.decode(mac).map_err(|_| SignatureError::Forged)?;
        self.mac(key, purpose, payload)
            .verify_slice(&mac)
            .map_err(|_| SignatureError::Forged)?;
        let payload = BASE64.decode(payload).map_err(|_| SignatureError::Forged)?;
        serde_json::from_slice(&payload).map_err(|_| SignatureError::Forged)
    }

    fn mac(&self, key: &Hmac<Sha256>, purpose: &str, payload: &str) -> Hmac<Sha256> {
        let mut mac = key.clone();
        // Neither a purpose nor an account id holds a line break.
        for field in [purpose, &self.account, payload] {
            mac.update(field.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

/// The JSON of a value with sorted keys, whatever order its maps keep.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            let fields: Vec<String> = keys
                .into_iter()
                .map(|k| format!("{}:{}", Value::String(k.clone()), canonical(&fields[k])))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        plain => plain.to_string(),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_channel_kit::fake;

    use super::*;
    use crate::config::Key;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn config(ids: &[&str]) -> Config {
        Config {
            keys: ids
                .iter()
                .map(|id| Key {
                    id: (*id).to_owned(),
                    secret: format!("{id}{}", "s".repeat(32)),
                })
                .collect(),
            identity_secret: Some("the shop's own secret".to_owned()),
            ..Config::default()
        }
    }

    fn keys(account: &str, ids: &[&str]) -> Keys {
        Keys::new(&fake::account("web", account), &config(ids))
    }

    fn visitor() -> Visitor {
        Visitor {
            id: "v1".to_owned(),
            user: None,
            name: None,
            told: None,
            expires_at: Timestamp(2_000_000),
        }
    }

    #[test]
    fn a_token_opens_until_it_expires() {
        let keys = keys("a", &["k1"]);
        let token = keys.visitor_token(&visitor());
        assert_eq!(keys.visitor(&token, NOW), Ok(visitor()));
        assert_eq!(
            keys.visitor(&token, Timestamp(2_000_000)),
            Err(SignatureError::Expired)
        );
    }

    #[test]
    fn no_changed_or_foreign_token_opens() {
        let own = keys("a", &["k1"]);
        let token = own.visitor_token(&visitor());
        for i in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[i] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            // The last letter of unpadded base64 has bits that mean nothing; the decoder refuses
            // them, so no second spelling opens either.
            assert!(own.visitor(&changed, NOW).is_err(), "{changed}");
        }
        assert!(keys("b", &["k1"]).visitor(&token, NOW).is_err());
        assert!(keys("a", &["k2"]).visitor(&token, NOW).is_err());
        for junk in [
            "",
            "....",
            "v1.k1..",
            "v1.k1.e30.AAAA",
            "a.b.c",
            &"x".repeat(9000),
        ] {
            assert_eq!(own.visitor(junk, NOW), Err(SignatureError::Forged));
        }
    }

    #[test]
    fn one_purpose_never_passes_for_another() {
        let keys = keys("a", &["k1"]);
        let id = FileId::fresh();
        let link = keys.file_signature(id, Timestamp(2_000_000));
        assert_eq!(keys.file(id, &link, NOW), Ok(()));
        assert!(keys.file(FileId::fresh(), &link, NOW).is_err());
        assert!(keys.file(id, &link, Timestamp(3_000_000)).is_err());
        assert!(keys.visitor(&link, NOW).is_err());
        assert!(keys.file(id, &keys.visitor_token(&visitor()), NOW).is_err());
    }

    #[test]
    fn an_old_key_is_believed_while_it_is_listed() {
        let before = keys("a", &["k1"]).visitor_token(&visitor());
        let rotated = keys("a", &["k2", "k1"]);
        assert!(rotated.visitor(&before, NOW).is_ok());
        assert!(rotated.visitor_token(&visitor()).starts_with("v1.k2."));
        assert!(keys("a", &["k2"]).visitor(&before, NOW).is_err());
    }

    fn signed(mut identity: Value) -> Value {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"the shop's own secret").unwrap();
        mac.update(canonical(&identity).as_bytes());
        let hash: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        identity["hash"] = json!(hash);
        identity
    }

    #[test]
    fn the_business_says_who_is_logged_in() {
        let keys = keys("a", &["k1"]);
        let ann = signed(json!({"id": "42", "name": "安娜", "attributes": {"tier": "gold"}}));
        let identity = keys.identity(&ann, NOW).unwrap();
        assert_eq!(
            (identity.id.as_str(), identity.name.as_deref()),
            ("42", Some("安娜"))
        );
        assert_eq!(identity.attributes["tier"], "gold");

        let mut forged = ann.clone();
        forged["attributes"]["tier"] = json!("platinum");
        assert_eq!(keys.identity(&forged, NOW), Err(SignatureError::Forged));
        let mut extra = ann;
        extra["email"] = json!("x@x.test");
        assert_eq!(keys.identity(&extra, NOW), Err(SignatureError::Forged));
        let old = signed(json!({"id": "42", "exp": 900}));
        assert_eq!(keys.identity(&old, NOW), Err(SignatureError::Expired));
        assert_eq!(
            keys.identity(&json!("42"), NOW),
            Err(SignatureError::Forged)
        );
    }

    #[test]
    fn an_identity_signed_in_python_is_believed() {
        // hmac.new(b"the shop's own secret", json.dumps(identity, sort_keys=True,
        // separators=(",", ":"), ensure_ascii=False).encode(), "sha256").hexdigest(), Python 3.
        let identity = json!({
            "name": "Zoë 周 \"Z\"", "id": "7", "attributes": {"since": 2019, "b2b": true, "a": null},
            "hash": PYTHON_HASH,
        });
        assert!(keys("a", &["k1"]).identity(&identity, NOW).is_ok());
    }

    const PYTHON_HASH: &str = "4101c493b8239392f0e6c4f3113f5009a8465ec31bd52e9163dc5b451d93e1b7";
}
