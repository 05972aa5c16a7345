//! When to try again.

use std::time::Duration;

use crate::Policy;

/// The wait before attempt `attempt + 1`: full jitter, or what the server asks for, cut short.
pub(crate) fn delay(
    policy: &Policy,
    attempt: u32,
    retry_after: Option<Duration>,
    chance: f64,
) -> Duration {
    if let Some(asked) = retry_after {
        return asked.min(policy.retry_after_max);
    }
    let doubled = policy
        .backoff
        .saturating_mul(2_u32.saturating_pow(attempt.min(20)));
    doubled
        .min(policy.backoff_max)
        .mul_f64(chance.clamp(0.0, 1.0))
}

/// `Retry-After` in seconds. The form with a date is for people's calendars; clocks differ.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    value
        .trim()
        .parse::<u32>()
        .ok()
        .map(|secs| Duration::from_secs(secs.into()))
}

/// Statuses that pass by themselves.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_their_cap_and_are_random_from_zero() {
        let policy = Policy::default();
        let at = |attempt, chance| delay(&policy, attempt, None, chance).as_millis();
        assert_eq!([at(0, 1.0), at(1, 1.0), at(2, 1.0)], [200, 400, 800]);
        assert_eq!([at(9, 1.0), at(u32::MAX, 1.0)], [5000, 5000]);
        assert_eq!([at(3, 0.0), at(3, 0.5)], [0, 800]);
    }

    #[test]
    fn retry_after_is_honoured_and_cut_short() {
        let policy = Policy::default();
        let asked = |text| retry_after(text).map(|asked| delay(&policy, 0, Some(asked), 0.3));
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        assert_eq!(asked("86400"), Some(Duration::from_secs(10)));
        assert_eq!(asked("99999999999999999999"), None);
        assert_eq!(asked("-1"), None);
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }
}
