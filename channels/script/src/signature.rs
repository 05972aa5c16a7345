//! What the host itself checks of a request, and what it signs: the age of a signed time, and the
//! links under which platforms fetch media.

use ring::hmac;
use tandem_channel_kit::Account;
use tandem_domain::{FileId, Timestamp};

use crate::{
    caps::{Replay, TimeUnit},
    prim::{codec, digest},
    request::Request,
};

/// The time a request says it was signed at; `None` unless it is nothing but digits.
#[must_use]
pub fn signed_at(request: &Request, replay: &Replay) -> Option<Timestamp> {
    let text = match replay.timestamp.strip_prefix("query.") {
        Some(name) => request.query(name),
        None => request.header(&replay.timestamp),
    }?;
    if text.is_empty() || text.len() > 15 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Timestamp(match replay.unit {
        TimeUnit::S => number.checked_mul(1000)?,
        TimeUnit::Ms => number,
    }))
}

/// Whether the signed time is within the window, in either direction.
#[must_use]
pub fn is_fresh(request: &Request, replay: &Replay) -> bool {
    signed_at(request, replay).is_some_and(|at| {
        let off = request.now.0.saturating_sub(at.0).unsigned_abs();
        off <= u64::from(replay.window) * 1000
    })
}

/// Signs links to stored files, for one account.
pub(crate) struct Links {
    key: hmac::Key,
    scope: String,
}

impl Links {
    pub fn new(key: &[u8], account: &Account) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            scope: format!("{}/{}/{}", account.workspace, account.channel, account.id),
        }
    }

    /// `until.signature`, for the link's end.
    pub fn sign(&self, file: FileId, until: Timestamp) -> String {
        let mac = hmac::sign(&self.key, self.signed(file, until).as_bytes());
        format!("{}.{}", until.0, codec::base64url_encode(mac.as_ref()))
    }

    /// Whether we signed it for this file, and its time is not over.
    pub fn admits(&self, file: FileId, signature: &str, now: Timestamp) -> bool {
        let Some((until, _)) = signature.split_once('.') else {
            return false;
        };
        let Ok(until) = until.parse().map(Timestamp) else {
            return false;
        };
        digest::eq(self.sign(file, until).as_bytes(), signature.as_bytes()) && now < until
    }

    fn signed(&self, file: FileId, until: Timestamp) -> String {
        format!("file\n{}\n{file}\n{}", self.scope, until.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tandem_channel_kit::fake;

    use super::*;

    #[test]
    fn only_digits_within_the_window_are_fresh() {
        let replay = |timestamp: &str, unit| Replay {
            timestamp: timestamp.to_owned(),
            unit,
            window: 300,
        };
        let fresh = |text: &str, now: i64| {
            let url = format!("https://x.test/?t={}000", text.replace('+', "%2B"));
            let request = Request::new(
                "POST",
                &url,
                [("x-time", text.as_bytes())],
                Bytes::new(),
                Timestamp(now),
            );
            let header = is_fresh(&request, &replay("x-time", TimeUnit::S));
            let query = is_fresh(&request, &replay("query.t", TimeUnit::Ms));
            assert_eq!(header, query, "{text}");
            header
        };
        let now = 1_700_000_000_000;
        assert!(fresh("1700000000", now));
        assert!(fresh("1700000000", now + 300_000));
        assert!(fresh("1700000000", now - 300_000));
        assert!(!fresh("1700000000", now + 300_001));
        assert!(!fresh("1700000000", now - 300_001));
        for bad in [
            "",
            "+1700000000",
            " 1700000000",
            "1700000000.0",
            "17e8",
            "-1",
            "99999999999999999999",
        ] {
            assert!(!fresh(bad, now), "{bad}");
        }
    }

    #[test]
    fn a_link_opens_its_own_file_for_a_while() {
        let links = Links::new(&[7; 32], &fake::account("line", "a"));
        let (file, other) = (FileId::fresh(), FileId::fresh());
        let signature = links.sign(file, Timestamp(100));
        assert!(links.admits(file, &signature, Timestamp(99)));
        assert!(!links.admits(file, &signature, Timestamp(100)));
        assert!(!links.admits(other, &signature, Timestamp(99)));
        assert!(!links.admits(file, &signature.replace("100.", "999."), Timestamp(99)));
        let elsewhere = Links::new(&[7; 32], &fake::account("line", "b"));
        assert!(!elsewhere.admits(file, &signature, Timestamp(99)));
    }
}
