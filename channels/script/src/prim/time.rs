//! Instants as platforms write them, in milliseconds since 1970, UTC.

use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::{rfc2822, strtime},
    tz::TimeZone,
};

/// Longest text or format that is looked at, in bytes.
const TEXT_MAX: usize = 200;

/// The instant a text names. `format` is `rfc3339`, `rfc2822` or a pattern as of strftime, which
/// names a time in UTC where it has no offset. `None` when the text does not fit.
#[must_use]
pub fn parse(text: &str, format: &str) -> Option<i64> {
    if text.len() > TEXT_MAX || format.len() > TEXT_MAX {
        return None;
    }
    let instant: Timestamp = match format {
        "rfc3339" => text.parse().ok()?,
        "rfc2822" => rfc2822::parse(text).ok()?.timestamp(),
        pattern => {
            let parsed = strtime::parse(pattern, text).ok()?;
            match parsed.to_timestamp() {
                Ok(instant) => instant,
                Err(_) => {
                    let civil: DateTime = parsed
                        .to_datetime()
                        .or_else(|_| parsed.to_date().map(|day| day.at(0, 0, 0, 0)))
                        .ok()?;
                    civil.to_zoned(TimeZone::UTC).ok()?.timestamp()
                }
            }
        }
    };
    Some(instant.as_millisecond())
}

/// The instant as text, in UTC; the formats are those of [`parse`]. `None` for an instant outside
/// the calendar or a pattern that is none.
#[must_use]
pub fn format(ms: i64, format: &str) -> Option<String> {
    if format.len() > TEXT_MAX {
        return None;
    }
    let instant = Timestamp::from_millisecond(ms).ok()?;
    match format {
        "rfc3339" => Some(instant.to_string()),
        "rfc2822" => rfc2822::to_string(&instant.to_zoned(TimeZone::UTC)).ok(),
        pattern => {
            let broken = strtime::BrokenDownTime::from(&instant.to_zoned(TimeZone::UTC));
            broken.to_string(pattern).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_platforms_write_them() {
        let at = 1_700_000_000_000;
        for (text, format) in [
            ("2023-11-14T22:13:20Z", "rfc3339"),
            ("2023-11-15T06:13:20+08:00", "rfc3339"),
            ("Tue, 14 Nov 2023 22:13:20 +0000", "rfc2822"),
            ("2023-11-14 22:13:20", "%Y-%m-%d %H:%M:%S"),
            ("2023-11-15 06:13:20 +0800", "%Y-%m-%d %H:%M:%S %z"),
        ] {
            assert_eq!(parse(text, format), Some(at), "{text}");
        }
        assert_eq!(parse("20231114", "%Y%m%d"), Some(1_699_920_000_000));
        for bad in ["", "2023", "2023-11-14T22:13:20", "now", "1700000000"] {
            assert_eq!(parse(bad, "rfc3339"), None, "{bad:?}");
        }
        assert_eq!(parse(&"9".repeat(300), "rfc3339"), None);
    }

    #[test]
    fn instants_are_written_in_utc() {
        let at = 1_700_000_000_123;
        assert_eq!(format(at, "rfc3339").unwrap(), "2023-11-14T22:13:20.123Z");
        assert_eq!(
            format(at, "rfc2822").unwrap(),
            "Tue, 14 Nov 2023 22:13:20 +0000"
        );
        assert_eq!(format(at, "%Y%m%d").unwrap(), "20231114");
        assert_eq!(format(i64::MAX, "rfc3339"), None);
        assert_eq!(format(at, "%"), None);
    }
}
