//! Calendar arithmetic in the pack's time zone: durations, opening hours, quiet hours.

use jiff::{
    ToSpan, Zoned,
    civil::{Date, Time},
    tz::TimeZone,
};
use tandem_domain::Timestamp;

use crate::model::{Duration, Hours};

/// `now` plus a duration: its days keep the wall clock, the rest is exact.
#[must_use]
pub fn add(now: Timestamp, span: Duration, zone: &TimeZone) -> Timestamp {
    let days = i64::from(span.days.min(36_500)).days();
    let moved = now
        .to_jiff()
        .to_zoned(zone.clone())
        .checked_add(days)
        .map_or(now, |z| Timestamp::from(z.timestamp()));
    moved + std::time::Duration::from_millis(span.ms)
}

/// All of it in milliseconds, days as 24 hours.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::from(span.days)
        .saturating_mul(86_400_000)
        .saturating_add(span.ms)
}

#[must_use]
pub fn is_open(hours: &Hours, now: Timestamp, zone: &TimeZone) -> bool {
    let here = now.to_jiff().to_zoned(zone.clone());
    let (date, time) = (here.date(), here.time());
    spans(hours, date).any(|(from, to)| {
        // "00:00" as an end is the end of the day.
        from <= time && (time < to || to == Time::midnight())
    })
}

/// The next moment it opens; none within the coming year. While it is open, that is the opening
/// after this one.
#[must_use]
pub fn next_open(hours: &Hours, now: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    let here = now.to_jiff().to_zoned(zone.clone());
    let mut date = here.date();
    for _ in 0..=366 {
        let mut opens: Vec<Time> = spans(hours, date).map(|(from, _)| from).collect();
        opens.sort_unstable();
        for time in opens {
            let at = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
            if at > here {
                return Some(at);
            }
        }
        date = date.tomorrow().ok()?;
    }
    None
}

fn spans(hours: &Hours, date: Date) -> impl Iterator<Item = (Time, Time)> + '_ {
    let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
    let closed = hours.holidays.contains(&date);
    hours.days[day].iter().copied().filter(move |_| !closed)
}

/// `at`, or the end of the quiet hours it falls into. They may span midnight.
#[must_use]
pub fn after_quiet(at: Timestamp, quiet: (Time, Time), zone: &TimeZone) -> Timestamp {
    let here = at.to_jiff().to_zoned(zone.clone());
    let (from, to) = quiet;
    let time = here.time();
    let over_midnight = from > to;
    let inside = if over_midnight {
        time >= from || time < to
    } else {
        time >= from && time < to
    };
    if !inside {
        return at;
    }
    let mut date = here.date();
    if over_midnight && time >= from {
        date = date.tomorrow().unwrap_or(date);
    }
    date.to_datetime(to)
        .to_zoned(zone.clone())
        .map_or(at, |z| Timestamp::from(z.timestamp()))
}

/// A moment from a slot or a service: a date (then at nine in the morning), or a date with time.
#[must_use]
pub fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from(instant));
    }
    if text.len() > 10
        && let Ok(local) = text.parse::<jiff::civil::DateTime>()
    {
        return local
            .to_zoned(zone.clone())
            .ok()
            .map(|z| Timestamp::from(z.timestamp()));
    }
    let date: Date = text.parse().ok()?;
    date.at(9, 0, 0, 0)
        .to_zoned(zone.clone())
        .ok()
        .map(|z| Timestamp::from(z.timestamp()))
}

/// As texts and expressions see an instant: RFC 3339 in the pack's zone.
#[must_use]
pub fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    at.to_jiff()
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    fn zone() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from(text.parse::<jiff::Timestamp>().unwrap())
    }

    #[test]
    fn days_keep_the_wall_clock_over_a_change_of_the_clocks() {
        // The night of 30 March 2025 has 23 hours in Berlin.
        let before = at("2025-03-29T10:00:00+01:00");
        let day = Duration { days: 1, ms: 0 };
        assert_eq!(add(before, day, &zone()), at("2025-03-30T10:00:00+02:00"));
        let hours = Duration {
            days: 0,
            ms: 24 * 3_600_000,
        };
        assert_eq!(add(before, hours, &zone()), at("2025-03-30T11:00:00+02:00"));
    }

    #[test]
    fn opening_hours_know_days_and_holidays() {
        let mut hours = Hours::default();
        for day in 0..5 {
            hours.days[day] = vec![(time(9, 0, 0, 0), time(18, 0, 0, 0))];
        }
        hours.holidays = vec![jiff::civil::date(2025, 3, 10)];
        let monday = at("2025-03-03T10:00:00+01:00");
        assert!(is_open(&hours, monday, &zone()));
        assert!(!is_open(&hours, at("2025-03-03T18:00:00+01:00"), &zone()));
        let friday_night = at("2025-03-07T20:00:00+01:00");
        let next = next_open(&hours, friday_night, &zone()).unwrap();
        assert_eq!(next.date(), jiff::civil::date(2025, 3, 11));
    }

    #[test]
    fn quiet_hours_may_span_midnight() {
        let quiet = (time(22, 0, 0, 0), time(8, 0, 0, 0));
        let late = at("2025-03-03T23:30:00+01:00");
        assert_eq!(
            after_quiet(late, quiet, &zone()),
            at("2025-03-04T08:00:00+01:00")
        );
        let early = at("2025-03-04T07:59:00+01:00");
        assert_eq!(
            after_quiet(early, quiet, &zone()),
            at("2025-03-04T08:00:00+01:00")
        );
        let noon = at("2025-03-04T12:00:00+01:00");
        assert_eq!(after_quiet(noon, quiet, &zone()), noon);
    }

    #[test]
    fn moments_are_read_from_dates_and_instants() {
        assert_eq!(
            moment("2025-03-17", &zone()),
            Some(at("2025-03-17T09:00:00+01:00"))
        );
        assert_eq!(
            moment("2025-03-17T12:00:00Z", &zone()),
            Some(at("2025-03-17T12:00:00Z"))
        );
        assert_eq!(
            moment("2025-03-17T12:00:00", &zone()),
            Some(at("2025-03-17T12:00:00+01:00"))
        );
        assert_eq!(moment("soon", &zone()), None);
    }
}
