//! Requests as a platform signs them: HMAC-SHA256 over `time.body`, both told in headers.

use axum::http::Method;
use hmac::{Hmac, KeyInit as _, Mac as _};
use tandem_channel_kit::conformance::webhook::Request;

/// A request to this address; the headers are those of the time and of the signature.
pub fn signed(uri: &str, headers: [&str; 2], key: &str, at: u64, body: Vec<u8>) -> Request {
    let time = at.to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&body);
    let digits = mac.finalize().into_bytes();
    let signature = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    let [of_time, of_signature] = headers.map(Into::into);
    Request {
        method: Method::POST,
        uri: uri.into(),
        headers: vec![(of_time, time), (of_signature, signature)],
        body,
    }
}
