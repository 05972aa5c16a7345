//! What the host itself checks of a request: the age of a signed time.

use tandem_domain::Timestamp;

use crate::{
    caps::{Replay, TimeUnit},
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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
}
