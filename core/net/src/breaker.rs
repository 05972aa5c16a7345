//! The circuit breaker: a service that keeps failing is left alone for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::Policy;

/// Hosts remembered; a wildcard rule could otherwise fill memory.
const HOSTS_MAX: usize = 1024;

/// The circuits of one client, by host and port.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<String, Circuit>>);

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    open_until: Option<Instant>,
    /// Since when one call tries whether the service is back.
    probing: Option<Instant>,
}

impl Breakers {
    /// Whether a call may go out. After the pause exactly one may, until its outcome is known; a
    /// probe that was dropped is forgotten after another pause.
    pub(crate) fn admit(&self, host: &str, policy: &Policy) -> bool {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(circuit) = circuits.get_mut(host) else {
            return true;
        };
        let Some(until) = circuit.open_until else {
            return true;
        };
        let now = Instant::now();
        let busy = circuit
            .probing
            .is_some_and(|since| now < since + policy.breaker_pause);
        if now < until || busy {
            return false;
        }
        circuit.probing = Some(now);
        true
    }

    pub(crate) fn succeeded(&self, host: &str) {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        circuits.remove(host);
    }

    pub(crate) fn failed(&self, host: &str, policy: &Policy) {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if circuits.len() >= HOSTS_MAX && !circuits.contains_key(host) {
            circuits.retain(|_, circuit| circuit.open_until.is_some());
            if circuits.len() >= HOSTS_MAX {
                return;
            }
        }
        let circuit = circuits.entry(host.to_owned()).or_default();
        circuit.failures = circuit.failures.saturating_add(1);
        circuit.probing = None;
        if circuit.failures >= policy.breaker_failures.max(1) {
            circuit.open_until = Some(Instant::now() + policy.breaker_pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_probes_once_and_closes() {
        let policy = Policy::default();
        let breakers = Breakers::default();
        for _ in 0..5 {
            assert!(breakers.admit("a", &policy));
            breakers.failed("a", &policy);
        }
        assert!(!breakers.admit("a", &policy));
        assert!(breakers.admit("b", &policy));

        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(breakers.admit("a", &policy), "one probe");
        assert!(!breakers.admit("a", &policy), "and no second one");
        breakers.failed("a", &policy);
        assert!(
            !breakers.admit("a", &policy),
            "open again after one failure"
        );

        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(breakers.admit("a", &policy));
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(
            breakers.admit("a", &policy),
            "a probe that was dropped is forgotten"
        );
        breakers.succeeded("a");
        assert!(breakers.admit("a", &policy) && breakers.admit("a", &policy));
    }

    #[tokio::test]
    async fn failures_must_be_in_a_row() {
        let policy = Policy::default();
        let breakers = Breakers::default();
        for _ in 0..20 {
            breakers.failed("a", &policy);
            breakers.succeeded("a");
        }
        assert!(breakers.admit("a", &policy));
    }
}
