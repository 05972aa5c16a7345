//! Who may come in, how often and how many: origins, token buckets, connection counts.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, header};
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::config::Config;

/// Buckets kept before the full ones are thrown out.
const SWEEP_AT: usize = 4096;

/// The doors of one account.
pub struct Guard {
    origins: Vec<String>,
    any_origin: bool,
    require_origin: bool,
    trust_forwarded: bool,
    messages: Buckets<String>,
    /// None where one address may write as much as it likes.
    addresses: Option<Buckets<IpAddr>>,
    sessions: Buckets<IpAddr>,
    uploads: Semaphore,
    open: Arc<Open>,
    per_ip: usize,
    most: usize,
}

impl Guard {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            origins: config.origins.clone(),
            any_origin: config.origins.iter().any(|o| o == "*"),
            require_origin: config.require_origin,
            trust_forwarded: config.trust_forwarded,
            messages: Buckets::new(limits.burst, limits.per_second),
            addresses: (limits.per_ip_burst > 0)
                .then(|| Buckets::new(limits.per_ip_burst, limits.per_ip_per_second)),
            sessions: Buckets::new(limits.sessions_burst, limits.sessions_per_second),
            uploads: Semaphore::new(config.files.concurrent),
            open: Arc::default(),
            per_ip: limits.connections_per_ip,
            most: limits.connections,
        }
    }

    /// May a page of this origin use the account? Without an origin it is a program.
    #[must_use]
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            // A page's own server is asked without an origin when only reading.
            let same = headers.get("sec-fetch-site");
            return !self.require_origin || same.is_some_and(|s| s == "same-origin");
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        if self.any_origin || self.origins.iter().any(|o| o == origin) {
            return true;
        }
        // The server's own pages.
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let origin_host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        matches!((host, origin_host), (Some(host), Some(origin)) if host == origin)
    }

    /// The address a request comes from; none where the server does not know it.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<IpAddr> {
        if self.trust_forwarded
            && let Some(ip) = headers
                .get_all("x-forwarded-for")
                .iter()
                .next_back()
                .and_then(|v| v.to_str().ok())
                .and_then(|v| v.rsplit(',').next())
                .and_then(|v| v.trim().parse().ok())
        {
            return Some(network(ip));
        }
        peer.map(|p| network(p.ip()))
    }

    /// Takes one message from the visitor's bucket and from the address's. What the visitor may
    /// not write costs the address nothing: others write from there too.
    ///
    /// # Errors
    /// How long to wait.
    pub fn message(&self, visitor: &str, address: Option<IpAddr>) -> Result<(), Duration> {
        self.messages.take(visitor, 1.0)?;
        match (&self.addresses, address) {
            (Some(addresses), Some(ip)) => addresses.take(&ip, 1.0),
            _ => Ok(()),
        }
    }

    /// Takes one session from the address's bucket.
    ///
    /// # Errors
    /// How long to wait.
    pub fn session(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        address.map_or(Ok(()), |ip| self.sessions.take(&ip, 1.0))
    }

    /// A place among the uploads that are received at the same time; none when all are taken.
    #[must_use]
    pub fn upload(&self) -> Option<SemaphorePermit<'_>> {
        self.uploads.try_acquire().ok()
    }

    /// Counts a socket until it is dropped; none when there are too many.
    #[must_use]
    pub fn connect(&self, address: Option<IpAddr>) -> Option<Connection> {
        let mut per_ip = self.open.per_ip();
        if self.open.all.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        if let (Some(ip), true) = (address, self.per_ip > 0) {
            let count = per_ip.entry(ip).or_insert(0);
            if *count >= self.per_ip {
                return None;
            }
            *count += 1;
        }
        self.open.all.fetch_add(1, Ordering::Relaxed);
        Some(Connection {
            open: self.open.clone(),
            address: address.filter(|_| self.per_ip > 0),
        })
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.all.load(Ordering::Relaxed)
    }

    /// Returns once no socket is open.
    pub async fn drained(&self) {
        loop {
            let changed = self.open.changed.notified();
            if self.connections() == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// One network that a single customer has, so that IPv6's many addresses count once.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::V6(octets.into())
        }
        v4 => v4,
    }
}

#[derive(Default)]
struct Open {
    all: AtomicUsize,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
    changed: Notify,
}

impl Open {
    fn per_ip(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.per_ip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open socket's place in the counts.
pub struct Connection {
    open: Arc<Open>,
    address: Option<IpAddr>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(ip) = self.address {
            let mut per_ip = self.open.per_ip();
            if let Some(count) = per_ip.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    per_ip.remove(&ip);
                }
            }
        }
        self.open.all.fetch_sub(1, Ordering::Relaxed);
        self.open.changed.notify_waiters();
    }
}

/// Token buckets by key. Full buckets are forgotten: they say nothing.
struct Buckets<K> {
    burst: f64,
    per_second: f64,
    kept: Mutex<HashMap<K, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(burst: u32, per_second: f64) -> Self {
        Self {
            burst: f64::from(burst),
            per_second,
            kept: Mutex::default(),
        }
    }

    fn take<Q>(&self, key: &Q, cost: f64) -> Result<(), Duration>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SWEEP_AT && kept.len().is_power_of_two() {
            let full = Duration::from_secs_f64((self.burst / self.per_second).min(1e9));
            kept.retain(|_, b| now.duration_since(b.at) < full);
        }
        if let Some(bucket) = kept.get_mut(key) {
            let since = now.duration_since(bucket.at).as_secs_f64();
            bucket.tokens = (bucket.tokens + since * self.per_second).min(self.burst);
            bucket.at = now;
            if bucket.tokens < cost {
                let wait = (cost - bucket.tokens) / self.per_second;
                return Err(Duration::from_secs_f64(wait.min(3600.0)));
            }
            bucket.tokens -= cost;
        } else {
            kept.insert(
                key.to_owned(),
                Bucket {
                    tokens: self.burst - cost,
                    at: now,
                },
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    fn guard(change: fn(&mut Config)) -> Guard {
        let mut config = Config::default();
        change(&mut config);
        Guard::new(&config)
    }

    fn from(origin: &str, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::HOST, host.parse().unwrap());
        headers
    }

    #[test]
    fn only_listed_origins_and_our_own_pages_come_in() {
        let guard = guard(|c| c.origins = vec!["https://shop.example".to_owned()]);
        assert!(guard.admits(&from("https://shop.example", "chat.example")));
        assert!(guard.admits(&from("https://chat.example", "chat.example")));
        assert!(guard.admits(&HeaderMap::new()));
        for other in [
            "https://shop.example.evil.test",
            "http://shop.example",
            "https://shop.example:8443",
            "https://sub.shop.example",
            "null",
            "",
        ] {
            assert!(!guard.admits(&from(other, "chat.example")), "{other}");
        }
    }

    #[test]
    fn a_strict_account_refuses_programs() {
        assert!(!guard(|c| c.require_origin = true).admits(&HeaderMap::new()));
        assert!(guard(|c| c.origins = vec!["*".to_owned()]).admits(&from("https://any.test", "x")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_held_to_its_rate() {
        let guard = guard(|_| ());
        let passed = (0..1000)
            .filter(|_| guard.message("v", None).is_ok())
            .count();
        assert_eq!(passed, 20);
        let wait = guard.message("v", None).unwrap_err();
        assert!(wait <= Duration::from_millis(200));
        assert!(guard.message("someone else", None).is_ok());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            (0..1000)
                .filter(|_| guard.message("v", None).is_ok())
                .count(),
            10
        );
    }

    #[tokio::test(start_paused = true)]
    async fn many_visitors_of_one_address_share_its_rate() {
        let guard = guard(|_| ());
        let here = Some("10.0.0.1".parse().unwrap());
        let visitor = |n: usize| format!("v{}", n % 100);
        let passed = (0..1000)
            .filter(|n| guard.message(&visitor(*n), here).is_ok())
            .count();
        assert_eq!(passed, 200);
        let elsewhere = Some("10.0.0.2".parse().unwrap());
        assert!(guard.message("someone else", elsewhere).is_ok());

        // One visitor's flood is refused before it costs the address anything.
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(
            (0..1000)
                .filter(|_| guard.message("v0", here).is_ok())
                .count(),
            20
        );
        assert!(guard.message("v1", here).is_ok());
        let free = super::Guard::new(&Config {
            limits: Limits {
                per_ip_burst: 0,
                ..Limits::default()
            },
            ..Config::default()
        });
        assert!((0..1000).all(|n| free.message(&n.to_string(), here).is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_forgotten() {
        let buckets: Buckets<String> = Buckets::new(20, 5.0);
        for i in 0..SWEEP_AT {
            buckets.take(i.to_string().as_str(), 1.0).unwrap();
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        buckets.take("new", 1.0).unwrap();
        assert_eq!(buckets.kept.lock().unwrap().len(), 1);
    }

    #[test]
    fn one_address_has_so_many_sockets() {
        let guard = guard(|c| {
            c.limits = Limits {
                connections_per_ip: 2,
                connections: 3,
                ..Limits::default()
            };
        });
        let ip = Some("10.0.0.1".parse().unwrap());
        let first = guard.connect(ip).unwrap();
        let _second = guard.connect(ip).unwrap();
        assert!(guard.connect(ip).is_none());
        drop(first);
        let _third = guard.connect(ip).unwrap();
        let _fourth = guard.connect(Some("10.0.0.2".parse().unwrap())).unwrap();
        assert!(guard.connect(None).is_none());
        assert_eq!(guard.connections(), 3);
    }

    #[test]
    fn a_forwarded_address_counts_only_where_it_is_trusted() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        let peer = Some("9.9.9.9:1".parse().unwrap());
        let direct = guard(|_| ()).address(&headers, peer);
        assert_eq!(direct, Some("9.9.9.9".parse().unwrap()));
        let proxied = guard(|c| c.trust_forwarded = true).address(&headers, peer);
        assert_eq!(proxied, Some("2.2.2.2".parse().unwrap()));
    }
}
